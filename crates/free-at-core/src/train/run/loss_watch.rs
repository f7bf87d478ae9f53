//! Notices a loss that is no longer a number, without making the device wait.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::tensor::Tensor;

use super::device_kind::is_remote;
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
    workers: Mutex<HashMap<u64, Arc<Mutex<Watcher>>>>,
}

#[derive(Debug)]
struct Watcher {
    looks: Sender<(u64, Tensor<1>)>,
    answers: Receiver<Result<(), TrainError>>,
    outstanding: bool,
    last: Option<(u64, Tensor<1>)>,
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
        let watcher = locked(&self.workers).entry(worker).or_insert_with(Watcher::start).clone();
        let mut watcher = locked(&watcher); // no other worker waits for this one
        let due = step.is_multiple_of(self.every);
        watcher.collect(due)?;
        match due {
            true => watcher.send(step, own(loss)),
            false => {
                watcher.last = Some((step, own(loss)));
                Ok(())
            }
        }
    }

    /// Looks at the last loss of every worker and waits for the answers.
    ///
    /// # Errors
    /// Those of [`look`](Self::look).
    pub(crate) fn finish(&self) -> Result<(), TrainError> {
        let watchers: Vec<_> = locked(&self.workers).values().cloned().collect();
        watchers.iter().try_for_each(|watcher| {
            let mut watcher = locked(watcher);
            watcher.collect(true)?;
            match watcher.last.take() {
                Some((step, loss)) => read(step, loss),
                None => Ok(()),
            }
        })
    }
}

impl Watcher {
    fn start() -> Arc<Mutex<Self>> {
        let (looks, due) = channel::<(u64, Tensor<1>)>();
        let (answer, answers) = channel();
        // Ends when the watch is dropped and with it the sender.
        std::thread::spawn(move || {
            for (step, loss) in due {
                if answer.send(read(step, loss)).is_err() {
                    break;
                }
            }
        });
        Arc::new(Mutex::new(Self { looks, answers, outstanding: false, last: None }))
    }

    fn send(&mut self, step: u64, loss: Tensor<1>) -> Result<(), TrainError> {
        self.last = None;
        self.outstanding = true;
        self.looks.send((step, loss)).map_err(|_| gone())
    }

    fn collect(&mut self, wait: bool) -> Result<(), TrainError> {
        use std::sync::mpsc::TryRecvError;
        if !self.outstanding {
            return Ok(());
        }
        let answer = match wait {
            true => self.answers.recv().map_err(|_| TryRecvError::Disconnected),
            false => self.answers.try_recv(),
        };
        self.outstanding = matches!(answer, Err(TryRecvError::Empty));
        match answer {
            Ok(answer) => answer,
            Err(TryRecvError::Empty) => Ok(()),
            Err(TryRecvError::Disconnected) => Err(gone()),
        }
    }
}

/// The loss, as a tensor of its own where others have clones of it that they drop while this one is
/// read: Burn 0.22's remote devices then lose the tensor.
fn own(loss: &Tensor<1>) -> Tensor<1> {
    match is_remote(&loss.device()) {
        true => loss.clone().add_scalar(0.0),
        false => loss.clone(),
    }
}

/// The thread ends only by a panic while it reads the loss.
fn gone() -> TrainError {
    Error::unreadable("reading the loss panicked").into()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(step: u64, loss: Tensor<1>) -> Result<(), TrainError> {
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
