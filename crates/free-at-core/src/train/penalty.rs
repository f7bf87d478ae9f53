//! A penalty on the gradient in the input.

use burn::module::Module;
use burn::tensor::{DType, Tensor};
use serde::{Deserialize, Serialize};

use crate::perturbation::unit_length;
use crate::{Batch, Classifier, Error, FrozenModel, Objective, precision};

/// Adds λ · mean ‖∇ₓ lᵢ‖₂² to the loss, over the samples i of a minibatch: a smoother model. Given to
/// [`Trainer::penalizing`](super::Trainer::penalizing), for any method.
///
/// The square is a finite difference, ((l(x + h d) − l(x)) / h)², along the gradient's direction d (Finlay
/// and Oberman, "Scaleable input gradient regularization for adversarial robustness", 2019), so that no
/// second derivative is needed. For a smooth model without batch norm its gradient in the parameters is that
/// of the square itself, up to terms of order h. With batch norm d is that of the model in evaluation mode,
/// and so not quite the steepest direction of the one in training; running statistics see x + h d, too.
///
/// **Not for** models with dropout, which drops other units for x than for x + h d, nor in half precision, in
/// which x + h d is x: that is refused.
///
/// In Free training δ ascends the whole loss, penalty included, since its gradient comes from the same
/// backward pass; FGSM-RS and K-PGD find δ without it.
///
/// **Cost**: two more gradient computations an optimiser step, one for d and one at x + h d; the step takes
/// about three times as long as ordinary training's.
///
/// ```
/// use burn::tensor::Device;
/// use free_at_core::train::{GradientPenalty, StandardConfig, StandardTrainer};
///
/// let trainer = StandardTrainer::new(StandardConfig::new(), Device::flex())?
///     .penalizing(GradientPenalty::new(0.1))?;
/// assert_eq!(trainer.gradient_computations(), 3);
/// # Ok::<(), free_at_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GradientPenalty {
    weight: f64,
    step: f64,
}

impl GradientPenalty {
    /// What it costs beside the method's own gradient computations.
    pub(crate) const GRADIENT_COMPUTATIONS: usize = 2;

    /// A penalty of weight λ, above 0, with h = 0.01.
    pub fn new(weight: f64) -> Self {
        Self { weight, step: 0.01 }
    }

    /// h, the length of the finite difference in L2 and in the unit of the inputs, above 0. Shorter is more
    /// exact, until rounding outweighs it: below 0.001 in single precision. Default: 0.01.
    #[must_use]
    pub fn with_step(mut self, step: f64) -> Self {
        self.step = step;
        self
    }

    /// Accepts a positive, finite weight and step.
    ///
    /// # Errors
    /// [`Error::Penalty`], [`Error::StepSize`].
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |value: f64| !(value.is_finite() && value > 0.0);
        match (wrong(self.weight), wrong(self.step)) {
            (true, _) => Err(PenaltyError::Weight { value: self.weight }.into()),
            (_, true) => Err(Error::StepSize { value: self.step }),
            _ => Ok(()),
        }
    }

    /// The mean of the losses, `[n]`, that the model has at `inputs`, and the penalty.
    pub(crate) fn added<C: Classifier<D> + Module + 'static, const D: usize>(
        &self,
        model: &C,
        inputs: &Tensor<D>,
        batch: &Batch<D>,
        losses: Tensor<1>,
    ) -> Result<Tensor<1>, Error> {
        let dtype = precision::of(model);
        if matches!(dtype, DType::F16 | DType::BF16) {
            return Err(PenaltyError::HalfPrecision.into());
        }
        let truth = batch.truth();
        let seen = inputs.clone().without_autodiff();
        let gradient =
            FrozenModel::new(model).input_gradient(seen, &truth, Objective::CrossEntropy)?;
        let ahead = unit_length(gradient.gradient).mul_scalar(self.step);
        let beyond = inputs.clone()
            + Tensor::from_inner(ahead)
                .with_gradient_checkpointing_strategy(crate::train::method::checkpointing(model)?);
        let logits = precision::logits(model, beyond, dtype);
        let risen = Objective::CrossEntropy.values(logits, &truth)? - losses.clone();
        let squares = risen.div_scalar(self.step).square();
        Ok(losses.mean() + squares.mean().mul_scalar(self.weight))
    }
}

/// Why a penalty was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PenaltyError {
    /// A weight that is no positive, finite number.
    #[error("the weight of a penalty must be finite and above 0, found {value}")]
    Weight {
        /// The weight found.
        value: f64,
    },

    /// A model in half precision.
    #[error(
        "a penalty on the input gradient needs a model in single precision: in half precision its small step is rounded away"
    )]
    HalfPrecision,
}
