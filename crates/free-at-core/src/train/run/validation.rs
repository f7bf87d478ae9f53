//! The validation data, which a training that stops does not pass over any more.

use std::sync::Arc;

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::Device;

use super::session::Session;
use crate::model::batch::Batch;

/// Another loader, or nothing once training is to stop.
pub(crate) struct ValidationLoader<const D: usize> {
    inner: Arc<dyn DataLoader<Batch<D>>>,
    session: Session,
}

impl<const D: usize> ValidationLoader<D> {
    pub(crate) fn new(inner: Arc<dyn DataLoader<Batch<D>>>, session: Session) -> Self {
        Self { inner, session }
    }
}

impl<const D: usize> DataLoader<Batch<D>> for ValidationLoader<D> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Batch<D>> + 'a> {
        match self.session.is_stopping() {
            true => Box::new(Nothing::<D>),
            false => self.inner.iter(),
        }
    }

    fn num_items(&self) -> usize {
        self.inner.num_items()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<Batch<D>>> {
        Arc::new(Self::new(self.inner.to_device(device), self.session.clone()))
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<Batch<D>>> {
        Arc::new(Self::new(self.inner.slice(start, end), self.session.clone()))
    }
}

/// No batch at all.
struct Nothing<const D: usize>;

impl<const D: usize> Iterator for Nothing<D> {
    type Item = Result<Batch<D>, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        None
    }
}

impl<const D: usize> DataLoaderIterator<Batch<D>> for Nothing<D> {
    fn progress(&self) -> Progress {
        Progress::new(0, 0, None)
    }
}
