//! The replays of Free-m, as a data loader for Burn's training loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::Device;

use crate::train::session::Session;
use crate::{Batch, Error};

type Batches<const D: usize> = Arc<dyn DataLoader<Batch<D>>>;

/// Yields each minibatch of another loader m times in a row: line 4 of algorithm 1.
///
/// It is also where training stops when something has gone wrong: an item that is an error ends
/// Burn's training loop, and nothing is saved after it.
pub(crate) struct ReplayLoader<const D: usize> {
    inner: Batches<D>,
    replays: usize,
    session: Session,
    device: Device,
    /// Passes that `inner` has begun since it was made.
    begun: AtomicU64,
}

impl<const D: usize> ReplayLoader<D> {
    pub(crate) fn new(inner: Batches<D>, replays: usize, session: Session) -> Self {
        let device = session.device.clone();
        Self { inner, replays, session, device, begun: AtomicU64::new(0) }
    }

    fn around(&self, inner: Batches<D>, device: &Device) -> Batches<D> {
        let loader = Self::new(inner, self.replays, self.session.clone());
        Arc::new(Self { device: device.clone(), ..loader })
    }
}

impl<const D: usize> DataLoader<Batch<D>> for ReplayLoader<D> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Batch<D>> + 'a> {
        // After a restart the state knows of passes that this loader has not made. Beginning them
        // brings its shuffling to where it was, so the data comes in the order it would have.
        while self.begun.load(Ordering::Relaxed) < self.session.state.passes() {
            drop(self.inner.iter());
            self.begun.fetch_add(1, Ordering::Relaxed);
        }
        let pass = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        Box::new(ReplayIterator {
            inner: self.inner.iter(),
            loader: self,
            pass,
            current: None,
            replay: 0,
            seen_before: 0,
            stopped: false,
        })
    }

    fn num_items(&self) -> usize {
        self.inner.num_items() * self.replays
    }

    fn to_device(&self, device: &Device) -> Batches<D> {
        self.around(self.inner.to_device(device), device)
    }

    fn slice(&self, start: usize, end: usize) -> Batches<D> {
        // Positions count replays, as `num_items` does.
        let item = |position: usize| position / self.replays;
        self.around(self.inner.slice(item(start), item(end)), &self.device)
    }
}

struct ReplayIterator<'a, const D: usize> {
    inner: Box<dyn DataLoaderIterator<Batch<D>> + 'a>,
    loader: &'a ReplayLoader<D>,
    pass: u64,
    current: Option<Batch<D>>,
    /// How often the current minibatch has been yielded.
    replay: usize,
    /// Samples in the minibatches before the current one.
    seen_before: usize,
    stopped: bool,
}

impl<const D: usize> ReplayIterator<'_, D> {
    fn advance(&mut self) -> Option<Result<Batch<D>, DatasetError>> {
        if self.replay == self.loader.replays {
            (self.current, self.replay) = (None, 0);
        }
        if self.current.is_none() {
            self.seen_before = self.inner.progress().items_processed;
            self.current = match self.inner.next()? {
                Ok(batch) => Some(batch),
                Err(error) => return Some(Err(self.fail(error.into()))),
            };
        }
        let batch = self.current.clone()?;
        self.replay += 1;
        let checked = self.loader.session.check_batch(&batch, &self.loader.device);
        Some(checked.map(|()| batch).map_err(|error| self.fail(error)))
    }

    fn fail(&self, error: Error) -> DatasetError {
        self.loader.session.fail(error.clone());
        DatasetError::new(error)
    }
}

impl<const D: usize> Iterator for ReplayIterator<'_, D> {
    type Item = Result<Batch<D>, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.stopped {
            return None;
        }
        let session = &self.loader.session;
        let item = match session.failure() {
            Some(error) => Some(Err(DatasetError::new(error))),
            None => self.advance(),
        };
        let item = item.or_else(|| {
            session.state.begin_pass(self.pass);
            session.finish().err().map(|error| Err(self.fail(error)))
        });
        self.stopped = !matches!(item, Some(Ok(_)));
        item
    }
}

impl<const D: usize> DataLoaderIterator<Batch<D>> for ReplayIterator<'_, D> {
    fn progress(&self) -> Progress {
        let inner = self.inner.progress();
        let here = inner.items_processed - self.seen_before;
        let processed = self.seen_before * self.loader.replays + here * self.replay;
        Progress::new(processed, inner.items_total * self.loader.replays, inner.unit)
    }
}

#[cfg(test)]
mod tests;
