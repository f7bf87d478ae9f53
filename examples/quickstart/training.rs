//! One training, by whichever method.

use std::time::Instant;

use burn::module::Module;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{ModuleOptimizer, SgdConfig};
use free_at::prelude::*;
use free_at::train::Descend;

use crate::progress::Progress;

/// Ordinary passes over the data. Free-8 makes an eighth as many, each minibatch eight times.
const EPOCHS: usize = 96;
const BATCH: usize = 128;
const LEARNING_RATE: f64 = 0.1;
/// Not 16: strides of a power of two share cache lines, and a CPU then takes a third longer.
const WIDTH: usize = 14;

pub(crate) struct Data {
    pub(crate) train: ImageDataset,
    pub(crate) test: ImageDataset,
    pub(crate) seed: u64,
}

/// A trained model and what it took.
pub(crate) struct Trained {
    pub(crate) method: String,
    pub(crate) model: SmallCnn,
    pub(crate) steps: usize,
    pub(crate) gradient_computations: usize,
    pub(crate) seconds: f64,
}

impl Data {
    /// Trains a new network: the same weights, data and optimiser for every method.
    pub(crate) fn train_with<M: Descend<4>>(
        &self,
        trainer: &Trainer<M>,
    ) -> Result<Trained, Box<dyn std::error::Error>> {
        let device = trainer.device();
        let mut model = SmallCnnConfig::new(1, digits::CLASSES)
            .with_width(WIDTH)
            .with_seed(self.seed)
            .init(device);
        let mut optimizer = sgd();
        let batches = self.train.loader(BATCH, Some(self.seed), device)?;
        let per_pass = self.train.len().div_ceil(BATCH) * trainer.replays();
        let steps = per_pass * trainer.epochs(EPOCHS);
        let mut schedule = CosineAnnealingLrSchedulerConfig::new(LEARNING_RATE, steps).init()?;

        let progress = Progress::new(&trainer.name(), steps);
        let start = Instant::now();
        for _ in 0..trainer.epochs(EPOCHS) {
            for batch in batches.iter() {
                let batch = batch?;
                for _ in 0..trainer.replays() {
                    let rate = schedule.step();
                    let (next, step) = trainer.step(model, &mut optimizer, rate, &batch)?;
                    model = next;
                    progress.advance(&step.loss);
                }
            }
        }
        device.sync()?;
        let seconds = start.elapsed().as_secs_f64();
        progress.finish(seconds);

        Ok(Trained {
            method: trainer.name(),
            model: model.valid(),
            steps,
            gradient_computations: steps * trainer.gradient_computations(),
            seconds,
        })
    }
}

fn sgd() -> ModuleOptimizer {
    SgdConfig::new()
        .with_momentum(Some(MomentumConfig::new().with_momentum(0.9).with_dampening(0.0)))
        .with_weight_decay(Some(WeightDecayConfig::new(5e-4)))
        .init()
}
