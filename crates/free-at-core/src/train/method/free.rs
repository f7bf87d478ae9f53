//! Free-m: "Adversarial Training for Free!", Shafahi et al., NeurIPS 2019, algorithm 1.
//!
//! `docs/paper.md` maps each line of the algorithm to this file.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::adversary::Adversary;
use super::interface::{Descend, Method};
use super::step::{Descent, Step};
use crate::error::Error;
use crate::model::classifier::Trainable;
use crate::threat::perturbation_set::PerturbationSet;
use crate::threat::threat_model::ThreatModel;
use crate::train::TrainError;

/// Where the input bounds are kept. The published programs disagree, so both are here; on images with black or white
/// areas the choice decides how robust the model becomes (`docs/results.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clamp {
    /// As the authors' own programs: the model sees clamp(x + δ), the gradient is zero where that
    /// cut, and δ is only kept in the ε-ball. Where x + δ is a bound itself the gradient passes, as
    /// it did in the versions of TensorFlow and PyTorch those programs ran on; recent PyTorch
    /// stops it there, which leaves a black pixel unperturbed.
    ///
    /// Once δ is below 0 where the images are black (or above it where they are white) it stays there: cut off, it has
    /// no gradient to come back by, and those pixels are no longer attacked. On photographs, whose pixels are seldom at
    /// a bound, that makes no difference; on handwritten digits Free-8 loses 11 points of robust accuracy by it.
    InForward,
    /// As the program of "Fast is better than free": the model sees x + δ, and δ is limited after
    /// each update so that x + δ is within the bounds. At the first replay of a minibatch x + δ
    /// can leave them, since δ comes from other inputs.
    OnUpdate,
    /// δ is limited before each pass, so that x + δ is within the bounds: the model never sees what is no input, and δ
    /// gets stuck nowhere.
    #[default]
    BeforeForward,
}

/// How far δ moves in one replay, unless the adversary says so.
const STEP_OF_EPSILON: f64 = 1.0;

/// Under which name δ is remembered of each sample.
const PERTURBATIONS: &str = "perturbations";

/// Configuration of Free-m: how [`FreeAdversarialTrainer`](crate::train::FreeAdversarialTrainer) trains. δ moves
/// by ε in each replay, unless the [`Adversary`] has another step size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FreeConfig {
    #[serde(flatten)]
    adversary: Adversary,
    replays: usize,
    clamp: Clamp,
    batch_size: Option<usize>,
    #[serde(default)]
    memory: Option<usize>,
}

impl FreeConfig {
    /// Free-8, with steps of ε and the bounds kept before each forward pass.
    pub fn new(adversary: impl Into<Adversary>) -> Self {
        let adversary = adversary.into();
        let (replays, clamp, batch_size) = (8, Clamp::default(), None);
        Self { adversary, replays, clamp, batch_size, memory: None }
    }

    /// m, how often each minibatch is replayed; at least 1. Default: 8, the paper's for CIFAR-10
    /// (4 for ImageNet).
    #[must_use]
    pub fn with_replays(mut self, replays: usize) -> Self {
        self.replays = replays;
        self
    }

    /// Where the input bounds are kept. Default: [`Clamp::BeforeForward`].
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

    /// Remembers δ of each sample from pass to pass, in place of the one δ that goes from minibatch to minibatch; of a
    /// data set of so many samples, told apart by their [indices](crate::Batch::indices). Default: no.
    ///
    /// Each device keeps `samples` × features numbers in half precision (single, where it has no half): 307 MB for
    /// CIFAR-10, 94 MB for MNIST. So do checkpoints. An image that is cropped or flipped anew in each pass meets the δ of the crop before, as in
    /// the programs that introduced such a memory (FGSM-MEP's).
    #[must_use]
    pub fn with_memory(mut self, samples: usize) -> Self {
        self.memory = Some(samples);
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

    fn threat(&self) -> Option<&ThreatModel> {
        Some(self.adversary.threat())
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
        let delta = self.carried(step, &allowed)?;
        let delta = match self.clamp {
            Clamp::InForward | Clamp::OnUpdate => delta,
            Clamp::BeforeForward => allowed.project_to_bounds(&x, delta),
        };
        let moved = x.clone() + delta.clone();
        let clamped = match self.clamp {
            Clamp::OnUpdate => moved.clone(),
            Clamp::InForward | Clamp::BeforeForward => allowed.clamp(moved.clone()), // the latter rounds
        };
        let seen = allowed.snap(&x, clamped.clone());

        // One forward and one backward pass of the loss at x + δ: g_θ for the optimiser, and g_adv.
        let (g_theta, g_adv) = step.descend_at(seen.clone())?;
        let g_adv = allowed.pulled_back(&seen, g_adv);
        let g_adv = match self.clamp {
            Clamp::InForward => g_adv.mask_fill(moved.not_equal(clamped), 0.0),
            Clamp::OnUpdate | Clamp::BeforeForward => g_adv,
        };

        // δ ← clip(δ + ε · sign(g_adv), −ε, ε)
        let size = step.step_size(&self.adversary, STEP_OF_EPSILON);
        let delta = allowed.project_to_ball(delta + allowed.steepest_step(g_adv, size));
        let delta = match self.clamp {
            Clamp::InForward | Clamp::BeforeForward => delta,
            Clamp::OnUpdate => allowed.project_to_bounds(&x, delta),
        };
        self.carry(step, delta)?;

        Ok(g_theta)
    }
}

impl FreeConfig {
    /// δ as the last replay left it: of whatever minibatch, or of these samples.
    fn carried<C: Trainable<D>, const D: usize>(
        &self,
        step: &mut Step<'_, C, D>,
        allowed: &PerturbationSet<D>,
    ) -> Result<Tensor<D>, TrainError> {
        let Some(samples) = self.memory else { return step.perturbation(self.batch_size) };
        let shape = step.inputs().dims();
        let remembered = step.remembered(PERTURBATIONS, samples, shape[1..].iter().product())?;
        Ok(allowed.project_to_ball(remembered.reshape(shape))) // half precision rounds up, too
    }

    fn carry<C: Trainable<D>, const D: usize>(
        &self,
        step: &mut Step<'_, C, D>,
        delta: Tensor<D>,
    ) -> Result<(), TrainError> {
        match self.memory {
            Some(_) => step.remember(PERTURBATIONS, delta.flatten(1, D - 1)),
            None => {
                step.carry(delta);
                Ok(())
            }
        }
    }
}
