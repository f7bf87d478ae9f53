//! A data loader whose minibatches come in the same order whatever prepares them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::Device;
use free_at_core::{Batch, Error};

use crate::error::DataError;
use crate::loading::Loading;
use crate::order::shuffled;
use crate::samples::Samples;

/// Minibatches that each thread prepares ahead.
const PREFETCH: usize = 2;

/// A pass that no run comes to: its order is that of the slices.
const SLICES: u64 = u64::MAX;

pub(crate) struct Loader<S> {
    loading: Loading<S>,
    device: Device,
    /// Passes that have begun.
    passes: AtomicU64,
}

impl<S> Loader<S> {
    pub(crate) fn new(loading: Loading<S>, device: Device) -> Self {
        Self { loading, device, passes: AtomicU64::new(0) }
    }
}

/// The loader of minibatches on `device`.
///
/// # Errors
/// [`Error::BatchSize`] for a batch size of 0.
pub(crate) fn build<S: Samples<D>, const D: usize>(
    loading: Loading<S>,
    device: &Device,
) -> Result<Arc<dyn DataLoader<Batch<D>>>, Error> {
    match loading.batch_size {
        0 => Err(Error::BatchSize),
        _ => Ok(Arc::new(Loader::new(loading, device.clone()))),
    }
}

impl<S: Samples<D>, const D: usize> DataLoader<Batch<D>> for Loader<S> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Batch<D>> + 'a> {
        let number = self.passes.fetch_add(1, Ordering::Relaxed);
        Box::new(Minibatches { loader: self, number, pass: None, threads: Vec::new(), next: 0 })
    }

    fn num_items(&self) -> usize {
        self.loading.samples()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<Batch<D>>> {
        Arc::new(Self::new(self.loading.clone(), device.clone()))
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<Batch<D>>> {
        let n = self.loading.dataset.count();
        // The last slice has what a pass over all would have left out.
        let end = if end >= self.num_items() { n } else { end };
        // A data set in the order of its classes would leave each slice with a few of them.
        let order = match self.loading.shuffle {
            Some(seed) => shuffled(n, seed, SLICES),
            None => (0..n).collect(),
        };
        let dataset = self.loading.dataset.choose(order[start.min(end)..end].to_vec());
        Arc::new(Self::new(Loading { dataset, ..self.loading.clone() }, self.device.clone()))
    }
}

/// One pass over the data: which samples are in which minibatch.
struct Pass<S> {
    loading: Loading<S>,
    number: u64,
    order: Vec<usize>,
}

impl<S> Pass<S> {
    fn new<const D: usize>(loading: &Loading<S>, number: u64) -> Arc<Self>
    where
        S: Samples<D>,
    {
        let n = loading.dataset.count();
        let order = match loading.shuffle {
            Some(seed) => shuffled(n, seed, number),
            None => (0..n).collect(),
        };
        Arc::new(Self { loading: loading.clone(), number, order })
    }

    fn minibatches<const D: usize>(&self) -> usize
    where
        S: Samples<D>,
    {
        self.loading.samples().div_ceil(self.loading.batch_size)
    }

    /// Prepares a minibatch; a panic, of an image decoder say, is an error.
    fn prepare<const D: usize>(&self, minibatch: usize) -> Prepared<S::Prepared>
    where
        S: Samples<D>,
    {
        let size = self.loading.batch_size;
        let indices = &self.order[minibatch * size..self.order.len().min((minibatch + 1) * size)];
        let random = self.loading.shuffle.map(|seed| (seed, self.number));
        let prepared =
            catch_unwind(AssertUnwindSafe(|| self.loading.dataset.prepare(indices, random)));
        prepared.unwrap_or_else(|panic| {
            let reason = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("it did not say why");
            Err(DataError::Worker { reason: reason.into() })
        })
    }
}

/// A minibatch on the host, if any of its samples could be read.
type Prepared<T> = Result<Option<T>, DataError>;

struct Minibatches<'a, S: Samples<D>, const D: usize> {
    loader: &'a Loader<S>,
    number: u64,
    /// Made with the first minibatch: a resumed run begins passes only to count them.
    pass: Option<Arc<Pass<S>>>,
    /// Thread t prepares every `threads`-th minibatch, and each keeps its order.
    threads: Vec<Receiver<Prepared<S::Prepared>>>,
    /// The number of the next minibatch.
    next: usize,
}

impl<S: Samples<D>, const D: usize> Minibatches<'_, S, D> {
    fn pass(&mut self) -> Arc<Pass<S>> {
        let (loading, number) = (&self.loader.loading, self.number);
        self.pass.get_or_insert_with(|| Pass::new(loading, number)).clone()
    }

    /// Starts the threads, from the next minibatch on.
    fn start(&mut self, pass: &Arc<Pass<S>>) {
        let workers = self.loader.loading.workers;
        for thread in 0..workers {
            let (sender, receiver) = sync_channel(PREFETCH);
            let (pass, first) = (pass.clone(), self.next + thread);
            std::thread::spawn(move || {
                for minibatch in (first..pass.minibatches()).step_by(workers) {
                    // Nobody listens any more: the iterator is gone.
                    if sender.send(pass.prepare(minibatch)).is_err() {
                        break;
                    }
                }
            });
            self.threads.push(receiver);
        }
        // Minibatch `next` is the first thread's.
        let behind = self.next % workers.max(1);
        self.threads.rotate_right(behind);
    }

    fn take(&mut self) -> Option<Prepared<S::Prepared>> {
        let pass = self.pass();
        if self.next >= pass.minibatches() {
            return None;
        }
        if self.threads.is_empty() {
            self.start(&pass);
        }
        let minibatch = self.next;
        self.next += 1;
        if self.threads.is_empty() {
            return Some(pass.prepare(minibatch));
        }
        let thread = minibatch % self.threads.len();
        let gone = || Err(DataError::Worker { reason: "it ended".into() });
        Some(self.threads[thread].recv().unwrap_or_else(|_| gone()))
    }
}

impl<S: Samples<D>, const D: usize> Iterator for Minibatches<'_, S, D> {
    type Item = Result<Batch<D>, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let of = &self.loader.loading.dataset;
        loop {
            let batch = match self.take()? {
                Ok(None) => continue,
                Ok(Some(prepared)) => of.send(prepared, &self.loader.device),
                Err(error) => Err(error),
            };
            return Some(batch.map_err(DatasetError::new));
        }
    }

    /// Passes over minibatches without preparing them, as a resumed run does.
    fn nth(&mut self, n: usize) -> Option<Self::Item> {
        if self.threads.is_empty() {
            self.next += n;
        } else {
            for _ in 0..n {
                if let Err(error) = self.take()? {
                    return Some(Err(DatasetError::new(error)));
                }
            }
        }
        self.next()
    }
}

impl<S: Samples<D>, const D: usize> DataLoaderIterator<Batch<D>> for Minibatches<'_, S, D> {
    fn progress(&self) -> Progress {
        let loading = &self.loader.loading;
        let done = (self.next * loading.batch_size).min(loading.samples());
        Progress::new(done, loading.samples(), None)
    }
}

#[cfg(test)]
mod tests;
