//! The convolution: by patches, and Winograd's for kernels of 3×3.

mod algorithm;
mod backend;
mod by_patches;
mod dispatch;
mod operation;
mod product;
mod shape;
mod winograd;

pub(crate) use dispatch::convolve;
