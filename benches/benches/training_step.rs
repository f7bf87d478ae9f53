//! Seconds an optimiser step, by method: what Free costs beside ordinary training and K-PGD.
//!
//! `cargo bench -p free-at-benches --bench training_step`

use burn::tensor::Device;
use criterion::Criterion;
use criterion::measurement::WallTime;
use free_at::prelude::*;
use free_at::train::{Descend, TrainError};
use free_at_benches::cases::{CASES, Case, sgd};
use free_at_benches::ratio::{Bar, ratio};
use free_at_benches::ratios;
use free_at_benches::timing;

/// As in the quickstart, and for its reason.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Group<'a> = criterion::BenchmarkGroup<'a, WallTime>;

fn one_step<M: Descend<4>>(
    group: &mut Group,
    case: &Case,
    trainer: Result<Trainer<M>, TrainError>,
) {
    let trainer = trainer.expect("the configuration is valid");
    let device = trainer.device();
    let batch = case.batch(device);
    let (mut optimizer, mut model) = (sgd(), Some(case.network(device)));
    timing::time(group, &trainer.name(), device, || {
        let current = model.take().expect("a step gives the model back");
        // A rate at which noise is not learnt: what is measured stays the same work.
        let step = trainer.step(current, &mut optimizer, 1e-4, &batch);
        model = Some(step.expect("the batch fits the model").0);
    });
}

fn training_step(criterion: &mut Criterion) {
    let device = Device::default;
    for case in &CASES {
        let mut group = timing::group(criterion, &format!("training_step/{}", case.name));
        let threat = || case.threat();
        let pgd = |steps| AdversarialConfig::new(threat(), Pgd::new(steps));
        let free = FreeConfig::new(threat()).with_replays(8);
        let fast = FastConfig::new(threat());
        one_step(&mut group, case, StandardTrainer::new(StandardConfig::new(), device()));
        one_step(&mut group, case, FreeAdversarialTrainer::new(free, device()));
        one_step(&mut group, case, FastAdversarialTrainer::new(fast, device()));
        one_step(&mut group, case, AdversarialTrainer::new(pgd(2), device()));
        one_step(&mut group, case, AdversarialTrainer::new(pgd(7), device()));
        group.finish();
    }
}

fn main() {
    let of_case = |case: &Case| {
        let group = format!("training_step/{}", case.name);
        let small = case.name == "small-cnn";
        let bar = |bar| if small { Bar::None } else { bar };
        [
            ratio(&group, "free-8", "standard", bar(Bar::Most(1.05))),
            ratio(&group, "fgsm-rs", "free-8", Bar::None),
            ratio(&group, "pgd-2", "free-8", Bar::None),
            ratio(&group, "pgd-7", "free-8", bar(Bar::Least(5.0))),
        ]
    };
    ratios::run(training_step, &CASES.iter().flat_map(of_case).collect::<Vec<_>>());
}
