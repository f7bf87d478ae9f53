//! Dual norms: how steep a plane is along the steepest step of a norm.

use burn::tensor::Tensor;
use free_at_core::Norm;
use free_at_core::rows::{absolute_sum, largest, length};

/// The size of a gradient in the norm that is dual to a threat model's, `[n, …]` to `[n, 1, …]`.
pub(crate) type Dual<const D: usize> = fn(Tensor<D>) -> Tensor<D>;

/// That of each norm.
pub(crate) const fn duals<const D: usize>() -> [(Norm, Dual<D>); Norm::ALL.len()] {
    [(Norm::Linf, absolute_sum), (Norm::L2, length), (Norm::L1, largest)]
}
