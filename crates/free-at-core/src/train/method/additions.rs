//! What a trainer adds to any method.

use super::penalty::GradientPenalty;
use super::weight_perturbation::WeightPerturbation;

/// What a trainer adds to the loss that its method descends; nothing by default.
#[derive(Debug, Clone, Default)]
pub(crate) struct Additions {
    /// A penalty on the gradient in the input.
    pub(crate) penalty: Option<GradientPenalty>,
    /// The share of each label that goes to all classes alike.
    pub(crate) label_smoothing: f64,
    /// A move of the weights uphill before the descent.
    pub(crate) weights: Option<WeightPerturbation>,
}

impl Additions {
    /// Gradient computations an optimiser step, beside those of a method that descends on so many answers.
    pub(crate) fn gradient_computations(&self, answers: usize) -> usize {
        let penalty = self.penalty.map_or(0, |_| GradientPenalty::GRADIENT_COMPUTATIONS);
        let weights = self.weights.map_or(0, |_| answers + penalty); // all of the descent once more
        penalty + weights
    }
}
