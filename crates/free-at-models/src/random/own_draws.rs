//! Draws for whoever asks a model without giving it any.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use free_at_core::Draws;

/// Other draws at each call. Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct OwnDraws {
    calls: Arc<AtomicU64>,
}

impl OwnDraws {
    /// Those of the next call, about so many samples.
    pub(crate) fn next(&self, samples: usize) -> Draws {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        Draws::new(call, (0..samples as u64).collect())
    }
}
