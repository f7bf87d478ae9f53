//! What follows a normalisation.

use burn::tensor::Tensor;
use burn::tensor::activation::{leaky_relu, relu};

/// An activation function that is the same line on each side of zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// None.
    Identity,
    /// max(x, 0).
    Relu,
    /// x, or where that is negative, x times this slope.
    LeakyRelu(f32),
}

impl Activation {
    /// Of every pixel of `x` `[n, channels, height, width]`.
    pub fn forward(self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Identity => x,
            Self::Relu => relu(x),
            Self::LeakyRelu(slope) => leaky_relu(x, slope.into()),
        }
    }

    /// Of a number.
    #[inline(always)]
    pub(crate) fn of(self, x: f32) -> f32 {
        match self {
            Self::Identity => x,
            Self::Relu => {
                if x <= 0.0 {
                    0.0
                } else {
                    x
                }
            } // NaN stays
            Self::LeakyRelu(slope) => {
                if x < 0.0 {
                    slope * x
                } else {
                    x
                }
            }
        }
    }

    /// What it makes of a gradient, where it is given `x` or gives it.
    #[inline(always)]
    pub(crate) fn gradient(self, x: f32, gradient: f32) -> f32 {
        match self {
            Self::Identity => gradient,
            Self::Relu => {
                if x <= 0.0 {
                    0.0
                } else {
                    gradient
                }
            }
            Self::LeakyRelu(slope) => {
                if x < 0.0 {
                    slope * gradient
                } else {
                    gradient
                }
            }
        }
    }
}
