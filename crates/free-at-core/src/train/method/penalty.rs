//! A penalty on the gradient in the input.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::model::classifier::Trainable;
use crate::model::frozen::FrozenModel;
use crate::model::gradient::beside_parameters;
use crate::model::precision;
use crate::rows::unit_length;
use crate::threat::goal::Goal;
use crate::threat::objective::Objective;
use crate::train::TrainError;

/// Adds λ · mean ‖∇ₓ lᵢ‖₂² to the loss, over the samples i of a minibatch: a smoother model. Given to
/// [`Trainer::penalizing`](crate::train::Trainer::penalizing), for any method.
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
/// # Ok::<(), free_at_core::train::TrainError>(())
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
    /// [`TrainError::PenaltyWeight`], [`Error::StepSize`].
    pub fn check(&self) -> Result<(), TrainError> {
        let wrong = |value: f64| !(value.is_finite() && value > 0.0);
        match (wrong(self.weight), wrong(self.step)) {
            (true, _) => Err(TrainError::PenaltyWeight { value: self.weight }),
            (_, true) => Err(Error::StepSize { value: self.step }.into()),
            _ => Ok(()),
        }
    }

    /// The penalty at `inputs`, where the model has these logits; to be added to the loss, `[1]`.
    pub(super) fn at<C: Trainable<D>, const D: usize>(
        &self,
        model: &C,
        inputs: &Tensor<D>,
        logits: Tensor<2>,
        goal: &Goal,
    ) -> Result<Tensor<1>, TrainError> {
        let dtype = precision::of(model);
        if precision::is_half(dtype) {
            return Err(TrainError::PenaltyPrecision);
        }
        let seen = inputs.clone().without_autodiff();
        let gradient =
            FrozenModel::new(model).input_gradient(seen, goal, Objective::CrossEntropy)?;
        let ahead = unit_length(gradient.gradient).mul_scalar(self.step);
        let ahead = beside_parameters(model, ahead).ok_or(TrainError::NotTrainable)?;
        let beyond = precision::logits(model, inputs.clone() + ahead, None, dtype);
        let losses = |logits| Objective::CrossEntropy.values(logits, goal);
        let risen = losses(beyond)? - losses(logits)?;
        Ok(risen.div_scalar(self.step).square().mean().mul_scalar(self.weight))
    }
}
