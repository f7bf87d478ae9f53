//! Boxes on their way through a network: interval arithmetic.

use burn::nn::pool::AvgPool2d;
use burn::nn::{BatchNorm, Linear};
use burn::tensor::{Int, Tensor, module};
use free_at_core::{Interval, rows};
use free_at_nn::{Activation, Conv2d};

use crate::flow::{Images, Rows};
use crate::normalize::Normalize;
use crate::standardize::PerImageStandardize;

/// The relative rounding of one operation in single precision, and a little for what is of second order.
const ROUNDING: f64 = 0.51 * f32::EPSILON as f64;

/// The middle of a box and how far it goes to each side. A sum of so many products computed from them is off by at most
/// `terms · ROUNDING` of the sum of all |products|, in whatever order it is added up: that is added to the radius first, and
/// passes through the layer with it.
fn centred<const D: usize>(values: Interval<D>, terms: usize) -> (Tensor<D>, Tensor<D>) {
    let middle = (values.lower.clone() + values.upper.clone()).mul_scalar(0.5);
    let radius = (values.upper - values.lower).mul_scalar(0.5);
    let rounding = (terms + 4) as f64 * ROUNDING; // with those of middle and radius themselves
    let slack = (middle.clone().abs() + radius.clone()).mul_scalar(rounding);
    (middle, radius + slack)
}

fn around<const D: usize>(middle: Tensor<D>, radius: Tensor<D>) -> Interval<D> {
    // Of the output itself, where it is a sum with a bias.
    let radius = radius + middle.clone().abs().mul_scalar(3.0 * ROUNDING);
    Interval { lower: middle.clone() - radius.clone(), upper: middle + radius }
}

fn both<const A: usize, const B: usize>(
    values: Interval<A>,
    function: impl Fn(Tensor<A>) -> Tensor<B>,
) -> Interval<B> {
    Interval { lower: function(values.lower), upper: function(values.upper) }
}

impl Images for Interval<4> {
    type Rows = Interval<2>;

    fn conv(self, layer: &Conv2d) -> Self {
        let weight = layer.weight.val();
        let [_, inputs, height, width] = weight.dims();
        let (middle, radius) = centred(self, inputs * height * width);
        // Burn's own: Winograd's convolution adds and subtracts more than it sums.
        let options = layer.options(middle.dims());
        let sum = module::conv2d(middle, weight.clone(), None, options.clone());
        let radius = module::conv2d(radius, weight.abs(), None, options);
        match &layer.bias {
            // Added afterwards: in the sum it would be rounded with every term.
            Some(bias) => {
                let bias = bias.val().reshape([1, sum.dims()[1], 1, 1]);
                let slack = sum.clone().abs().mul_scalar(ROUNDING);
                around(sum + bias, radius + slack)
            }
            None => around(sum, radius),
        }
    }

    fn batch_norm(self, layer: &BatchNorm, activation: Activation) -> Self {
        let (middle, radius) = centred(self, 2);
        let device = middle.device();
        let (mean, variance) = (layer.running_mean.value(), layer.running_var.value());
        let deviation = variance.to_device(&device).add_scalar(layer.epsilon).sqrt();
        let scale = layer.gamma.val() / deviation;
        let (beta, moved) = (layer.beta.val(), mean.to_device(&device) * scale.clone());
        let shift = beta.clone() - moved.clone();
        let channels = scale.dims()[0];
        let each = |values: Tensor<1>| values.reshape([1, channels, 1, 1]);
        let shift_slack = (beta.abs() + moved.abs()).mul_scalar(4.0 * ROUNDING);
        let radius = radius * each(scale.clone().abs()) + each(shift_slack);
        let normed = around(middle * each(scale) + each(shift), radius);
        both(normed, |x| activation.forward(x))
    }

    /// Each pixel less the mean is in an interval, and so is the deviation, a seminorm: it differs from that of the middle
    /// by that of the radii at most.
    fn standardize(self, layer: &PerImageStandardize) -> Self {
        let shape = self.lower.dims();
        let values = shape[1] * shape[2] * shape[3];
        let (middle, radius) = centred(self, 2 * values);
        let (middle, radius) = (middle.flatten::<2>(1, 3), radius.flatten::<2>(1, 3));
        let share = 1.0 / values as f64;
        let centre = middle.clone() - middle.clone().mean_dim(1);
        let reach = radius.clone().mul_scalar(1.0 - 2.0 * share) + radius.clone().mean_dim(1);
        let root = |rows: Tensor<2>| rows.square().mean_dim(1).sqrt();
        let spread = root(radius);
        // With what the middle itself is rounded by.
        let rounded = root(middle).mul_scalar(2.0 * (values as f64) * ROUNDING);
        let (deviation, spread) = (root(centre.clone()), spread + rounded);
        let floor = layer.floor(values).sqrt();
        let smallest = (deviation.clone() - spread.clone()).clamp_min(floor);
        let largest = (deviation + spread).clamp_min(floor);
        let (lower, upper) = (centre.clone() - reach.clone(), centre + reach);
        let quotient = |ends: Tensor<2>, towards: Tensor<2>, away: Tensor<2>| {
            let negative = ends.clone().lower_elem(0.0);
            (ends.clone() / away).mask_where(negative, ends / towards)
        };
        let lower = quotient(lower, smallest.clone(), largest.clone());
        let upper = quotient(upper, largest, smallest);
        let (middle, radius) = centred(Interval { lower, upper }, 2);
        around(middle.reshape(shape), radius.reshape(shape))
    }

    fn plus(self, other: Self) -> Self {
        let sum = Interval { lower: self.lower + other.lower, upper: self.upper + other.upper };
        let (middle, radius) = centred(sum, 1);
        around(middle, radius)
    }

    fn normalize(self, layer: &Normalize) -> Self {
        normalized(self, layer)
    }

    fn rising(self, function: impl Fn(Tensor<4>) -> Tensor<4>) -> Self {
        both(self, function)
    }

    fn averaged(self, layer: &AvgPool2d) -> Self {
        let [height, width] = layer.kernel_size;
        let (middle, radius) = centred(self, height * width);
        around(layer.forward(middle), layer.forward(radius))
    }

    fn rows(self, function: impl Fn(Tensor<4>) -> Tensor<2>) -> Interval<2> {
        // Before the sum, whose terms may cancel.
        let pixels = self.lower.dims()[2] * self.lower.dims()[3];
        let (middle, radius) = centred(self, pixels);
        around(function(middle), function(radius))
    }
}

impl Rows for Interval<2> {
    fn linear(self, layer: &Linear) -> Self {
        let weight = layer.weight.val();
        let (middle, radius) = centred(self, weight.dims()[0]);
        let radius = radius.matmul(weight.abs());
        around(layer.forward(middle), radius)
    }

    fn rising(self, function: impl Fn(Tensor<2>) -> Tensor<2>) -> Self {
        both(self, function)
    }
}

/// Upper bounds of zⱼ − z_c for a last linear layer and the box of what it is given, `[n, classes]`: of the differences of
/// the layer's columns, which is less than the difference of bounds.
pub(crate) fn rise_bounds(
    features: Interval<2>,
    layer: &Linear,
    classes: &Tensor<1, Int>,
) -> Tensor<2> {
    let weight = layer.weight.val();
    let (middle, radius) = centred(features, weight.dims()[0] + 2);
    // [n, classes, features] or [n, classes, 1].
    let less_own = |columns: Tensor<2>| {
        let own = columns.clone().select(0, classes.clone()).unsqueeze_dim::<3>(1);
        columns.unsqueeze_dim::<3>(0) - own
    };
    let columns = less_own(weight.transpose());
    let sum = |terms: Tensor<3>| terms.sum_dim(2).squeeze_dim::<2>(2);
    let mut middle = sum(columns.clone() * middle.unsqueeze_dim::<3>(1));
    if let Some(bias) = &layer.bias {
        middle = middle + sum(less_own(bias.val().unsqueeze_dim(1)));
    }
    let rises = around(middle, sum(columns.abs() * radius.unsqueeze_dim::<3>(1))).upper;
    let itself = rows::class_mask(&rises, classes);
    rises.mask_fill(itself, 0.0)
}

/// The box of normalised inputs. The scale is above 0.
pub(crate) fn normalized<const D: usize>(values: Interval<D>, layer: &Normalize) -> Interval<D> {
    let (middle, radius) = centred(values, 2);
    let of_nothing = layer.forward(middle.zeros_like());
    let slack = of_nothing.clone().abs().mul_scalar(2.0 * ROUNDING);
    let radius = layer.forward(radius) - of_nothing + slack.clone();
    around(layer.forward(middle), radius + slack)
}

/// Bounds of a network of images by the layer that ends it.
macro_rules! bounded {
    ($network:ident, $head:ident) => {
        impl free_at_core::BoundedClassifier<4> for $network {
            fn rise_bounds(
                &self,
                inputs: free_at_core::Interval<4>,
                classes: &burn::tensor::Tensor<1, burn::tensor::Int>,
            ) -> burn::tensor::Tensor<2> {
                crate::boxes::rise_bounds(self.features(inputs), &self.$head, classes)
            }
        }
    };
}
pub(crate) use bounded;
