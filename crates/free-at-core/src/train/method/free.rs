//! Free-m: "Adversarial Training for Free!", Shafahi et al., NeurIPS 2019, algorithm 1.
//!
//! `docs/paper.md` maps each line of the algorithm to this file.

use serde::{Deserialize, Serialize};

use super::adversary::Adversary;
use super::interface::{Descend, Method};
use super::step::{Descent, Step};
use crate::error::Error;
use crate::model::classifier::Trainable;
use crate::threat::threat_model::ThreatModel;
use crate::train::TrainError;

/// Where the input bounds are kept. The published programs disagree, so both are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clamp {
    /// As the authors' own programs: the model sees clamp(x + δ), the gradient is zero where that
    /// cut, and δ is only kept in the ε-ball. Where x + δ is a bound itself the gradient passes, as
    /// it did in the versions of TensorFlow and PyTorch those programs ran on; recent PyTorch
    /// stops it there, which leaves a black pixel unperturbed.
    #[default]
    InForward,
    /// As the program of "Fast is better than free": the model sees x + δ, and δ is limited after
    /// each update so that x + δ is within the bounds. At the first replay of a minibatch x + δ
    /// can leave them, since δ comes from other inputs.
    OnUpdate,
}

/// How far δ moves in one replay, unless the adversary says so.
const STEP_OF_EPSILON: f64 = 1.0;

/// Configuration of Free-m: how [`FreeAdversarialTrainer`](crate::train::FreeAdversarialTrainer) trains. δ moves
/// by ε in each replay, unless the [`Adversary`] has another step size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FreeConfig {
    #[serde(flatten)]
    adversary: Adversary,
    replays: usize,
    clamp: Clamp,
    batch_size: Option<usize>,
}

impl FreeConfig {
    /// Free-8, with steps of ε and the bounds kept in the forward pass.
    pub fn new(adversary: impl Into<Adversary>) -> Self {
        let adversary = adversary.into();
        Self { adversary, replays: 8, clamp: Clamp::default(), batch_size: None }
    }

    /// m, how often each minibatch is replayed; at least 1. Default: 8, the paper's for CIFAR-10
    /// (4 for ImageNet).
    #[must_use]
    pub fn with_replays(mut self, replays: usize) -> Self {
        self.replays = replays;
        self
    }

    /// Where the input bounds are kept. Default: [`Clamp::InForward`].
    #[must_use]
    pub fn with_clamp(mut self, clamp: Clamp) -> Self {
        self.clamp = clamp;
        self
    }

    /// The largest minibatch that will come: the rows of δ. Needed only where a smaller one can be
    /// the first, as with a loader of several threads. Default: the size of the first minibatch.
    #[must_use]
    pub fn with_batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = Some(batch_size);
        self
    }

    /// The threat model trained against.
    pub fn threat(&self) -> &ThreatModel {
        self.adversary.threat()
    }
}

impl Method for FreeConfig {
    fn name(&self) -> String {
        format!("free-{}", self.replays)
    }

    fn check(&self) -> Result<(), TrainError> {
        self.adversary.check()?;
        match self.replays {
            0 => Err(TrainError::Replays),
            _ if self.batch_size == Some(0) => Err(Error::BatchSize.into()),
            _ => Ok(()),
        }
    }

    fn replays(&self) -> usize {
        self.replays
    }

    fn gradient_computations(&self) -> usize {
        1
    }
}

impl<const D: usize> Descend<D> for FreeConfig {
    /// One replay: lines 6 to 12 of algorithm 1.
    fn descend<C: Trainable<D>>(&self, step: &mut Step<'_, C, D>) -> Result<Descent, TrainError> {
        // x, the minibatch; δ, carried over from the last replay, of whatever minibatch.
        let x = step.inputs();
        let allowed = step.allowed(&self.adversary)?;
        let delta = step.perturbation(self.batch_size)?;
        let moved = x.clone() + delta.clone();
        let clamped = match self.clamp {
            Clamp::InForward => allowed.clamp(moved.clone()),
            Clamp::OnUpdate => moved.clone(),
        };
        let seen = allowed.snap(&x, clamped.clone());

        // One forward and one backward pass of the loss at x + δ: g_θ for the optimiser, and g_adv.
        let (g_theta, g_adv) = step.descend_at(seen)?;
        let g_adv = match self.clamp {
            Clamp::InForward => g_adv.mask_fill(moved.not_equal(clamped), 0.0),
            Clamp::OnUpdate => g_adv,
        };

        // δ ← clip(δ + ε · sign(g_adv), −ε, ε)
        let size = step.step_size(&self.adversary, STEP_OF_EPSILON);
        let delta = allowed.project_to_ball(delta + allowed.steepest_step(g_adv, size));
        let delta = match self.clamp {
            Clamp::InForward => delta,
            Clamp::OnUpdate => allowed.project_to_bounds(&x, delta),
        };
        step.carry(delta);

        Ok(g_theta)
    }
}
