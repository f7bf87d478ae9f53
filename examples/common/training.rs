//! One training, by whichever method, with a loop of one's own.

use std::sync::Arc;
use std::time::Instant;

use burn::data::dataloader::DataLoader;
use free_at::Trainable;
use free_at::prelude::*;
use free_at::recipe::{Additions, Decayed, Length, Rate, SgdRecipe};
use free_at::train::Descend;

use crate::progress::Progress;

/// How long, and with which steps: what the examples' own recipe has, for data and networks of any kind.
#[derive(Clone)]
pub struct Plan {
    /// Ordinary passes over the data. Free-m makes 1/m as many, each minibatch m times.
    pub epochs: usize,
    /// Samples in a minibatch.
    pub batch: usize,
    /// The learning rate over the training.
    pub rate: Rate,
    /// The optimiser.
    pub sgd: SgdRecipe,
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
    /// Momentum 0.9, weight decay 5e-4, and a learning rate that falls from this one along half a cosine.
    pub fn cosine(epochs: usize, batch: usize, rate: f64) -> Self {
        let sgd = SgdRecipe { momentum: 0.9, weight_decay: 5e-4, decayed: Decayed::All };
        Self { epochs, batch, rate: Rate::Cosine { rate }, sgd }
    }

    /// That of a recipe whose length is in epochs, without additions.
    pub fn of(recipe: &Recipe) -> Option<Self> {
        let Length::Epochs(epochs) = recipe.length else { return None };
        if recipe.additions != Additions::default() {
            return None;
        }
        let (batch, rate, sgd) = (recipe.batch_size, recipe.rate.clone(), recipe.sgd);
        Some(Self { epochs, batch, rate, sgd })
    }

    /// Trains `model` on minibatches that are on the trainer's device.
    ///
    /// # Errors
    /// Those of the trainer, the data and the device.
    pub fn train<M: Descend<D>, C: Trainable<D>, const D: usize>(
        &self,
        trainer: &Trainer<M>,
        mut model: C,
        batches: &Arc<dyn DataLoader<Batch<D>>>,
    ) -> Result<Trained<C>, Box<dyn std::error::Error>> {
        let mut optimizer = self.sgd.init(&model);
        let replays = trainer.replays();
        let per_pass = batches.num_items().div_ceil(self.batch) * replays;
        let steps = per_pass * trainer.passes(self.epochs);
        let schedule = self.rate.schedule(steps, per_pass, replays);

        let progress = Progress::new(&trainer.name(), steps);
        let start = Instant::now();
        let mut taken = 0;
        for _ in 0..trainer.passes(self.epochs) {
            for batch in batches.iter() {
                let batch = batch?;
                for _ in 0..replays {
                    let rate = schedule.rate(taken);
                    taken += 1;
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
