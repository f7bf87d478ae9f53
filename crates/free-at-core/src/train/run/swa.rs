//! An average of the weights: SWA, stochastic weight averaging.

use burn::module::Module;
use serde::{Deserialize, Serialize};

use super::after_step::{AfterStep, blend};
use crate::train::TrainError;

/// The mean of the weights after every so many steps, from some step on; before that, the last weights.
///
/// Izmailov et al., "Averaging weights leads to wider optima and better generalization", UAI 2018; for adversarial
/// training Chen et al., "Robust overfitting may be mitigated by properly learned smoothening", ICLR 2021. Running
/// statistics are averaged with the weights. The paper estimates them anew at the end:
/// [`reestimate_statistics`](crate::train::reestimate_statistics).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swa {
    from: u64,
    every: u64,
}

impl Swa {
    /// From this optimiser step on, counted from 1 and at least that, at every step: three quarters of the training, say.
    pub fn new(from: u64) -> Self {
        Self { from, every: 1 }
    }

    /// Only after every so many steps: a pass, in the paper. At least 1. Default: 1.
    #[must_use]
    pub fn every(mut self, steps: u64) -> Self {
        self.every = steps;
        self
    }
}

impl<C: Module> AfterStep<C> for Swa {
    fn name(&self) -> String {
        format!("swa-{}-{}", self.from, self.every)
    }

    fn check(&self) -> Result<(), TrainError> {
        let none = |parameter| {
            Err(TrainError::Parameter { what: "SWA", parameter, allowed: "at least 1", value: 0.0 })
        };
        match (self.from, self.every) {
            (0, _) => none("the first step"),
            (_, 0) => none("steps between two weights"),
            _ => Ok(()),
        }
    }

    fn after_step(&self, kept: C, trained: &C, step: u64) -> C {
        let Some(since) = step.checked_sub(self.from) else { return trained.clone() };
        match since.is_multiple_of(self.every) {
            true => blend(kept, trained, 1.0 / (since / self.every + 1) as f64),
            false => kept,
        }
    }
}
