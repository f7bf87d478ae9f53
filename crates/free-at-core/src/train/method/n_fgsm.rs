//! N-FGSM: "Make some noise: Reliable and efficient single-step adversarial training", de Jorge et al., NeurIPS 2022.

use serde::{Deserialize, Serialize};

use super::adversary::{Adversary, ModelMode};
use super::interface::{Descend, Method};
use super::observer::Phase;
use super::step::{Descent, Step};
use crate::model::classifier::Trainable;
use crate::threat::objective::Objective;
use crate::threat::threat_model::ThreatModel;
use crate::train::TrainError;

/// The length of the step, unless the adversary says so: the paper's α = ε.
const STEP_OF_EPSILON: f64 = 1.0;

/// Configuration of N-FGSM training: noise from a ball of 2 ε, one step of ε from there, and **no projection**, so that
/// inputs move by up to 3 ε (within their bounds). FGSM-RS overfits catastrophically at large ε; this does not, at the
/// same cost.
///
/// As the authors' program, `pdejorge/N-FGSM`, which sees the model in training mode and has L∞; in L2 the noise is
/// uniform in the ball.
///
/// ```
/// use burn::tensor::Device;
/// use free_at_core::train::{NoiseFgsmConfig, NoiseFgsmTrainer};
/// use free_at_core::{Epsilon, ThreatModel};
///
/// let config = NoiseFgsmConfig::new(ThreatModel::linf(Epsilon::pixels(16.0)));
/// let trainer = NoiseFgsmTrainer::new(config, Device::flex())?;
/// assert_eq!((trainer.name().as_str(), trainer.gradient_computations()), ("n-fgsm", 2));
/// # Ok::<(), free_at_core::train::TrainError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NoiseFgsmConfig {
    #[serde(flatten)]
    adversary: Adversary,
    noise: f64,
}

impl NoiseFgsmConfig {
    /// Against this adversary.
    pub fn new(adversary: impl Into<Adversary>) -> Self {
        Self { adversary: adversary.into(), noise: 2.0 }
    }

    /// k, the size of the noise in multiples of ε, above 0. Default: 2.
    #[must_use]
    pub fn with_noise(mut self, multiple: f64) -> Self {
        self.noise = multiple;
        self
    }

    /// The threat model trained against.
    pub fn threat(&self) -> &ThreatModel {
        self.adversary.threat()
    }
}

impl Method for NoiseFgsmConfig {
    fn name(&self) -> String {
        "n-fgsm".into()
    }

    fn check(&self) -> Result<(), TrainError> {
        self.adversary.check()?;
        match self.noise.is_finite() && self.noise > 0.0 {
            true => Ok(()),
            false => Err(TrainError::Parameter {
                what: "N-FGSM",
                parameter: "the size of the noise in multiples of ε",
                allowed: "finite and above 0",
                value: self.noise,
            }),
        }
    }

    fn threat(&self) -> Option<&ThreatModel> {
        Some(self.adversary.threat())
    }

    fn gradient_computations(&self) -> usize {
        2
    }
}

impl<const D: usize> Descend<D> for NoiseFgsmConfig {
    fn descend<C: Trainable<D>>(&self, step: &mut Step<'_, C, D>) -> Result<Descent, TrainError> {
        let frozen = step.frozen(&self.adversary, ModelMode::Training);
        let task = step.task(&self.adversary, &frozen)?;
        let allowed = task.allowed();
        let noise = allowed.with_share(self.noise).random_start(task.inputs(), task.draws());
        let seen = task.moved(&noise);
        let found = task.gradient(seen.clone(), task.goal(), Objective::CrossEntropy)?;
        step.show(Phase::Ascent, (&seen, &found.gradient, &found.logits))?;
        let size = step.step_size(&self.adversary, STEP_OF_EPSILON);
        step.descend(task.moved(&(noise + allowed.steepest_step(found.gradient, size))))
    }
}
