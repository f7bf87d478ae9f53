//! The quickstart's network, data and plan.

use free_at::prelude::*;
use free_at::train::Descend;
use free_at_examples::training::{self, Plan};

const PLAN: Plan = Plan { epochs: 96, batch: 128, learning_rate: 0.1 };
/// Not 16: strides of a power of two share cache lines, and a CPU then takes a third longer.
const WIDTH: usize = 14;

pub(crate) struct Data {
    pub(crate) train: ImageDataset,
    pub(crate) test: ImageDataset,
    pub(crate) seed: u64,
}

pub(crate) type Trained = training::Trained<SmallCnn>;

impl Data {
    /// Trains a new network: the same weights, data and optimiser for every method.
    pub(crate) fn train_with<M: Descend<4>>(
        &self,
        trainer: &Trainer<M>,
    ) -> Result<Trained, Box<dyn std::error::Error>> {
        let device = trainer.device();
        let config = SmallCnnConfig::new(1, digits::CLASSES).with_width(WIDTH);
        let model = config.with_seed(self.seed).init(device);
        PLAN.train(trainer, model, &self.train.loader(PLAN.batch, Some(self.seed), device)?)
    }
}
