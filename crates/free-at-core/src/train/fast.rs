//! FGSM with a random start: "Fast is better than free", Wong, Rice and Kolter, ICLR 2020.

use burn::backend::Dispatch;
use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::train::{Descend, Descent, Method, Phase, Trainer, Worker, warmup};
use crate::{Batch, Classifier, Error, FrozenModel, Objective, ThreatModel};

/// Trains on one FGSM step from a random start: two gradient computations an optimiser step.
pub type FastAdversarialTrainer<B = Dispatch> = Trainer<FastConfig, B>;

/// Configuration of FGSM-RS training.
///
/// ```
/// use burn::tensor::Device;
/// use free_at_core::train::{FastAdversarialTrainer, FastConfig};
/// use free_at_core::{Epsilon, ThreatModel};
///
/// let config = FastConfig::new(ThreatModel::linf(Epsilon::pixels(8.0)));
/// let trainer = FastAdversarialTrainer::new(config, Device::flex())?;
/// assert_eq!(trainer.gradient_computations(), 2);
/// # Ok::<(), free_at_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FastConfig {
    threat: ThreatModel,
    step_size: Option<f64>,
    seed: u64,
    #[serde(default)]
    warm_up: u64,
}

impl FastConfig {
    /// Steps of 1.25 ε, seed 0.
    pub fn new(threat: ThreatModel) -> Self {
        Self { threat, step_size: None, seed: 0, warm_up: 0 }
    }

    /// The length of the step, in the unit of ε; above 0. Default: 1.25 ε, the paper's.
    #[must_use]
    pub fn with_step_size(mut self, step_size: f64) -> Self {
        self.step_size = Some(step_size);
        self
    }

    /// The seed of the random starts. Default: 0.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
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
        const OF_EPSILON: f64 = 1.25;
        self.step_size.unwrap_or(OF_EPSILON * self.threat.epsilon().value())
    }
}

impl Method for FastConfig {
    fn name(&self) -> String {
        "fgsm-rs".into()
    }

    fn check(&self) -> Result<(), Error> {
        self.threat.check()?;
        match self.step_size() {
            size if size.is_finite() && size > 0.0 => Ok(()),
            value => Err(Error::StepSize { value }),
        }
    }

    fn gradient_computations(&self) -> usize {
        2
    }
}

impl<const D: usize> Descend<D> for FastConfig {
    fn descend<C: Classifier<D> + Module + 'static>(
        &self,
        model: &C,
        batch: &Batch<D>,
        worker: &mut Worker,
    ) -> Result<Descent, Error> {
        let x = batch.inputs().without_autodiff();
        let share = warmup::share(self.warm_up, worker.steps());
        let allowed = warmup::scaled(&self.threat, share).around(&x)?;
        let start = allowed.random_start(&x, &worker.draws(self.seed, batch.len()));
        let seen = |delta: &Tensor<D>| allowed.snap(&x, allowed.clamp(x.clone() + delta.clone()));

        let point = seen(&start);
        let ascent = FrozenModel::new(model).input_gradient(
            point.clone(),
            &batch.truth(),
            Objective::CrossEntropy,
        )?;
        worker.show(Phase::Ascent, batch, (&point, &ascent.gradient, &ascent.logits))?;
        let step = allowed.steepest_step(ascent.gradient, share * self.step_size());
        let delta = allowed.project(&x, start + step);

        Descent::at(model, seen(&delta), batch, worker)
    }
}
