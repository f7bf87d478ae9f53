//! The methods by name, each with what was asked for.

use std::error::Error;

use burn::tensor::Device;
use free_at::prelude::*;
use free_at::train::{
    MartConfig, MepConfig, Method, ModelMode, NoiseFgsmConfig, TradesConfig, TrainError,
    WeightPerturbation,
};

use crate::arguments::{AttackedIn, MethodName, Wanted};
use crate::run::Run;
use crate::settings::Settings;

/// Trains by the method that was asked for.
pub(crate) fn train(run: &Run, device: Device) -> Result<(), Box<dyn Error>> {
    let (wanted, recipe) = (&run.settings.wanted, &run.settings.recipe);
    let additions = &wanted.additions;
    check(wanted)?;
    let adversary =
        Adversary::new(recipe.threat.clone()).with_seed(wanted.seed).with_warm_up(wanted.warm_up);
    let adversary = match additions.attacked_in {
        Some(AttackedIn::Evaluation) => adversary.attacking_in(ModelMode::Evaluation),
        Some(AttackedIn::Training) => adversary.attacking_in(ModelMode::Training),
        None => adversary,
    };
    // Of the method's own steps; K-PGD's are its attack's.
    let stepping = match recipe.step_size {
        Some(size) => adversary.clone().with_step_size(size),
        None => adversary.clone(),
    };
    match wanted.method {
        MethodName::Standard => run.train(trainer(StandardConfig::new(), device, run.settings)?),
        MethodName::Free => {
            let rows = recipe.batch_size.div_ceil(run.devices.len());
            let config = FreeConfig::new(stepping)
                .with_replays(recipe.replays)
                .with_clamp(recipe.clamp)
                .with_batch_size(rows);
            let config = match additions.memory {
                true => config.with_memory(run.data.samples()),
                false => config,
            };
            run.train(trainer(config, device, run.settings)?)
        }
        MethodName::Pgd => {
            let attack = Pgd::new(wanted.steps.unwrap_or(7));
            let attack = match wanted.step_size {
                Some(size) => attack.with_step_size(size),
                None => attack,
            };
            run.train(trainer(AdversarialConfig::new(adversary, attack), device, run.settings)?)
        }
        MethodName::Fast => run.train(trainer(FastConfig::new(stepping), device, run.settings)?),
        MethodName::NFgsm => {
            run.train(trainer(NoiseFgsmConfig::new(stepping), device, run.settings)?)
        }
        MethodName::Mep => {
            let config = MepConfig::new(stepping, run.data.samples());
            let config = additions.beta.map_or(config.clone(), |beta| config.with_lambda(beta));
            run.train(trainer(config, device, run.settings)?)
        }
        MethodName::Trades => {
            let config = TradesConfig::new(stepping);
            let config = wanted.steps.map_or(config.clone(), |steps| config.with_steps(steps));
            let config = additions.beta.map_or(config.clone(), |beta| config.with_beta(beta));
            run.train(trainer(config, device, run.settings)?)
        }
        MethodName::Mart => {
            let config = MartConfig::new(stepping);
            let config = wanted.steps.map_or(config.clone(), |steps| config.with_steps(steps));
            let config = additions.beta.map_or(config.clone(), |beta| config.with_lambda(beta));
            run.train(trainer(config, device, run.settings)?)
        }
    }
}

/// The trainer of a method, with what is added to any.
fn trainer<M: Method>(
    method: M,
    device: Device,
    settings: &Settings,
) -> Result<Trainer<M>, TrainError> {
    let smoothing = settings.recipe.additions.label_smoothing;
    let trainer = Trainer::new(method, device)?.smoothing_labels(smoothing)?;
    match settings.wanted.additions.awp {
        Some(gamma) => trainer.perturbing_weights(WeightPerturbation::new(gamma)),
        None => Ok(trainer),
    }
}

/// Refuses what the method would pass over.
fn check(Wanted { method, additions, steps, clamp, .. }: &Wanted) -> Result<(), String> {
    use MethodName::{Fast, Free, Mart, Mep, NFgsm, Pgd, Trades};
    let only = |asked: bool, name: &str, methods: &[MethodName]| match asked
        && !methods.contains(method)
    {
        true => {
            Err(format!("--{name} is nothing to --method {method:?}: leave it out").to_lowercase())
        }
        false => Ok(()),
    };
    only(additions.memory, "memory", &[Free])?;
    only(clamp.is_some(), "clamp", &[Free])?;
    only(additions.beta.is_some(), "beta", &[Trades, Mart, Mep])?;
    only(steps.is_some(), "steps", &[Pgd, Trades, Mart])?;
    only(additions.attacked_in.is_some(), "attacked-in", &[Pgd, Fast, NFgsm, Trades, Mart])?;
    Ok(())
}
