//! What a validation step gives Burn's metrics.

use burn::tensor::ExecutionError;
use burn::train::metric::{
    AccuracyInput, Adaptor, ConfusionStatsInput, LossInput, PerplexityInput, TopKAccuracyInput,
};
use burn::train::{ClassificationOutput, ItemLazy};

use super::robust_accuracy::RobustCount;

/// The clean loss and logits of a validation batch, and what its probed samples withstood.
///
/// It suits every metric that Burn's [`ClassificationOutput`] suits, and
/// [`RobustAccuracyMetric`](crate::train::RobustAccuracyMetric).
pub struct ValidationOutput {
    /// Loss, logits and labels.
    pub clean: ClassificationOutput,
    /// Set for batches that a [`Guard`](crate::train::Guard) probed.
    pub robust: Option<RobustCount>,
}

impl ItemLazy for ValidationOutput {
    fn sync(self) -> Result<Self, ExecutionError> {
        Ok(Self { clean: self.clean.sync()?, robust: self.robust })
    }
}

impl Adaptor<Option<RobustCount>> for ValidationOutput {
    fn adapt(&self) -> Option<RobustCount> {
        self.robust.clone()
    }
}

macro_rules! as_of_the_clean_output {
    ($($input:ty),*) => {$(
        impl Adaptor<$input> for ValidationOutput {
            fn adapt(&self) -> $input {
                self.clean.adapt()
            }
        }
    )*};
}

as_of_the_clean_output!(
    AccuracyInput,
    LossInput,
    TopKAccuracyInput,
    PerplexityInput,
    ConfusionStatsInput
);
