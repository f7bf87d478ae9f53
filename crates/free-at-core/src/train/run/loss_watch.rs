//! Notices a loss that is no longer a number, without making the device wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::tensor::Tensor;

use super::device_kind::own;
use super::watcher::Watcher;
use crate::error::Error;
use crate::train::TrainError;

/// Looks at the loss of every n-th step of each worker, from a thread for each.
///
/// Once a loss is NaN the parameters are, and so is every later loss: looking at some is enough.
/// A worker has at most one look outstanding. It collects the answer when that is there, and waits
/// for it only when its next look is due, n steps later, so a loss that is not finite is noticed at
/// most 2 n steps after it happened. At the end of a pass over the data the last loss of every
/// worker is looked at, before anything is saved.
#[derive(Debug)]
pub(crate) struct LossWatch {
    every: u64,
    workers: Mutex<HashMap<u64, Arc<Mutex<Worker>>>>,
}

/// A step and its loss.
type Loss = (u64, Tensor<1>);

#[derive(Debug)]
struct Worker {
    watcher: Watcher<Loss>,
    /// Of the last step, where nobody has been told to look at it.
    last: Option<Loss>,
}

impl LossWatch {
    pub(crate) fn new(every: u64) -> Self {
        Self { every, workers: Mutex::default() }
    }

    /// To be called after every step of a worker with its number, from 1, and its loss.
    ///
    /// # Errors
    /// [`TrainError::LossNotFinite`], with the step at which it was seen.
    pub(crate) fn look(&self, worker: u64, step: u64, loss: &Tensor<1>) -> Result<(), TrainError> {
        let worker = locked(&self.workers).entry(worker).or_default().clone();
        let mut worker = locked(&worker); // no other worker waits for this one
        let due = step.is_multiple_of(self.every);
        worker.watcher.collect(due)?;
        worker.last = (!due).then(|| (step, own(loss)));
        match due {
            true => worker.watcher.look((step, own(loss))),
            false => Ok(()),
        }
    }

    /// Forgets what an earlier training left.
    pub(crate) fn reset(&self) {
        locked(&self.workers).clear();
    }

    /// Looks at the last loss of every worker and waits for the answers.
    ///
    /// # Errors
    /// Those of [`look`](Self::look).
    pub(crate) fn finish(&self) -> Result<(), TrainError> {
        let workers: Vec<_> = locked(&self.workers).values().cloned().collect();
        workers.iter().try_for_each(|worker| {
            let mut worker = locked(worker);
            worker.watcher.collect(true)?;
            worker.last.take().map_or(Ok(()), read)
        })
    }
}

impl Default for Worker {
    fn default() -> Self {
        Self { watcher: Watcher::start(read), last: None }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read((step, loss): Loss) -> Result<(), TrainError> {
    match loss.try_into_scalar::<f32>() {
        Ok(value) if value.is_finite() => Ok(()),
        Ok(value) => Err(TrainError::LossNotFinite { step, value }),
        Err(error) => Err(Error::unreadable(error).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn loss(value: f32) -> Tensor<1> {
        Tensor::from_data([value], &Device::flex())
    }

    #[test]
    fn notices_within_twice_the_interval() {
        const EVERY: u64 = 5;
        let watch = LossWatch::new(EVERY);
        let broke = 7;
        let noticed = (1..100).find_map(|step| {
            let value = if step >= broke { f32::NAN } else { 1.0 };
            watch.look(0, step, &loss(value)).err().map(|error| (step, error))
        });
        let (noticed, error) = noticed.unwrap();
        assert!(matches!(error, TrainError::LossNotFinite { step: 10, .. }));
        assert!(noticed <= broke + 2 * EVERY);
    }

    #[test]
    fn notices_at_the_end_and_only_what_is_not_finite() {
        let watch = LossWatch::new(10);
        assert_eq!(watch.look(0, 1, &loss(0.5)), Ok(()));
        assert_eq!(watch.finish(), Ok(()));
        assert_eq!(watch.look(0, 2, &loss(0.5)), Ok(()));
        assert_eq!(watch.look(1, 1, &loss(f32::INFINITY)), Ok(()));
        assert!(matches!(watch.finish(), Err(TrainError::LossNotFinite { step: 1, .. })));
    }
}
