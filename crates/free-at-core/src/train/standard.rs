//! Ordinary training, with no adversary.

use burn::backend::Dispatch;
use burn::module::Module;
use serde::{Deserialize, Serialize};

use crate::train::{Descend, Descent, Method, Trainer, Worker};
use crate::{Batch, Classifier, Error};

/// Trains on the inputs as they are: the baseline of every comparison.
pub type StandardTrainer<B = Dispatch> = Trainer<StandardConfig, B>;

/// Configuration of ordinary training.
///
/// ```
/// use burn::tensor::Device;
/// use free_at_core::train::{StandardConfig, StandardTrainer};
///
/// let trainer = StandardTrainer::new(StandardConfig::new(), Device::flex())?;
/// assert_eq!((trainer.name().as_str(), trainer.epochs(30)), ("standard", 30));
/// # Ok::<(), free_at_core::Error>(())
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

    fn check(&self) -> Result<(), Error> {
        match self.replays {
            0 => Err(Error::Replays),
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
    fn descend<C: Classifier<D> + Module + 'static>(
        &self,
        model: &C,
        batch: &Batch<D>,
        worker: &mut Worker,
    ) -> Result<Descent, Error> {
        Descent::at(model, batch.inputs(), batch, worker)
    }
}
