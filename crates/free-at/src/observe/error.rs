//! What an observer can be asked for in vain.

use free_at_core::Error;

/// What an observer was asked for in vain. It ends the training, as [`Error::Other`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ObserverError {
    /// Batches do not say where their samples are in the data set.
    #[error(
        "{observer} needs batches that know their samples: use a loader of `free_at::data`, or `Batch::with_indices`"
    )]
    NoIndices {
        /// The observer.
        observer: &'static str,
    },

    /// Samples that cannot be drawn.
    #[error("{observer} draws images [channels, height, width], but samples have shape {found:?}")]
    NoImages {
        /// The observer.
        observer: &'static str,
        /// The shape of a sample.
        found: Vec<usize>,
    },
}

impl From<ObserverError> for Error {
    fn from(error: ObserverError) -> Self {
        Self::other(error)
    }
}
