//! What a data loader asks of a data set.

use burn::tensor::Device;
use free_at_core::Batch;

use crate::error::DataError;

/// Labelled samples, of which minibatches of `Batch<D>` can be made.
pub(crate) trait Samples<const D: usize>: Clone + Send + Sync + 'static {
    /// A minibatch on the host.
    type Prepared: Send + 'static;

    fn count(&self) -> usize;

    /// The samples with these indices, in this order.
    fn choose(&self, indices: Vec<usize>) -> Self;

    /// The samples with these indices, in one piece; nothing if none of them can be read. `random` is a
    /// seed and the number of the pass.
    fn prepare(
        &self,
        indices: &[usize],
        random: Option<(u64, u64)>,
    ) -> Result<Option<Self::Prepared>, DataError>;

    /// What was prepared, on `device`.
    fn send(&self, prepared: Self::Prepared, device: &Device) -> Result<Batch<D>, DataError>;
}
