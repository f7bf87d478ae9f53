//! Convolution and batch norm for [Burn](https://burn.dev), fast on the CPU.
//!
//! On Burn's flex backend convolutions and their gradients are several times as fast as flex's own. Everywhere else
//! they are Burn's. It is safe Rust throughout; vector instructions are chosen at run time (AVX-512, AVX2, NEON).
//!
//! Replace `burn::nn::conv::{Conv2d, Conv2dConfig}` by this crate's; fields, records and initial weights stay. A layer
//! that exists converts by [`From`], in both directions:
//!
//! ```
//! use burn::nn::conv::Conv2dConfig;
//! use burn::tensor::{Device, Tensor};
//! use free_at_nn::Conv2d;
//!
//! let device = Device::flex();
//! let layer = Conv2d::from(Conv2dConfig::new([16, 16], [3, 3]).init(&device));
//! let images = Tensor::<4>::ones([2, 16, 8, 8], &device);
//! assert_eq!(layer.forward(images).dims(), [2, 16, 6, 6]);
//! ```
//!
//! [`batch_norm_train`] and [`batch_norm`] normalise and take an activation in the same pass over memory, and
//! [`SgdConfig`]'s optimiser takes its step in one.

mod activation;
mod batch_norm;
mod conv2d;
mod convolution;
mod descent_rule;
mod sgd;

#[cfg(feature = "flex")]
mod flex;

pub use activation::Activation;
pub use batch_norm::{batch_norm, batch_norm_train};
pub use conv2d::{Conv2d, Conv2dConfig};
pub use convolution::conv2d;
pub use sgd::{Sgd, SgdConfig, SgdState};
