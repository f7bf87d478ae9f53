//! What observers of the input gradient cost beside a step of Free training, each and all.
//!
//! `cargo bench -p free-at-benches --bench observers`

use burn::tensor::Device;
use criterion::Criterion;
use criterion::measurement::WallTime;
use free_at::observe::{GradientAlignment, GradientNorm, HardestSamples, SaliencyMaps};
use free_at::prelude::*;
use free_at::train::{GradientPenalty, TrainError};
use free_at_benches::cases::{CASES, Case, sgd};
use free_at_benches::ratio::{Bar, ratio};
use free_at_benches::ratios;
use free_at_benches::timing;

/// As in the quickstart, and for its reason.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Group<'a> = criterion::BenchmarkGroup<'a, WallTime>;
type Trained = Result<FreeAdversarialTrainer, TrainError>;

const NONE: &str = "no observer";
const WITH: [&str; 6] = ["norm", "alignment", "saliency", "hardest", "all four", "penalty"];

fn step(
    group: &mut Group,
    case: &Case,
    name: &str,
    add: impl FnOnce(FreeAdversarialTrainer) -> Trained,
) {
    let trainer = FreeAdversarialTrainer::new(FreeConfig::new(case.threat()), Device::default());
    let trainer = trainer.and_then(add).expect("the configuration is valid");
    let device = trainer.device();
    let batch = case.batch(device).with_indices((0..case.batch).collect()).expect("as many");
    let (mut optimizer, mut model) = (sgd(), Some(case.network(device)));
    timing::time(group, name, device, || {
        let current = model.take().expect("a step gives the model back");
        let step = trainer.step(current, &mut optimizer, 1e-4, &batch);
        model = Some(step.expect("the batch fits the model").0);
    });
}

fn observers(criterion: &mut Criterion) {
    for case in &CASES {
        let mut group = timing::group(criterion, &format!("observers/{}", case.name));
        step(&mut group, case, NONE, Ok);
        for name in WITH {
            step(&mut group, case, name, |trainer| match name {
                "norm" => Ok(trainer.observing(GradientNorm::new())),
                "alignment" => Ok(trainer.observing(GradientAlignment::new())),
                "saliency" => Ok(trainer.observing(SaliencyMaps::new())),
                "hardest" => Ok(trainer.observing(HardestSamples::new())),
                "penalty" => trainer.penalizing(GradientPenalty::new(0.1)),
                _ => Ok(trainer
                    .observing(GradientNorm::new())
                    .observing(GradientAlignment::new())
                    .observing(SaliencyMaps::new())
                    .observing(HardestSamples::new())),
            });
        }
        group.finish();
    }
}

fn main() {
    let of_case = |case: &Case| {
        let group = format!("observers/{}", case.name);
        WITH.map(|name| ratio(&group, name, NONE, Bar::None))
    };
    ratios::run(observers, &CASES.iter().flat_map(of_case).collect::<Vec<_>>());
}
