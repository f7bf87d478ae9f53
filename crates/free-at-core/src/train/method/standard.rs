//! Ordinary training, with no adversary.

use serde::{Deserialize, Serialize};

use super::interface::{Descend, Method};
use super::step::{Descent, Step};
use crate::model::classifier::Trainable;
use crate::train::TrainError;

/// Configuration of ordinary training.
///
/// ```
/// use burn::tensor::Device;
/// use free_at_core::train::{StandardConfig, StandardTrainer};
///
/// let trainer = StandardTrainer::new(StandardConfig::new(), Device::flex())?;
/// assert_eq!((trainer.name().as_str(), trainer.passes(30)), ("standard", 30));
/// # Ok::<(), free_at_core::train::TrainError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandardConfig {
    replays: usize,
}

impl Default for StandardConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl StandardConfig {
    /// Each minibatch once.
    pub fn new() -> Self {
        Self { replays: 1 }
    }

    /// How often each minibatch is replayed, to see what replays alone do to clean accuracy
    /// (figure 1 of the Free paper); at least 1. Default: 1.
    #[must_use]
    pub fn with_replays(mut self, replays: usize) -> Self {
        self.replays = replays;
        self
    }
}

impl Method for StandardConfig {
    fn name(&self) -> String {
        match self.replays {
            1 => "standard".into(),
            m => format!("standard-{m}"),
        }
    }

    fn check(&self) -> Result<(), TrainError> {
        match self.replays {
            0 => Err(TrainError::Replays),
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

impl<const D: usize> Descend<D> for StandardConfig {
    fn descend<C: Trainable<D>>(&self, step: &mut Step<'_, C, D>) -> Result<Descent, TrainError> {
        step.descend(step.inputs())
    }
}
