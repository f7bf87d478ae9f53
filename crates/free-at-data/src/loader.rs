//! A data loader whose batches may turn out to be wrong.

use std::sync::Arc;

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::Device;
use free_at_core::{Batch, Error};

type Unchecked<const D: usize> = Arc<dyn DataLoader<Result<Batch<D>, Error>>>;

/// Turns a loader of `Result<Batch<D>, Error>` into one of batches.
///
/// Burn's batchers cannot fail, but its loaders can: a batch that was refused becomes an error of
/// the loader, which ends a training with that error instead of a panic.
pub struct CheckedLoader<const D: usize> {
    inner: Unchecked<D>,
}

impl<const D: usize> CheckedLoader<D> {
    /// Around any loader of batches that may have been refused.
    pub fn new(inner: Unchecked<D>) -> Self {
        Self { inner }
    }
}

impl<const D: usize> DataLoader<Batch<D>> for CheckedLoader<D> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Batch<D>> + 'a> {
        Box::new(CheckedIterator(self.inner.iter()))
    }

    fn num_items(&self) -> usize {
        self.inner.num_items()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<Batch<D>>> {
        Arc::new(Self::new(self.inner.to_device(device)))
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<Batch<D>>> {
        Arc::new(Self::new(self.inner.slice(start, end)))
    }
}

struct CheckedIterator<'a, const D: usize>(
    Box<dyn DataLoaderIterator<Result<Batch<D>, Error>> + 'a>,
);

impl<const D: usize> Iterator for CheckedIterator<'_, D> {
    type Item = Result<Batch<D>, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.next()?.and_then(|batch| batch.map_err(DatasetError::new)))
    }
}

impl<const D: usize> DataLoaderIterator<Batch<D>> for CheckedIterator<'_, D> {
    fn progress(&self) -> Progress {
        self.0.progress()
    }
}
