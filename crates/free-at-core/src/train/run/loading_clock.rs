//! How long training waits for its data.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts the time in passes over the data, and the part of it that was spent waiting for the next
/// minibatch. Clones share one count. From [`Trainer::clock`](crate::train::Trainer::clock).
#[derive(Debug, Clone, Default)]
pub struct LoadingClock {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    waiting: AtomicU64,
    passing: AtomicU64,
}

impl LoadingClock {
    /// Time spent waiting for minibatches, over all passes so far.
    pub fn waiting(&self) -> Duration {
        Duration::from_nanos(self.counts.waiting.load(Ordering::Relaxed))
    }

    /// Time spent in passes over the training data, waiting included.
    pub fn passing(&self) -> Duration {
        Duration::from_nanos(self.counts.passing.load(Ordering::Relaxed))
    }

    pub(crate) fn waited(&self, time: Duration) {
        self.counts.waiting.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }

    pub(crate) fn passed(&self, time: Duration) {
        self.counts.passing.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }
}
