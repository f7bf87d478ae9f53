//! Notices labels that are no classes, without making the device wait at each minibatch.

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::{Int, Tensor};

use super::device_kind::{is_on_host, own};
use super::watcher::Watcher;
use crate::model::batch::Batch;
use crate::threat::labels::check_labels;
use crate::train::TrainError;

/// Labels on a device, and the classes they should be of.
type Labels = (Tensor<1, Int>, usize);

#[derive(Debug)]
struct Looking {
    watcher: Watcher<Labels>,
    /// The last minibatch that was looked at: replays of it have the same labels.
    last: u64,
}

impl Default for Looking {
    fn default() -> Self {
        let watcher =
            Watcher::start(|(labels, classes)| Ok(check_labels(&labels, classes).map(drop)?));
        Self { watcher, last: u64::MAX }
    }
}

/// Looks at the labels of every minibatch whose loader has not checked them.
///
/// The first minibatch is left to the model, which reads its labels before it is asked for their logits. Later ones are
/// trained on with labels limited to the classes there are, while a thread reads them as they came: an error ends the
/// training a step or a few later, before anything is saved. On the host reading costs nothing, and every minibatch is left
/// to the model.
#[derive(Debug, Default)]
pub(crate) struct LabelWatch(Mutex<Option<Looking>>);

impl LabelWatch {
    /// Whether somebody must look at the labels, other than the model.
    pub(crate) fn concerns<const D: usize>(batch: &Batch<D>) -> bool {
        !batch.knows_labels() && !is_on_host(&batch.device())
    }

    /// The minibatch to train on, for a model of so many classes.
    ///
    /// # Errors
    /// [`Error::Label`](crate::Error::Label) of an earlier one.
    pub(crate) fn look<const D: usize>(
        &self,
        batch: &Batch<D>,
        classes: usize,
    ) -> Result<Batch<D>, TrainError> {
        let mut looking = self.lock();
        let looking = looking.get_or_insert_default();
        looking.watcher.collect(false)?;
        if looking.last != batch.serial() {
            looking.last = batch.serial();
            looking.watcher.look((own(&batch.labels()), classes))?;
        }
        Ok(batch.clone().with_labels_clamped(classes))
    }

    /// Waits for what is still being read.
    ///
    /// # Errors
    /// Those of [`look`](Self::look).
    pub(crate) fn finish(&self) -> Result<(), TrainError> {
        self.lock().as_mut().map_or(Ok(()), |looking| looking.watcher.collect(true))
    }

    /// Forgets what an earlier training left.
    pub(crate) fn reset(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Looking>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::error::Error;

    #[test]
    fn labels_of_no_class_are_noticed_and_limited_meanwhile() {
        let device = Device::flex();
        let batch = |labels: [i64; 3]| {
            let labels = Tensor::<1, Int>::from_data(labels, &device);
            Batch::<2>::new(Tensor::zeros([3, 2], &device), labels).unwrap()
        };
        let watch = LabelWatch::default();
        let limited = watch.look(&batch([0, 2, 1]), 3).unwrap();
        assert!(limited.knows_labels());
        assert_eq!(watch.finish(), Ok(()));
        let limited = watch.look(&batch([1, -100, 7]), 3).unwrap();
        assert_eq!(limited.labels().try_into_vec_as::<i64>().unwrap(), [1, 0, 2]);
        let refused = Error::Label { sample: 1, label: -100, classes: 3 };
        assert_eq!(watch.finish(), Err(refused.into()));
        assert_eq!(watch.finish(), Ok(()));
        // However often a minibatch comes, and whatever is still looked at.
        let wrong = batch([0, 3, 0]);
        for _ in 0..4 {
            drop(watch.look(&wrong, 3));
        }
        watch.reset();
        assert!(watch.look(&batch([0, 1, 2]), 3).is_ok());
        assert_eq!(watch.finish(), Ok(()));
    }
}
