//! FGSM with a random start: "Fast is better than free", Wong, Rice and Kolter, ICLR 2020.

use serde::{Deserialize, Serialize};

use super::adversary::{Adversary, ModelMode};
use super::interface::{Descend, Method};
use super::observer::Phase;
use super::step::{Descent, Step};
use crate::attack::ascent::Ascent;
use crate::model::classifier::Trainable;
use crate::threat::objective::Objective;
use crate::threat::threat_model::ThreatModel;
use crate::train::TrainError;

/// The length of the step, unless the adversary says so: the paper's.
const STEP_OF_EPSILON: f64 = 1.25;

/// Configuration of FGSM-RS training: one step of 1.25 ε from a random start, unless the [`Adversary`] has
/// another step size. The step sees the model in training mode, as the authors' program has it, unless the adversary
/// says [otherwise](Adversary::attacking_in).
///
/// ```
/// use burn::tensor::Device;
/// use free_at_core::train::{FastAdversarialTrainer, FastConfig};
/// use free_at_core::{Epsilon, ThreatModel};
///
/// let config = FastConfig::new(ThreatModel::linf(Epsilon::pixels(8.0)));
/// let trainer = FastAdversarialTrainer::new(config, Device::flex())?;
/// assert_eq!(trainer.gradient_computations(), 2);
/// # Ok::<(), free_at_core::train::TrainError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FastConfig {
    #[serde(flatten)]
    adversary: Adversary,
}

impl FastConfig {
    /// Against this adversary.
    pub fn new(adversary: impl Into<Adversary>) -> Self {
        Self { adversary: adversary.into() }
    }

    /// The threat model trained against.
    pub fn threat(&self) -> &ThreatModel {
        self.adversary.threat()
    }
}

impl Method for FastConfig {
    fn name(&self) -> String {
        "fgsm-rs".into()
    }

    fn check(&self) -> Result<(), TrainError> {
        Ok(self.adversary.check()?)
    }

    fn threat(&self) -> Option<&ThreatModel> {
        Some(self.adversary.threat())
    }

    fn gradient_computations(&self) -> usize {
        2
    }
}

impl<const D: usize> Descend<D> for FastConfig {
    fn descend<C: Trainable<D>>(&self, step: &mut Step<'_, C, D>) -> Result<Descent, TrainError> {
        let frozen = step.frozen(&self.adversary, ModelMode::Training);
        let task = step.task(&self.adversary, &frozen)?;
        let start = task.allowed().random_start(task.inputs(), task.draws());
        let ascent = Ascent::new(1, step.step_size(&self.adversary, STEP_OF_EPSILON));
        let adversarial = ascent.climb(
            &task,
            Some(start),
            |logits| Objective::CrossEntropy.values(logits, task.goal()),
            |seen, found| step.show(Phase::Ascent, (seen, &found.gradient, &found.logits)),
        )?;
        step.descend(adversarial)
    }
}
