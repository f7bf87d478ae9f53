//! Notices a loss that is no longer a number, without making the device wait.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

use burn::tensor::Tensor;

use crate::Error;

/// Looks at the loss of every n-th step from a thread of its own.
///
/// Once a loss is NaN the parameters are, and so is every later loss: looking at some is enough.
/// At most one look is outstanding. The training thread collects its answer when it is there, and
/// waits for it only when the next look is due, n steps later, so a loss that is not finite is
/// noticed at most 2 n steps after it happened, or at the end of the pass over the data.
#[derive(Debug)]
pub(crate) struct LossWatch {
    every: u64,
    thread: Mutex<Option<Thread>>,
}

#[derive(Debug)]
struct Thread {
    looks: Sender<(u64, Tensor<1>)>,
    answers: Receiver<Result<(), Error>>,
    outstanding: bool,
}

impl LossWatch {
    pub(crate) fn new(every: u64) -> Self {
        Self { every, thread: Mutex::new(None) }
    }

    /// To be called after every step with its number, from 1, and its loss.
    ///
    /// # Errors
    /// [`Error::LossNotFinite`], with the step at which it was seen.
    pub(crate) fn look(&self, step: u64, loss: &Tensor<1>) -> Result<(), Error> {
        let due = step.is_multiple_of(self.every);
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.as_mut() {
            thread.collect(due)?;
        }
        if due {
            thread.get_or_insert_with(Thread::start).send(step, loss.clone());
        }
        Ok(())
    }

    /// Waits for the outstanding look, if there is one.
    ///
    /// # Errors
    /// Those of [`look`](Self::look).
    pub(crate) fn finish(&self) -> Result<(), Error> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.as_mut().map_or(Ok(()), |thread| thread.collect(true))
    }
}

impl Thread {
    fn start() -> Self {
        let (looks, due) = channel::<(u64, Tensor<1>)>();
        let (answer, answers) = channel();
        // Ends when the watch is dropped and with it the sender.
        std::thread::spawn(move || {
            for (step, loss) in due {
                let answered = answer.send(read(step, loss));
                if answered.is_err() {
                    break;
                }
            }
        });
        Self { looks, answers, outstanding: false }
    }

    fn send(&mut self, step: u64, loss: Tensor<1>) {
        self.outstanding = self.looks.send((step, loss)).is_ok();
    }

    fn collect(&mut self, wait: bool) -> Result<(), Error> {
        if !self.outstanding {
            return Ok(());
        }
        let answer = match wait {
            true => self.answers.recv().ok(),
            false => self.answers.try_recv().ok(),
        };
        self.outstanding = answer.is_none() && !wait;
        answer.unwrap_or(Ok(()))
    }
}

fn read(step: u64, loss: Tensor<1>) -> Result<(), Error> {
    match loss.try_into_scalar::<f32>() {
        Ok(value) if value.is_finite() => Ok(()),
        Ok(value) => Err(Error::LossNotFinite { step, value }),
        Err(error) => Err(Error::Read { reason: error.to_string() }),
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
            watch.look(step, &loss(value)).err().map(|error| (step, error))
        });
        let (noticed, error) = noticed.unwrap();
        assert!(matches!(error, Error::LossNotFinite { step: 10, .. }));
        assert!(noticed <= broke + 2 * EVERY);
    }

    #[test]
    fn notices_at_the_end_and_only_what_is_not_finite() {
        let watch = LossWatch::new(1);
        assert_eq!(watch.look(1, &loss(0.5)), Ok(()));
        assert_eq!(watch.finish(), Ok(()));
        assert_eq!(watch.look(2, &loss(f32::INFINITY)), Ok(()));
        assert!(matches!(watch.finish(), Err(Error::LossNotFinite { step: 2, .. })));
    }
}
