//! Which algorithm computes a convolution.
//!
//! Winograd's mixes the pixels of a tile, so one that is NaN or infinite, or large enough for the tile to
//! overflow, would spoil outputs that do not see it. Patches confine it: what is not finite goes to them.

use crate::flex::convolution::by_patches;
use crate::flex::convolution::shape::Shape;
use crate::flex::convolution::winograd::{self, Convolved};
use crate::flex::finite;

/// `input` `[n, in, h, w]` convolved with `weight` `[out, in / groups, kh, kw]`, plus `bias` `[out]`.
pub(crate) fn forward(
    input: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    shape: &Shape,
) -> Vec<f32> {
    if !shape.suits_winograd() {
        return by_patches::forward(input, weight, bias, shape);
    }
    let image_len = shape.channels_in * shape.pixels_in();
    again(winograd::forward(input, weight, bias, shape), |image| {
        let input = &input[image * image_len..][..image_len];
        by_patches::forward(input, weight, bias, &Shape { images: 1, ..*shape })
    })
}

/// The gradient in the input, of `gradient` `[n, out, h, w]` in the output.
pub(crate) fn input_gradient(gradient: &[f32], weight: &[f32], shape: &Shape) -> Vec<f32> {
    if !shape.suits_winograd() {
        return by_patches::input_gradient(gradient, weight, shape);
    }
    let image_len = shape.channels_out * shape.pixels_out();
    again(winograd::input_gradient(gradient, weight, shape), |image| {
        let gradient = &gradient[image * image_len..][..image_len];
        by_patches::input_gradient(gradient, weight, &Shape { images: 1, ..*shape })
    })
}

/// The gradient in the weights, of `gradient` `[n, out, h, w]` in the output.
pub(crate) fn weight_gradient(input: &[f32], gradient: &[f32], shape: &Shape) -> Vec<f32> {
    if shape.suits_winograd() {
        let computed = winograd::weight_gradient(input, gradient, shape);
        if finite::all(&computed) {
            return computed;
        }
    }
    by_patches::weight_gradient(input, gradient, shape)
}

/// Computes the images again that have something not finite: those alone, for an image must not depend on
/// the others in its batch.
fn again(
    Convolved { mut values, not_finite }: Convolved,
    one: impl Fn(usize) -> Vec<f32>,
) -> Vec<f32> {
    let image_len = values.len() / not_finite.len();
    for (image, values) in values.chunks_exact_mut(image_len).enumerate() {
        if not_finite[image] {
            values.copy_from_slice(&one(image));
        }
    }
    values
}
