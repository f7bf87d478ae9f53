//! Which tensors this crate's convolution is for.

use std::ops::ControlFlow::{self, Break, Continue};

use burn::backend::Dispatch;
use burn::tensor::Tensor;
use burn::tensor::ops::ConvOptions;

use crate::flex::convolution::backend::Convolution;
use crate::flex::convolution::operation::fitting;
use crate::flex::tensor::on_flex;

type Tensors = (Tensor<4>, Tensor<4>, Option<Tensor<1>>);

/// This crate's convolution, or the tensors again if they are not for it.
pub(crate) fn convolve(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: &ConvOptions<2>,
) -> ControlFlow<Tensor<4>, Tensors> {
    let fits = fitting(input.dims(), weight.dims(), options)
        .is_some_and(|shape| shape.channels_in * shape.pixels_in() * shape.channels_out > 0);
    let fits = fits && bias.as_ref().is_none_or(|bias| bias.dims() == [weight.dims()[0]]);
    let (input, weight) = (input.into_dispatch(), weight.into_dispatch());
    let bias = bias.map(Tensor::into_dispatch);
    if fits && on_flex(&input) && on_flex(&weight) && bias.as_ref().is_none_or(on_flex) {
        let options = options.clone();
        let output = match bias {
            Some(bias) => Dispatch::convolve_with_bias(input, weight, bias, options),
            None => Dispatch::convolve(input, weight, options),
        };
        return Break(Tensor::from_dispatch(output));
    }
    let (input, weight) = (Tensor::from_dispatch(input), Tensor::from_dispatch(weight));
    Continue((input, weight, bias.map(Tensor::from_dispatch)))
}
