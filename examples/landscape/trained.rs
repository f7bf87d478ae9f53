//! Three models of the digits.

use std::error::Error;

use burn::tensor::Device;
use free_at::prelude::*;
use free_at::train::Descend;
use free_at_examples::training::Plan;

use crate::Subject;

/// Half as long as in the quickstart.
const PLAN: Plan = Plan { epochs: 48, batch: 128, learning_rate: 0.1 };
/// As in the quickstart.
const WIDTH: usize = 14;

/// An ordinary, a Free-8 and a 7-PGD model, with the same weights to begin with.
pub(crate) fn on_digits(threat: &ThreatModel, seed: u64) -> Result<Vec<Subject>, Box<dyn Error>> {
    let device = Device::default();
    let free = FreeConfig::new(threat.clone()).with_replays(8);
    let pgd = AdversarialConfig::new(threat.clone(), Pgd::new(7)).with_seed(seed);
    Ok(vec![
        train(&StandardTrainer::new(StandardConfig::new(), device.clone())?, seed)?,
        train(&FreeAdversarialTrainer::new(free, device.clone())?, seed)?,
        train(&AdversarialTrainer::new(pgd, device)?, seed)?,
    ])
}

fn train<M: Descend<4>>(trainer: &Trainer<M>, seed: u64) -> Result<Subject, Box<dyn Error>> {
    let device = trainer.device();
    let config = SmallCnnConfig::new(1, digits::CLASSES).with_width(WIDTH);
    let model = config.with_seed(seed).init(device);
    let batches = digits::train().loader(PLAN.batch, Some(seed), device)?;
    let trained = PLAN.train(trainer, model, &batches)?;
    Ok(Subject { name: trained.method, model: FrozenModel::new(&trained.model) })
}
