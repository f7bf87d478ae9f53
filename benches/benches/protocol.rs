//! The paper's comparison: whole trainings with as many optimiser steps, the epochs divided by m.
//!
//! `cargo bench -p free-at-benches --bench protocol`

use burn::tensor::Device;
use criterion::Criterion;
use criterion::measurement::WallTime;
use free_at::prelude::*;
use free_at::train::{Descend, TrainError};
use free_at_benches::cases::sgd;
use free_at_benches::ratio::{Bar, ratio};
use free_at_benches::ratios;
use free_at_benches::timing;

/// As in the quickstart, and for its reason.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const IMAGES: usize = 512;
const BATCH: usize = 128;
/// Of ordinary training.
const EPOCHS: usize = 8;

/// All passes of a training, data and all, by a loop of one's own.
fn training<M: Descend<4>>(
    group: &mut criterion::BenchmarkGroup<WallTime>,
    trainer: Result<Trainer<M>, TrainError>,
) {
    let trainer = trainer.expect("the configuration is valid");
    let device = trainer.device();
    let digits = digits::train().take(IMAGES);
    timing::time(group, &trainer.name(), device, || {
        let loader = digits.loader(BATCH, Some(0), device).expect("the batch size is valid");
        let mut model = SmallCnnConfig::new(1, digits::CLASSES).with_width(14).init(device);
        let mut optimizer = sgd();
        for _ in 0..trainer.passes(EPOCHS) {
            for batch in loader.iter() {
                let batch = batch.expect("digits are in memory");
                for _ in 0..trainer.replays() {
                    let step = trainer.step(model, &mut optimizer, 0.05, &batch);
                    model = step.expect("the batch fits the model").0;
                }
            }
        }
        trainer.finish().expect("the loss stays finite");
    });
}

fn protocol(criterion: &mut Criterion) {
    let device = Device::default;
    let threat = || ThreatModel::linf(Epsilon::unit(0.1));
    let free = |m| FreeConfig::new(threat()).with_replays(m);
    let pgd = AdversarialConfig::new(threat(), Pgd::new(7));
    let mut group = timing::group(criterion, "protocol");
    training(&mut group, StandardTrainer::new(StandardConfig::new(), device()));
    training(&mut group, FreeAdversarialTrainer::new(free(4), device()));
    training(&mut group, FreeAdversarialTrainer::new(free(8), device()));
    training(&mut group, AdversarialTrainer::new(pgd, device()));
    group.finish();
}

fn main() {
    let ratios = [
        ratio("protocol", "free-4", "standard", Bar::None),
        ratio("protocol", "free-8", "standard", Bar::None),
        ratio("protocol", "pgd-7", "free-8", Bar::Least(5.0)),
    ];
    ratios::run(protocol, &ratios);
}
