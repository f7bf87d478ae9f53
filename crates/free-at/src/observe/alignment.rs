//! The cosine between successive gradients of the same samples.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{FloatDType, Tensor};
use free_at_core::train::{DeviceMean, GradientObserver, Observation};
use free_at_core::{Error, rows};

use super::mean::{Readings, metric};

/// The mean cosine between two successive input gradients of the same sample: an observer, and a Burn metric
/// that reports it.
///
/// In Free training these are the gradients of two replays, in FGSM-RS training that at the random start and
/// that at the adversarial example. Where the loss is smooth around a sample they point the same way and the
/// cosine is near 1; before **catastrophic overfitting** it falls towards 0, since a model that fools
/// one-step attacks does so by a gradient that turns within ε (Andriushchenko and Flammarion,
/// "Understanding and improving fast adversarial training", 2020). Of K-PGD, TRADES and MART it is the mean over all
/// steps of the ascent, as far as their attack shows them; ordinary training shows one gradient for each minibatch, so
/// there is nothing to compare. Where the model is
/// [attacked in evaluation mode](free_at_core::train::Adversary::attacking_in), the last cosine is below 1 with batch
/// norm or dropout for that reason alone: look at how it changes.
///
/// ```
/// use free_at::observe::GradientAlignment;
/// use free_at::prelude::*;
///
/// let alignment = GradientAlignment::new();
/// let config = FastConfig::new(ThreatModel::linf(Epsilon::pixels(8.0)));
/// let trainer = FastAdversarialTrainer::new(config, burn::tensor::Device::default())?
///     .observing(alignment.clone());   // in Burn's loop also `.metric_train_numeric(alignment)`
/// # Ok::<(), free_at::train::TrainError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct GradientAlignment {
    /// The last gradients of each device, with the number of their minibatch.
    last: Arc<Mutex<BTreeMap<u64, (u64, Tensor<2>)>>>,
    mean: DeviceMean,
    readings: Readings,
}

impl GradientAlignment {
    /// An observer that has seen nothing yet. Clones see the same.
    pub fn new() -> Self {
        Self::default()
    }

    /// The mean since the last call; none if there were no two gradients to compare. Waits for the device.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn take(&self) -> Result<Option<f64>, Error> {
        self.mean.mean()
    }
}

impl GradientObserver for GradientAlignment {
    fn observe(&self, seen: &Observation<'_>) -> Result<(), Error> {
        let unit = rows::unit_length(seen.gradient());
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last.insert(seen.worker(), (seen.minibatch(), unit.clone()));
        drop(last);
        let same = before.filter(|(minibatch, _)| *minibatch == seen.minibatch());
        if let Some((_, before)) = same {
            // A gradient of zero has no direction, and does not count.
            let has = |unit: &Tensor<2>| rows::largest(unit.clone()).greater_scalar(0.0);
            let both = has(&unit).bool_and(has(&before)).cast(FloatDType::F32).sum();
            self.mean.add(seen.worker(), (unit * before).sum(), both);
        }
        Ok(())
    }
}

metric!(GradientAlignment, "Gradient Alignment", higher_is_better: true);
