//! One training, by whichever method, with a loop of one's own.

use std::sync::Arc;
use std::time::Instant;

use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{ModuleOptimizer, SgdConfig};
use free_at::prelude::*;
use free_at::train::Descend;

use crate::progress::Progress;

/// How long, and with which steps.
#[derive(Clone, Copy)]
pub struct Plan {
    /// Ordinary passes over the data. Free-m makes 1/m as many, each minibatch m times.
    pub epochs: usize,
    /// Samples in a minibatch.
    pub batch: usize,
    /// The learning rate at the beginning of a cosine.
    pub learning_rate: f64,
}

/// A trained model and what it took.
pub struct Trained<C> {
    /// The name of the method.
    pub method: String,
    /// The model, off the autodiff device.
    pub model: C,
    /// Optimiser steps.
    pub steps: usize,
    /// Forward and backward passes of a minibatch.
    pub gradient_computations: usize,
    /// Of training.
    pub seconds: f64,
}

impl Plan {
    /// Trains `model` on minibatches that are on the trainer's device.
    ///
    /// # Errors
    /// Those of the trainer, the data and the device.
    pub fn train<M: Descend<D>, C: Classifier<D> + Module + 'static, const D: usize>(
        self,
        trainer: &Trainer<M>,
        mut model: C,
        batches: &Arc<dyn DataLoader<Batch<D>>>,
    ) -> Result<Trained<C>, Box<dyn std::error::Error>> {
        let mut optimizer = sgd();
        let per_pass = batches.num_items().div_ceil(self.batch) * trainer.replays();
        let steps = per_pass * trainer.epochs(self.epochs);
        let mut schedule =
            CosineAnnealingLrSchedulerConfig::new(self.learning_rate, steps).init()?;

        let progress = Progress::new(&trainer.name(), steps);
        let start = Instant::now();
        for _ in 0..trainer.epochs(self.epochs) {
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
        trainer.device().sync()?;
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
