//! Three models of the digits.

use std::error::Error;

use burn::tensor::Device;
use free_at::FrozenModel;
use free_at::prelude::*;
use free_at::recipe::Length;
use free_at::train::Descend;
use free_at_examples::training::Plan;

use crate::Subject;

/// An ordinary, a Free-8 and a 7-PGD model, with the same weights to begin with.
pub(crate) fn on_digits(threat: &ThreatModel, seed: u64) -> Result<Vec<Subject>, Box<dyn Error>> {
    let device = Device::default();
    let free = FreeConfig::new(threat.clone()).with_replays(8);
    let adversary = Adversary::new(threat.clone()).with_seed(seed);
    let pgd = AdversarialConfig::new(adversary, Pgd::new(7));
    Ok(vec![
        train(&StandardTrainer::new(StandardConfig::new(), device.clone())?, seed)?,
        train(&FreeAdversarialTrainer::new(free, device.clone())?, seed)?,
        train(&AdversarialTrainer::new(pgd, device)?, seed)?,
    ])
}

fn train<M: Descend<4>>(trainer: &Trainer<M>, seed: u64) -> Result<Subject, Box<dyn Error>> {
    let device = trainer.device();
    // As in the quickstart, and half as long.
    let recipe = Recipe { length: Length::Epochs(48), ..Recipe::digits() };
    let plan = Plan::of(&recipe).ok_or("the recipe of the digits counts no epochs")?;
    let model = recipe.network.with_seed(seed).init(device)?;
    let batches = digits::train().loader(plan.batch, Some(seed), device)?;
    let trained = plan.train(trainer, model, &batches)?;
    Ok(Subject { name: trained.method, model: FrozenModel::new(&trained.model) })
}
