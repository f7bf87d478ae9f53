//! The quickstart's data, and how a network is trained on them.

use std::error::Error;

use free_at::models::SmallCnn;
use free_at::prelude::*;
use free_at::train::Descend;
use free_at_examples::training::{self, Plan};

pub(crate) struct Data {
    pub(crate) train: ImageDataset,
    pub(crate) test: ImageDataset,
    pub(crate) seed: u64,
}

pub(crate) type Trained = training::Trained<SmallCnn>;

impl Data {
    /// Trains a new network by the recipe: the same weights, data and optimiser for every method.
    pub(crate) fn train_with<M: Descend<4>>(
        &self,
        recipe: &Recipe,
        trainer: Trainer<M>,
    ) -> Result<Trained, Box<dyn Error>> {
        let device = trainer.device();
        let NetworkConfig::SmallCnn(network) = recipe.network.clone().with_seed(self.seed) else {
            return Err("the recipe of the digits has another network".into());
        };
        let plan = Plan::of(recipe)
            .ok_or("the recipe of the digits counts no epochs, or adds to its method")?;
        let batches = self.train.loader(plan.batch, Some(self.seed), device)?;
        plan.train(&trainer, network.init(device), &batches)
    }
}
