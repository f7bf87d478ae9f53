//! The mean length of the gradient in the input.

use free_at_core::train::{DeviceMean, GradientObserver, Observation, Phase};
use free_at_core::{Error, rows};

use super::mean::{Readings, metric};

/// The mean over samples of ‖∇ₓ l‖₂, the length of the gradient of each sample's own loss in its input, as
/// training saw it: an observer, and a Burn metric that reports it.
///
/// A robust model has short gradients; lengths that grow from pass to pass are a model that becomes less
/// smooth. In Burn's loop register a clone: `.metric_train_numeric(norm)`, or with
/// [`EveryNth`](free_at_core::train::EveryNth) to read it more rarely; every step counts either way. (Burn
/// reads metrics while training goes on, so a step more or less may count for the pass beside its own.)
/// See the [module](super) for an example.
#[derive(Debug, Clone, Default)]
pub struct GradientNorm {
    mean: DeviceMean,
    readings: Readings,
}

impl GradientNorm {
    /// An observer that has seen nothing yet. Clones see the same.
    pub fn new() -> Self {
        Self::default()
    }

    /// The mean since the last call; none if there was no step. Waits for the device.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn take(&self) -> Result<Option<f64>, Error> {
        self.mean.mean()
    }
}

impl GradientObserver for GradientNorm {
    fn observe(&self, seen: &Observation<'_>) -> Result<(), Error> {
        if seen.phase() == Phase::Descent {
            let lengths = rows::length(seen.gradient());
            let count = lengths.ones_like().sum();
            self.mean.add(seen.worker(), lengths.sum(), count);
        }
        Ok(())
    }
}

metric!(GradientNorm, "Gradient Norm", higher_is_better: false);
