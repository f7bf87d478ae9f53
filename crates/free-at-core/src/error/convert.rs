//! Errors made of what others say: devices, loaders, foreign crates.

use std::error::Error as StdError;
use std::sync::Arc;

use burn::data::dataset::DatasetError;
use burn::tensor::Device;

use super::Error;

impl Error {
    /// [`Error::Device`] for a model, batch or tensor that is on `found` and not on `expected`.
    pub fn elsewhere(what: &'static str, expected: &Device, found: &Device) -> Self {
        Self::Device { what, expected: device_name(expected), found: device_name(found) }
    }

    /// The error of a sample in a batch, with the sample counted from the data set's first: `before`
    /// of them came before the batch.
    #[must_use]
    pub fn in_data_set(self, before: usize) -> Self {
        match self {
            Self::Label { sample, label, classes } => {
                Self::Label { sample: sample + before, label, classes }
            }
            Self::InputNotFinite { sample, value } => {
                Self::InputNotFinite { sample: sample + before, value }
            }
            Self::InputOutOfBounds { sample, value, low, high } => {
                Self::InputOutOfBounds { sample: sample + before, value, low, high }
            }
            other => other,
        }
    }

    /// [`Error::Read`] for what a device said.
    pub fn unreadable(error: impl std::fmt::Display) -> Self {
        Self::Read { reason: error.to_string() }
    }

    /// [`Error::Other`]: an error of a foreign crate, which keeps its type and its source.
    ///
    /// ```
    /// use free_at_core::Error;
    ///
    /// #[derive(Debug, PartialEq, thiserror::Error)]
    /// #[error("the service has no budget left")]
    /// struct Spent;
    ///
    /// let Error::Other(error) = Error::other(Spent) else { unreachable!() };
    /// assert_eq!(error.downcast_ref(), Some(&Spent));
    /// ```
    pub fn other(error: impl StdError + Send + Sync + 'static) -> Self {
        Self::Other(Arc::new(error))
    }
}

/// A device as messages name it.
pub(crate) fn device_name(device: &Device) -> String {
    format!("{:?}", device.clone().without_autodiff())
}

impl From<DatasetError> for Error {
    /// The error that a loader of ours wrapped for Burn, or [`Error::Data`] with what another's says.
    fn from(error: DatasetError) -> Self {
        let inner = StdError::source(&error);
        let ours = inner.and_then(|inner| inner.downcast_ref::<Self>()).cloned();
        ours.unwrap_or_else(|| Self::Data { source: Arc::new(error) })
    }
}
