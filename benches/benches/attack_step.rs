//! Seconds a step of an attack costs beside an optimiser step of ordinary training, for the same
//! network and batch: the parameters' gradients, which an attack does without, are the difference.
//!
//! `cargo bench -p free-at-benches --bench attack_step`

use std::time::Instant;

use burn::optim::SgdConfig;
use burn::tensor::Device;
use criterion::{Criterion, criterion_group, criterion_main};
use free_at::prelude::*;

/// As in the quickstart, and for its reason.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: usize = 128;
const WIDTH: usize = 14;

fn network(device: &Device) -> SmallCnn {
    SmallCnnConfig::new(1, digits::CLASSES).with_width(WIDTH).init(device)
}

/// `steps` training steps, timed.
fn training(criterion: &mut Criterion) {
    let trainer = StandardTrainer::new(StandardConfig::new(), Device::default());
    let trainer = trainer.expect("the configuration is valid");
    let batch = digits::train().take(BATCH).batch(trainer.device()).expect("there are digits");
    criterion.benchmark_group("step").bench_function("training", |bencher| {
        bencher.iter_custom(|steps| {
            let mut model = network(trainer.device());
            let mut optimizer = SgdConfig::new().init();
            let start = Instant::now();
            for _ in 0..steps {
                let step = trainer.step(model, &mut optimizer, 0.01, &batch);
                model = step.expect("the batch fits the model").0;
            }
            trainer.device().sync().expect("the device works");
            start.elapsed()
        });
    });
}

/// An attack of `steps` steps, timed; nothing leaves its batch.
fn attacks(criterion: &mut Criterion) {
    let device = Device::default();
    let batch = digits::train().take(BATCH).batch(&device).expect("there are digits");
    let model = FrozenModel::new(&network(&device));
    let mut group = criterion.benchmark_group("step");
    for threat in [ThreatModel::linf(Epsilon::unit(0.1)), ThreatModel::l2(Epsilon::unit(0.6))] {
        let draws = Draws::new(0, (0..BATCH as u64).collect());
        let task = AttackTask::new(&model, batch.inputs(), batch.truth(), &threat, draws);
        let task = task.expect("the batch can be attacked");
        let mut time = |name: &str, attack: &dyn Fn(usize) -> Box<dyn Attack<4>>| {
            group.bench_function(format!("{name} {}", threat.norm()), |bencher| {
                bencher.iter_custom(|steps| {
                    let attack = attack(steps as usize);
                    let start = Instant::now();
                    attack.run_once(&task, 0).expect("the attack runs");
                    device.sync().expect("the device works");
                    start.elapsed()
                });
            });
        };
        time("PGD", &|steps| Box::new(Pgd::new(steps)));
        time("APGD", &|steps| Box::new(Apgd::ce().with_steps(steps)));
        time("FAB-T", &|steps| Box::new(FabT::new().with_steps(steps)));
        time("Square", &|steps| Box::new(Square::new().with_queries(steps)));
    }
}

criterion_group!(benches, training, attacks);
criterion_main!(benches);
