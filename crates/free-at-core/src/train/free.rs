//! Free-m: "Adversarial Training for Free!", Shafahi et al., NeurIPS 2019, algorithm 1.
//!
//! `docs/paper.md` maps each line of the algorithm to this file.

use burn::backend::Dispatch;
use burn::module::Module;
use serde::{Deserialize, Serialize};

use crate::train::{Descend, Descent, Method, Trainer, Worker, warmup};
use crate::{Batch, Classifier, Error, ThreatModel};

/// Trains with Free-m: each minibatch is replayed m times, and the one backward pass of each
/// replay moves both the parameters and a perturbation that carries over to the next minibatch.
///
/// Robustness close to K-PGD training's at the price of ordinary training. Pass the data over
/// [`epochs`](Trainer::epochs)`(n)` times, n / m, for as many optimiser steps as n ordinary epochs.
///
/// `B` is the backend, as a `HashMap` has a hasher: left out, any [`Device`] will do at run time;
/// named, a device of another backend does not compile.
///
/// ```
/// use burn::backend::{Autodiff, Flex};
/// use burn::tensor::Device;
/// use free_at_core::{Epsilon, FreeAdversarialTrainer, FreeConfig, ThreatModel};
///
/// let config = FreeConfig::new(ThreatModel::linf(Epsilon::pixels(8.0))).with_replays(8);
/// let trainer = FreeAdversarialTrainer::new(config.clone(), Device::flex())?;
/// let pinned = FreeAdversarialTrainer::<Autodiff<Flex>>::on(config, Default::default())?;
/// assert_eq!((trainer.replays(), trainer.epochs(200)), (8, 25));
/// assert_eq!(trainer.device(), pinned.device());
/// # Ok::<(), free_at_core::Error>(())
/// ```
///
/// A backend without autodiff is refused by the compiler:
///
/// ```compile_fail,E0277
/// use burn::backend::Flex;
/// use free_at_core::{Epsilon, FreeAdversarialTrainer, FreeConfig, ThreatModel};
///
/// let config = FreeConfig::new(ThreatModel::linf(Epsilon::pixels(8.0)));
/// let trainer = FreeAdversarialTrainer::<Flex>::on(config, Default::default());
/// ```
///
/// [`Device`]: burn::tensor::Device
pub type FreeAdversarialTrainer<B = Dispatch> = Trainer<FreeConfig, B>;

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

/// Configuration of Free-m.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FreeConfig {
    threat: ThreatModel,
    replays: usize,
    step_size: Option<f64>,
    clamp: Clamp,
    batch_size: Option<usize>,
    #[serde(default)]
    warm_up: u64,
}

impl FreeConfig {
    /// Free-8, with steps of ε and the bounds kept in the forward pass.
    pub fn new(threat: ThreatModel) -> Self {
        Self {
            threat,
            replays: 8,
            step_size: None,
            clamp: Clamp::default(),
            batch_size: None,
            warm_up: 0,
        }
    }

    /// m, how often each minibatch is replayed; at least 1. Default: 8, the paper's for CIFAR-10
    /// (4 for ImageNet).
    #[must_use]
    pub fn with_replays(mut self, replays: usize) -> Self {
        self.replays = replays;
        self
    }

    /// How far δ moves in one replay, in the unit of ε; above 0. Default: ε.
    #[must_use]
    pub fn with_step_size(mut self, step_size: f64) -> Self {
        self.step_size = Some(step_size);
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

    /// Lets ε (and the step size with it) rise linearly from 0 over this many optimiser steps of each device.
    /// Default: 0, the whole budget from the first step on.
    #[must_use]
    pub fn with_warm_up(mut self, steps: u64) -> Self {
        self.warm_up = steps;
        self
    }

    /// The threat model trained against.
    pub fn threat(&self) -> &ThreatModel {
        &self.threat
    }

    fn step_size(&self) -> f64 {
        self.step_size.unwrap_or(self.threat.epsilon().value())
    }
}

impl Method for FreeConfig {
    fn name(&self) -> String {
        format!("free-{}", self.replays)
    }

    fn check(&self) -> Result<(), Error> {
        self.threat.check()?;
        match (self.replays, self.step_size()) {
            (0, _) => Err(Error::Replays),
            _ if self.batch_size == Some(0) => Err(Error::BatchSize),
            (_, size) if !(size.is_finite() && size > 0.0) => Err(Error::StepSize { value: size }),
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
    fn descend<C: Classifier<D> + Module + 'static>(
        &self,
        model: &C,
        batch: &Batch<D>,
        worker: &mut Worker,
    ) -> Result<Descent, Error> {
        // x, the minibatch; δ, carried over from the last replay, of whatever minibatch.
        let x = batch.inputs().without_autodiff();
        let share = warmup::share(self.warm_up, worker.steps());
        let allowed = warmup::scaled(&self.threat, share).around(&x)?;
        let delta = worker.perturbation(&x, self.batch_size)?;
        let moved = x.clone() + delta.clone();
        let clamped = match self.clamp {
            Clamp::InForward => allowed.clamp(moved.clone()),
            Clamp::OnUpdate => moved.clone(),
        };
        let seen = allowed.snap(&x, clamped.clone());

        // One forward and one backward pass of the loss at x + δ: g_θ for the optimiser, and g_adv.
        let (g_theta, g_adv) = Descent::with_input_gradient(model, seen, batch, worker)?;
        let g_adv = match self.clamp {
            Clamp::InForward => g_adv.mask_fill(moved.not_equal(clamped), 0.0),
            Clamp::OnUpdate => g_adv,
        };

        // δ ← clip(δ + ε · sign(g_adv), −ε, ε)
        let step = allowed.steepest_step(g_adv, share * self.step_size());
        let delta = allowed.project_to_ball(delta + step);
        let delta = match self.clamp {
            Clamp::InForward => delta,
            Clamp::OnUpdate => allowed.project_to_bounds(&x, delta),
        };
        worker.carry(delta);

        Ok(g_theta)
    }
}
