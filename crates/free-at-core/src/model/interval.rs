//! What a model can say of all inputs of a box at once.

use burn::tensor::{Int, Tensor};

use super::classifier::Classifier;

/// All tensors between two: `[n, …]` each, `lower` nowhere above `upper`.
#[derive(Debug, Clone)]
pub struct Interval<const D: usize> {
    /// The lowest value of each feature.
    pub lower: Tensor<D>,
    /// The highest value of each feature.
    pub upper: Tensor<D>,
}

/// A classifier that bounds its own answers over boxes of inputs: the ground of a certificate.
///
/// The networks of `free-at-models` implement it by interval arithmetic.
pub trait BoundedClassifier<const D: usize>: Classifier<D> {
    /// Of each box and each class j an upper bound of zⱼ − z_c over all inputs in the box, `[n, classes]`, c the box's entry
    /// in `classes`, `[n]`; 0 for j = c. Where all others are below 0, the answer is c in the whole box.
    ///
    /// Bounds hold in evaluation mode, for the model as it would compute without rounding.
    fn rise_bounds(&self, inputs: Interval<D>, classes: &Tensor<1, Int>) -> Tensor<2>;
}
