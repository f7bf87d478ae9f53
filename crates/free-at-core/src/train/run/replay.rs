//! The replays of Free-m, as a data loader for Burn's training loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::Device;

use super::session::Session;
use crate::model::batch::Batch;
use crate::train::TrainError;

type Batches<const D: usize> = Arc<dyn DataLoader<Batch<D>>>;

/// Yields each minibatch of another loader m times in a row: line 4 of algorithm 1.
///
/// It is also where training stops. An item that is an error ends Burn's training loop, and nothing is
/// saved after it; a pass that ends early because somebody asked is followed by a checkpoint, and
/// goes on from there after a restart.
pub(crate) struct ReplayLoader<const D: usize> {
    inner: Batches<D>,
    replays: usize,
    session: Session,
    device: Device,
    /// The first item of the data that this loader has, and its share of all items.
    first: usize,
    share: f32,
    /// Passes that `inner` has begun since it was made.
    begun: AtomicU64,
}

impl<const D: usize> ReplayLoader<D> {
    pub(crate) fn new(inner: Batches<D>, replays: usize, session: Session) -> Self {
        let device = session.device.clone();
        let begun = AtomicU64::new(0);
        Self { inner, replays, session, device, first: 0, share: 1.0, begun }
    }

    fn around(&self, inner: Batches<D>) -> Self {
        let loader = Self::new(inner, self.replays, self.session.clone());
        Self { device: self.device.clone(), first: self.first, share: self.share, ..loader }
    }

    /// What a minibatch counts in an optimiser step that adds up the gradients of several devices.
    fn weight(&self) -> f32 {
        match self.session.is_averaging() {
            true => 1.0,
            false => self.share,
        }
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
            interrupted_at: self.session.state.position(),
            position: 0,
            current: None,
            replay: 0,
            seen_before: 0,
            stopped: false,
            began: Instant::now(),
        })
    }

    fn num_items(&self) -> usize {
        self.inner.num_items() * self.replays
    }

    fn to_device(&self, device: &Device) -> Batches<D> {
        let loader = self.around(self.inner.to_device(device));
        Arc::new(Self { device: device.clone(), ..loader })
    }

    fn slice(&self, start: usize, end: usize) -> Batches<D> {
        // Positions count replays, as `num_items` does.
        let item = |position: usize| position / self.replays;
        let loader = self.around(self.inner.slice(item(start), item(end)));
        let of_this = (item(end) - item(start)) as f32 / self.inner.num_items().max(1) as f32;
        Arc::new(Self { first: self.first + item(start), share: self.share * of_this, ..loader })
    }
}

struct ReplayIterator<'a, const D: usize> {
    inner: Box<dyn DataLoaderIterator<Batch<D>> + 'a>,
    loader: &'a ReplayLoader<D>,
    pass: u64,
    /// Minibatches, replays counted, that this pass had yielded before a restart.
    interrupted_at: u64,
    /// Minibatches, replays counted, that this pass has yielded, those before a restart included.
    position: u64,
    current: Option<Batch<D>>,
    /// How often the current minibatch has been yielded.
    replay: usize,
    /// Samples in the minibatches before the current one.
    seen_before: usize,
    stopped: bool,
    began: Instant,
}

impl<const D: usize> ReplayIterator<'_, D> {
    /// The first device of several: it decides for all, and keeps the counts.
    fn leads(&self) -> bool {
        self.loader.first == 0
    }

    /// Goes to where the pass was interrupted.
    fn catch_up(&mut self) -> Option<Result<(), DatasetError>> {
        let replays = self.loader.replays as u64;
        let (whole, part) = (self.interrupted_at / replays, self.interrupted_at % replays);
        if whole > 0
            && let Err(error) = self.inner.nth(whole as usize - 1)?
        {
            return Some(Err(self.fail(error.into())));
        }
        self.position = self.interrupted_at;
        if part > 0 {
            if let Err(error) = self.fetch()? {
                return Some(Err(error));
            }
            self.replay = part as usize;
        }
        Some(Ok(()))
    }

    /// Makes the next minibatch of the data the current one.
    fn fetch(&mut self) -> Option<Result<(), DatasetError>> {
        self.seen_before = self.inner.progress().items_processed;
        let asked = Instant::now();
        let next = self.inner.next();
        if self.leads() {
            self.loader.session.clock.waited(asked.elapsed());
        }
        let checked = next?.map_err(TrainError::from).and_then(|batch| {
            self.loader.session.check_batch(&batch, &self.loader.device)?;
            Ok(batch.with_weight(self.loader.weight()))
        });
        Some(match checked {
            Ok(batch) => {
                (self.current, self.replay) = (Some(batch), 0);
                Ok(())
            }
            Err(error) => Err(self.fail(error)),
        })
    }

    fn advance(&mut self) -> Option<Result<Batch<D>, DatasetError>> {
        if self.position < self.interrupted_at
            && let Err(error) = self.catch_up()?
        {
            return Some(Err(error));
        }
        if (self.current.is_none() || self.replay == self.loader.replays)
            && let Err(error) = self.fetch()?
        {
            return Some(Err(error));
        }
        self.replay += 1;
        self.position += 1;
        self.current.clone().map(Ok)
    }

    fn fail(&self, error: TrainError) -> DatasetError {
        self.loader.session.fail(error.clone());
        DatasetError::new(error)
    }

    /// The end of the data: the pass is over.
    fn end(&self) -> Option<Result<Batch<D>, DatasetError>> {
        let session = &self.loader.session;
        let mut ended = Ok(());
        if self.leads() && self.position.max(self.interrupted_at) == 0 {
            return Some(Err(self.fail(TrainError::NoData)));
        }
        if self.leads() {
            session.state.end_pass(self.pass);
            ended = session.observers.end_pass(self.pass).map_err(TrainError::from);
        }
        session.finish().and(ended).err().map(|error| Err(self.fail(error)))
    }

    /// The end of this run: the pass goes on after a restart.
    fn pause(&self) -> Option<Result<Batch<D>, DatasetError>> {
        let session = &self.loader.session;
        if self.leads() {
            session.state.pause_pass(self.position);
        }
        session.finish().err().map(|error| Err(self.fail(error)))
    }
}

impl<const D: usize> Iterator for ReplayIterator<'_, D> {
    type Item = Result<Batch<D>, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.stopped {
            return None;
        }
        let here = self.position.max(self.interrupted_at);
        let session = &self.loader.session;
        let item = match session.failure() {
            Some(error) => Some(Err(DatasetError::new(error))),
            None if here >= session.stops_at(self.leads(), here) => self.pause(),
            None => self.advance().or_else(|| self.end()),
        };
        self.stopped = !matches!(item, Some(Ok(_)));
        item
    }
}

impl<const D: usize> Drop for ReplayIterator<'_, D> {
    fn drop(&mut self) {
        // A pass that was only begun, to catch up, took no time worth counting.
        if self.leads() {
            self.loader.session.clock.passed(self.began.elapsed());
        }
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
