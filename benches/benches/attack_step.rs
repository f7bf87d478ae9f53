//! Seconds a step of an attack costs beside an optimiser step of ordinary training, for the same
//! network and batch: the parameters' gradients, which an attack does without, are the difference.
//!
//! `cargo bench -p free-at-benches --bench attack_step`

use burn::tensor::Device;
use criterion::Criterion;
use criterion::measurement::WallTime;
use free_at::attacks::{Apgd, Attack, AttackTask, FabT, Square};
use free_at::prelude::*;
use free_at::{Draws, FrozenModel};
use free_at_benches::cases::{CASES, Case, sgd};
use free_at_benches::ratio::{Bar, ratio};
use free_at_benches::ratios;
use free_at_benches::timing;

/// As in the quickstart, and for its reason.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Group<'a> = criterion::BenchmarkGroup<'a, WallTime>;

fn training(group: &mut Group, case: &Case) {
    let trainer = StandardTrainer::new(StandardConfig::new(), Device::default());
    let trainer = trainer.expect("the configuration is valid");
    let device = trainer.device();
    let batch = case.batch(device);
    let (mut optimizer, mut model) = (sgd(), Some(case.network(device)));
    timing::time(group, "training", device, || {
        let current = model.take().expect("a step gives the model back");
        let step = trainer.step(current, &mut optimizer, 1e-4, &batch);
        model = Some(step.expect("the batch fits the model").0);
    });
}

/// Attacks of so many steps; nothing leaves its batch.
fn attacks(group: &mut Group, case: &Case, threat: &ThreatModel, all: bool) {
    let device = Device::default();
    let batch = case.batch(&device);
    let model = FrozenModel::new(&case.network(&device));
    let draws = Draws::new(0, (0..case.batch as u64).collect());
    let task = AttackTask::new(&model, batch.inputs(), batch.untargeted(), threat, draws);
    let task = task.expect("the batch can be attacked");
    let mut time = |name: &str, attack: &dyn Fn(usize) -> Box<dyn Attack<4>>| {
        timing::time_many(group, &format!("{name} {}", threat.norm()), &device, |steps| {
            attack(steps as usize).run_once(&task, 0).expect("the attack runs");
        });
    };
    time("PGD", &|steps| Box::new(Pgd::new(steps)));
    if all {
        time("APGD", &|steps| Box::new(Apgd::ce().with_steps(steps)));
        time("FAB-T", &|steps| Box::new(FabT::new().with_steps(steps)));
        time("Square", &|steps| Box::new(Square::new().with_queries(steps)));
    }
}

fn attack_step(criterion: &mut Criterion) {
    for case in &CASES {
        let small = case.name == "small-cnn";
        let mut group = timing::group(criterion, &format!("attack_step/{}", case.name));
        training(&mut group, case);
        attacks(&mut group, case, &case.threat(), small);
        if small {
            attacks(&mut group, case, &ThreatModel::l2(Epsilon::unit(0.6)), true);
        }
        group.finish();
    }
}

fn main() {
    let mut pairs = Vec::new();
    for case in &CASES {
        let group = format!("attack_step/{}", case.name);
        pairs.push(ratio(&group, "PGD L∞", "training", Bar::Most(0.75)));
        if case.name == "small-cnn" {
            for attack in ["APGD", "FAB-T", "Square"] {
                pairs.push(ratio(&group, &format!("{attack} L∞"), "training", Bar::None));
            }
            for attack in ["PGD", "APGD", "FAB-T", "Square"] {
                pairs.push(ratio(&group, &format!("{attack} L2"), "training", Bar::None));
            }
        }
    }
    ratios::run(attack_step, &pairs);
}
