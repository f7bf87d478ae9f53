//! Whom a method trains against.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::threat::epsilon::Epsilon;
use crate::threat::norm::Norm;
use crate::threat::perturbation_set::PerturbationSet;
use crate::threat::threat_model::ThreatModel;

/// Whom a training method trains against: a threat model, the seed of random draws, the size of its steps, and
/// a budget that may grow over the first of them. Every method embeds one; a [`ThreatModel`] alone is one with
/// the defaults.
///
/// ```
/// use free_at_core::train::{Adversary, FreeConfig};
/// use free_at_core::{Epsilon, ThreatModel};
///
/// let threat = ThreatModel::linf(Epsilon::pixels(8.0));
/// let slowly = Adversary::new(threat).with_warm_up(1_000).with_step_size(Epsilon::pixels(4.0));
/// let config = FreeConfig::new(slowly).with_replays(8);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Adversary {
    threat: ThreatModel,
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    step_size: Option<Epsilon>,
    #[serde(default)]
    warm_up: u64,
    #[serde(default)]
    attacked: Option<ModelMode>,
    #[serde(skip)]
    made: Made,
}

/// In which mode the model is while a method looks for adversarial examples. The descent step always trains it.
///
/// The programs of the papers disagree, and each method's default is its own reference's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelMode {
    /// As in an evaluation: running statistics, no dropout; nothing of the model moves. TRADES and MART do so.
    Evaluation,
    /// As in the descent step: statistics of the batch, dropout; running statistics move at each step uphill, too.
    /// MadryLab's K-PGD, `fast_adversarial`'s PGD and FGSM-RS, N-FGSM and AWP do so.
    Training,
}

impl Adversary {
    /// Within `threat`, with seed 0, the method's own step size and mode, and the whole budget from the first step on.
    pub fn new(threat: ThreatModel) -> Self {
        let (seed, step_size, warm_up, attacked) = (0, None, 0, None);
        Self { threat, seed, step_size, warm_up, attacked, made: Made::default() }
    }

    /// The seed of random draws. Default: 0.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How far the perturbation moves in one step of the method. Default: the method's own. A method that
    /// trains against an attack takes its steps from that, and refuses one here.
    #[must_use]
    pub fn with_step_size(mut self, step_size: Epsilon) -> Self {
        self.step_size = Some(step_size);
        self
    }

    /// Lets ε (and the step size with it) rise linearly from 0 over this many optimiser steps of each device.
    /// Default: 0, the whole budget from the first step on.
    #[must_use]
    pub fn with_warm_up(mut self, steps: u64) -> Self {
        self.warm_up = steps;
        self
    }

    /// In which mode the model is attacked, by methods that attack it. (Free-m does not: its one gradient is that
    /// of the descent step.) Default: the method's own.
    #[must_use]
    pub fn attacking_in(mut self, mode: ModelMode) -> Self {
        self.attacked = Some(mode);
        self
    }

    /// The threat model trained against.
    pub fn threat(&self) -> &ThreatModel {
        &self.threat
    }

    /// The seed of random draws.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The step size, if one was given.
    pub fn step_size(&self) -> Option<Epsilon> {
        self.step_size
    }

    /// The mode in which the model is attacked, if one was given.
    pub fn attacked_in(&self) -> Option<ModelMode> {
        self.attacked
    }

    /// Accepts a threat model that can be trained against, and a step size with its unit.
    ///
    /// # Errors
    /// Those of [`ThreatModel::check`]; [`Error::Unsupported`] for L0, in which no step is steepest;
    /// [`Error::StepSize`], [`Error::StepSizeUnit`].
    pub fn check(&self) -> Result<(), Error> {
        self.threat.check()?;
        if self.threat.norm() == Norm::L0 {
            let instead = "train in L1, in which steps are sparse, too, or in L∞".into();
            let (attack, what) = ("adversarial training".into(), Norm::L0.to_string());
            return Err(Error::Unsupported { attack, what, instead });
        }
        self.step_size.map_or(Ok(()), |step_size| self.threat.check_step_size(step_size))
    }

    /// The share of ε that holds at an optimiser step, counted from 0: it rises linearly to 1 over the
    /// first steps, if there is a warm-up.
    pub(super) fn share(&self, step: u64) -> f64 {
        match self.warm_up > step {
            true => (step + 1) as f64 / self.warm_up as f64,
            false => 1.0,
        }
    }

    /// The perturbations allowed around samples such as `inputs` at an optimiser step, counted from 0. What
    /// they need on the device is sent there once.
    pub(super) fn around<const D: usize>(
        &self,
        inputs: &Tensor<D>,
        step: u64,
    ) -> Result<PerturbationSet<D>, Error> {
        let whole = self.made.get_or(inputs, || self.threat.around(inputs))?;
        Ok(match self.share(step) {
            share if share < 1.0 => whole.with_share(share),
            _ => whole,
        })
    }
}

impl From<ThreatModel> for Adversary {
    fn from(threat: ThreatModel) -> Self {
        Self::new(threat)
    }
}

/// Sets that were made before, one for each device and shape of a sample. Clones share them.
#[derive(Clone, Default)]
struct Made(Arc<Mutex<Vec<Entry>>>);

struct Entry {
    device: Device,
    sample: Vec<usize>,
    /// A `PerturbationSet<D>`.
    set: Box<dyn Any + Send>,
}

impl Made {
    fn get_or<const D: usize>(
        &self,
        inputs: &Tensor<D>,
        make: impl FnOnce() -> Result<PerturbationSet<D>, Error>,
    ) -> Result<PerturbationSet<D>, Error> {
        let (device, shape) = (inputs.device().without_autodiff(), inputs.dims());
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = made.iter().find(|entry| entry.sample == shape[1..] && entry.device == device);
        if let Some(set) = known.and_then(|entry| entry.set.downcast_ref::<PerturbationSet<D>>()) {
            return Ok(set.clone());
        }
        let set = make()?;
        made.push(Entry { device, sample: shape[1..].to_vec(), set: Box::new(set.clone()) });
        Ok(set)
    }
}

/// They follow from the rest of an adversary.
impl PartialEq for Made {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bounds, FeatureRules};

    #[test]
    fn the_budget_rises_linearly_and_stays() {
        let adversary = Adversary::new(ThreatModel::linf(Epsilon::unit(0.4))).with_warm_up(4);
        let inputs = Tensor::<2>::zeros([2, 3], &Device::flex());
        let budgets = (0..6).map(|step| adversary.around(&inputs, step).unwrap().epsilon());
        let expected = [0.1, 0.2, 0.3, 0.4, 0.4, 0.4];
        assert!(budgets.zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-12));
    }

    /// A category may change whatever the share of ε is, and other features by that share.
    #[test]
    fn a_share_of_the_budget_is_the_threat_model_of_that_budget() {
        let threat = |epsilon| {
            ThreatModel::linf(Epsilon::unit(epsilon))
                .with_bounds(Bounds::None)
                .with_scale(vec![2.0, 0.0, 1.0, 1.0])
                .with_rules(FeatureRules::new(4).with_categories(vec![2, 3]))
        };
        let inputs = Tensor::<2>::from_data([[0.5, 0.5, 1.0, 0.0]], &Device::flex());
        let adversary = Adversary::new(threat(0.4)).with_warm_up(4);
        let gradient = Tensor::<2>::from_data([[1.0, 1.0, -1.0, 1.0]], &Device::flex());
        let moved = |set: PerturbationSet<2>| -> Vec<f32> {
            let step = set.steepest_step(gradient.clone(), set.epsilon());
            set.project(&inputs, step).try_into_vec_as().unwrap()
        };
        let found = moved(adversary.around(&inputs, 0).unwrap());
        assert_eq!(found, moved(threat(0.1).around(&inputs).unwrap()));
        assert_eq!(found, [0.2, 0.0, -1.0, 1.0]);
    }

    #[test]
    fn what_was_made_for_one_shape_serves_no_other() {
        let adversary =
            Adversary::new(ThreatModel::linf(Epsilon::unit(0.1)).with_scale(vec![1.0, 2.0, 3.0]));
        let around = |features| {
            let inputs = Tensor::<2>::zeros([1, features], &Device::flex());
            adversary.around(&inputs, 0).map(drop)
        };
        assert!(around(3).is_ok() && around(3).is_ok());
        assert!(matches!(around(4), Err(Error::FeatureCount { .. })));
    }
}
