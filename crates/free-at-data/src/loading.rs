//! How minibatches are prepared.

use crate::samples::Samples;

/// Builds a data loader over the data set `S`: an [`ImageDataset`](crate::ImageDataset), from its
/// [`loading`](crate::ImageDataset::loading), or a [`Table`](crate::Table), from
/// [`Table::loading`](crate::Table::loading).
///
/// What it yields depends on the seeds alone, neither on the number of threads nor on their speed, so a run
/// can be repeated, and one that was stopped sees what it would have seen. (Burn's own loader with
/// worker threads yields minibatches in the order in which they happen to be ready.)
#[derive(Debug, Clone)]
pub struct Loading<S> {
    pub(crate) dataset: S,
    pub(crate) batch_size: usize,
    pub(crate) shuffle: Option<u64>,
    pub(crate) workers: usize,
    pub(crate) last: Last,
}

/// What becomes of a last minibatch that is smaller than the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last {
    /// It comes, but in training only where it is a quarter of the others or more.
    IfNotTiny,
    Kept,
    Dropped,
}

impl<S> Loading<S> {
    /// `costly` says whether preparing a sample is work enough for threads of their own.
    pub(crate) fn new(dataset: S, batch_size: usize, costly: bool) -> Self {
        const MOST: usize = 8;
        let half = std::thread::available_parallelism().map_or(1, |cores| cores.get() / 2);
        let workers = if costly { half.clamp(1, MOST) } else { 0 };
        Self { dataset, batch_size, shuffle: None, workers, last: Last::IfNotTiny }
    }

    /// For training: another order for each pass, and random transforms, both from this seed. A last minibatch of less than a
    /// quarter of the others is left out then: see [`keeping_last`](Self::keeping_last). Default: the order of the data
    /// set, and the middle of what a random transform could do.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.shuffle = Some(seed);
        self
    }

    /// Threads that prepare minibatches; with 0 the caller does. Default: half the cores, from 1 to 8, for
    /// images that are decoded or transformed, otherwise 0. Each prepares two minibatches ahead.
    #[must_use]
    pub fn with_workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Leaves out a last minibatch that is smaller than the others. Default: it comes, but with a seed it is left out if it
    /// has less than a quarter of the others' samples.
    #[must_use]
    pub fn dropping_last(mut self) -> Self {
        self.last = Last::Dropped;
        self
    }

    /// Has a last minibatch come however small it is. With a seed the default leaves out one of less than a quarter of the
    /// others' samples (each pass leaves out others): it counts in an optimiser step as much as a whole one, m times for Free-m,
    /// and moves batch norm's statistics as far, with the noise of a few samples.
    #[must_use]
    pub fn keeping_last(mut self) -> Self {
        self.last = Last::Kept;
        self
    }

    /// Samples in a pass.
    pub(crate) fn samples<const D: usize>(&self) -> usize
    where
        S: Samples<D>,
    {
        /// Of the other minibatches: a smaller last one is tiny.
        const SHARE: usize = 4;
        let all = self.dataset.count();
        let (whole, rest) = (all - all % self.batch_size, all % self.batch_size);
        let tiny = whole > 0 && SHARE * rest < self.batch_size;
        match self.last {
            Last::Dropped => whole,
            Last::IfNotTiny if self.shuffle.is_some() && tiny => whole,
            Last::IfNotTiny | Last::Kept => all,
        }
    }
}
