//! Reads values of a device from a thread of its own, so that nobody waits.

use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

use crate::error::Error;
use crate::train::TrainError;

/// What reads and judges values of type `T`, one after the other.
#[derive(Debug)]
pub(super) struct Watcher<T> {
    looks: Sender<T>,
    answers: Receiver<Result<(), TrainError>>,
    outstanding: usize,
    read: fn(T) -> Result<(), TrainError>,
}

impl<T: Send + 'static> Watcher<T> {
    /// The thread ends when the watcher is dropped.
    pub(super) fn start(read: fn(T) -> Result<(), TrainError>) -> Self {
        let (looks, due) = channel::<T>();
        let (answer, answers) = channel();
        std::thread::spawn(move || {
            for look in due {
                if answer.send(read(look)).is_err() {
                    break;
                }
            }
        });
        Self { looks, answers, outstanding: 0, read }
    }

    pub(super) fn look(&mut self, at: T) -> Result<(), TrainError> {
        self.outstanding += 1;
        self.looks.send(at).map_err(|_| gone())
    }

    /// The first error among the answers that are there, or among all if it is to `wait` for them. With it all that was
    /// looked at before is done with.
    pub(super) fn collect(&mut self, wait: bool) -> Result<(), TrainError> {
        let collected = self.answers_so_far(wait);
        if collected.is_err() {
            *self = Self::start(self.read);
        }
        collected
    }

    fn answers_so_far(&mut self, wait: bool) -> Result<(), TrainError> {
        while self.outstanding > 0 {
            let answer = match wait {
                true => self.answers.recv().map_err(|_| TryRecvError::Disconnected),
                false => self.answers.try_recv(),
            };
            match answer {
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return Err(gone()),
                Ok(answer) => {
                    self.outstanding -= 1;
                    answer?;
                }
            }
        }
        Ok(())
    }
}

/// The thread ends only by a panic while it reads.
fn gone() -> TrainError {
    Error::unreadable("reading a loss or labels panicked").into()
}
