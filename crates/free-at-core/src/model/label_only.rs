//! Models of which nothing is known but what they say.

use std::error::Error as StdError;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::{DType, Int, Tensor};

use crate::error::Error;
use crate::rows::class_mask;

/// Answers with labels, `[n]`, to inputs, `[n, …]`.
type Ask<const D: usize> =
    dyn Fn(Tensor<D>) -> Result<Tensor<1, Int>, Box<dyn StdError + Send + Sync>> + Send + Sync;

/// A model of which nothing is known but the label that it gives each input: a service, a program, anything that a function
/// can ask. It need not be a Burn module. Each input counts as a query, and there may be an end to them.
///
/// [`FrozenModel::of_labels`](crate::FrozenModel::of_labels) makes it what attacks are given; those that need gradients or
/// logits are refused with [`Error::LabelsAlone`].
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use free_at_core::{Error, FrozenModel, LabelOnly};
///
/// // Says 1 where the first feature is above a half.
/// let service = LabelOnly::new(2, |inputs: Tensor<2>| {
///     let first = inputs.slice_dim(1, 0..1).squeeze_dim::<1>(1);
///     Ok(first.greater_scalar(0.5).int())
/// });
/// let model = FrozenModel::of_labels(service.with_budget(3));
/// let two = Tensor::<2>::from_data([[0.2, 0.0], [0.9, 0.0]], &Device::flex());
/// let said: Vec<i64> = model.logits(two.clone())?.argmax(1).squeeze_dim::<1>(1).try_into_vec_as().unwrap();
/// assert_eq!(said, [0, 1]);
/// assert_eq!(model.logits(two).unwrap_err(), Error::QueriesSpent { budget: 3 });
/// # Ok::<(), Error>(())
/// ```
pub struct LabelOnly<const D: usize> {
    ask: Box<Ask<D>>,
    classes: usize,
    budget: u64,
    asked: AtomicU64,
}

impl<const D: usize> LabelOnly<D> {
    /// A model with so many classes, asked by this function: inputs `[n, …]` to labels `[n]`, each below `classes`.
    pub fn new(
        classes: usize,
        ask: impl Fn(Tensor<D>) -> Result<Tensor<1, Int>, Box<dyn StdError + Send + Sync>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self { ask: Box::new(ask), classes, budget: u64::MAX, asked: AtomicU64::new(0) }
    }

    /// How many queries there may be in all. What would take more is not asked, and is [`Error::QueriesSpent`].
    /// Default: no end.
    #[must_use]
    pub fn with_budget(self, queries: u64) -> Self {
        Self { budget: queries, ..self }
    }

    /// One-hot logits, `[n, classes]`: 1 for the label, and 0.
    pub(crate) fn logits(&self, inputs: Tensor<D>) -> Result<Tensor<2>, Error> {
        let (n, device) = (inputs.dims()[0], inputs.device());
        let take = |asked: u64| asked.checked_add(n as u64).filter(|asked| *asked <= self.budget);
        if self.asked.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            return Err(Error::QueriesSpent { budget: self.budget });
        }
        let labels = (self.ask)(inputs).map_err(|error| Error::Other(error.into()))?;
        if labels.dims()[0] != n {
            return Err(Error::Logits { expected: n, found: labels.dims()[0] });
        }
        let said = labels.clone().try_into_vec_as::<i64>().map_err(Error::unreadable)?;
        let known = |label: &i64| (0..self.classes as i64).contains(label);
        if let Some(sample) = said.iter().position(|label| !known(label)) {
            return Err(Error::Label { sample, label: said[sample], classes: self.classes });
        }
        let labels = Tensor::<1, Int>::from_data(said.as_slice(), &device);
        let none = Tensor::zeros([n, self.classes], (&device, DType::F32));
        let label = class_mask(&none, &labels);
        Ok(none.mask_fill(label, 1.0))
    }
}

impl<const D: usize> fmt::Debug for LabelOnly<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LabelOnly")
            .field("classes", &self.classes)
            .field("budget", &self.budget)
            .field("asked", &self.asked)
            .finish_non_exhaustive()
    }
}
