//! Seconds an optimiser step, by method: what Free costs beside ordinary training and K-PGD.
//!
//! `cargo bench -p free-at-benches`

use burn::optim::momentum::MomentumConfig;
use burn::optim::{ModuleOptimizer, SgdConfig};
use burn::tensor::Device;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use free_at::prelude::*;
use free_at::train::Descend;

/// As in the quickstart, and for its reason.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: usize = 128;

fn sgd() -> ModuleOptimizer {
    let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0);
    SgdConfig::new().with_momentum(Some(momentum)).init()
}

fn one_step<M: Descend<4>>(criterion: &mut Criterion, trainer: Result<Trainer<M>, Error>) {
    let trainer = trainer.expect("the configuration is valid");
    let device = trainer.device();
    let batch = digits::train().take(BATCH).batch(device).expect("there are digits");
    let mut optimizer = sgd();
    let mut model = Some(SmallCnnConfig::new(1, digits::CLASSES).init(device));
    criterion.benchmark_group("training_step").bench_function(trainer.name(), |bencher| {
        bencher.iter_batched(
            || (),
            |()| {
                let current = model.take().expect("a step gives the model back");
                let (next, _) = trainer
                    .step(current, &mut optimizer, 0.01, &batch)
                    .expect("the batch fits the model");
                device.sync().expect("the device works");
                model = Some(next);
            },
            BatchSize::PerIteration,
        );
    });
}

fn training_step(criterion: &mut Criterion) {
    let threat = || ThreatModel::linf(Epsilon::unit(0.1));
    let pgd = AdversarialConfig::new(threat(), Pgd::new(7));
    one_step(criterion, StandardTrainer::new(StandardConfig::new(), Device::default()));
    one_step(criterion, FreeAdversarialTrainer::new(FreeConfig::new(threat()), Device::default()));
    one_step(criterion, FastAdversarialTrainer::new(FastConfig::new(threat()), Device::default()));
    one_step(criterion, AdversarialTrainer::new(pgd, Device::default()));
}

criterion_group!(benches, training_step);
criterion_main!(benches);
