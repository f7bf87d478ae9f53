//! What is this crate's own, on Burn's flex backend.

pub(crate) mod batch_norm;
pub(crate) mod convolution;
pub(crate) mod descent;

mod finite;
mod scratch;
mod tensor;
