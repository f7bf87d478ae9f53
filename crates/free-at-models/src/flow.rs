//! What passes through a network: tensors, or boxes of them. A network says once what it is made of, and both go the same
//! way.

use burn::nn::pool::AvgPool2d;
use burn::nn::{BatchNorm, Linear};
use burn::tensor::Tensor;
use free_at_nn::{Activation, Conv2d};

use crate::layers::batch_norm;
use crate::normalize::Normalize;
use crate::standardize::PerImageStandardize;

/// Images `[n, channels, height, width]` on their way through convolutions.
pub(crate) trait Images: Clone {
    /// What they become in the end.
    type Rows: Rows;

    fn conv(self, layer: &Conv2d) -> Self;

    /// Batch norm, then an activation that does not fall.
    fn batch_norm(self, layer: &BatchNorm, activation: Activation) -> Self;

    fn standardize(self, layer: &PerImageStandardize) -> Self;

    fn plus(self, other: Self) -> Self;

    /// Any function none of whose outputs falls where an input rises: ReLU, pooling, zeros at the edges.
    fn rising(self, function: impl Fn(Tensor<4>) -> Tensor<4>) -> Self;

    fn averaged(self, layer: &AvgPool2d) -> Self {
        self.rising(|images| layer.forward(images))
    }

    /// A linear function without a constant to rows: a mean of planes, or all pixels in a row.
    fn rows(self, function: impl Fn(Tensor<4>) -> Tensor<2>) -> Self::Rows;

    fn normalize(self, layer: &Normalize) -> Self {
        self.rising(|images| layer.forward(images))
    }
}

/// Rows `[n, features]` on their way through linear layers.
pub(crate) trait Rows: Clone {
    fn linear(self, layer: &Linear) -> Self;

    /// Any function none of whose outputs falls where an input rises.
    fn rising(self, function: impl Fn(Tensor<2>) -> Tensor<2>) -> Self;
}

impl Images for Tensor<4> {
    type Rows = Tensor<2>;

    fn conv(self, layer: &Conv2d) -> Self {
        layer.forward(self)
    }

    fn batch_norm(self, layer: &BatchNorm, activation: Activation) -> Self {
        batch_norm(layer, self, activation)
    }

    fn standardize(self, layer: &PerImageStandardize) -> Self {
        layer.forward(self)
    }

    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn rising(self, function: impl Fn(Tensor<4>) -> Tensor<4>) -> Self {
        function(self)
    }

    fn rows(self, function: impl Fn(Tensor<4>) -> Tensor<2>) -> Tensor<2> {
        function(self)
    }
}

impl Rows for Tensor<2> {
    fn linear(self, layer: &Linear) -> Self {
        layer.forward(self)
    }

    fn rising(self, function: impl Fn(Tensor<2>) -> Tensor<2>) -> Self {
        function(self)
    }
}
