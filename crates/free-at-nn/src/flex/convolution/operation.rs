//! The convolution as an operation on flex tensors.

use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::ops::ConvOptions;

use crate::flex::convolution::algorithm;
use crate::flex::convolution::backend::{Convolution, ConvolutionGradients};
use crate::flex::convolution::shape::Shape;
use crate::flex::scratch::among_workers;
use crate::flex::tensor::{floats, tensor, zeros};

impl Convolution for Flex {
    fn convolve(input: FlexTensor, weight: FlexTensor, options: ConvOptions<2>) -> FlexTensor {
        convolve(input, weight, None, &options)
    }

    fn convolve_with_bias(
        input: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        options: ConvOptions<2>,
    ) -> FlexTensor {
        convolve(input, weight, Some(bias), &options)
    }
}

fn convolve(
    input: FlexTensor,
    weight: FlexTensor,
    bias: Option<FlexTensor>,
    options: &ConvOptions<2>,
) -> FlexTensor {
    let shape = shape(input.shape().dims(), weight.shape().dims(), options);
    let dims = [shape.images, shape.channels_out, shape.size_out[0], shape.size_out[1]];
    if shape.is_empty() {
        return zeros(dims);
    }
    let bias = bias.map(|bias| bias.to_contiguous());
    let bias = bias.as_ref().map(floats);
    let (input, weight) = (input.to_contiguous(), weight.to_contiguous());
    let (input, weight) = (floats(&input), floats(&weight));
    tensor(
        among_workers(shape.is_small(), || algorithm::forward(input, weight, bias, &shape)),
        dims,
    )
}

impl ConvolutionGradients for Flex {
    fn input_gradient(
        gradient: FlexTensor,
        weight: FlexTensor,
        [height, width]: [usize; 2],
        options: &ConvOptions<2>,
    ) -> FlexTensor {
        let ([images, ..], kernels) = (gradient.shape().dims::<4>(), weight.shape().dims::<4>());
        let dims = [images, kernels[1] * options.groups, height, width];
        let shape = shape(dims, kernels, options);
        if shape.is_empty() {
            return zeros(dims);
        }
        let (gradient, weight) = (gradient.to_contiguous(), weight.to_contiguous());
        let (gradient, weight) = (floats(&gradient), floats(&weight));
        tensor(
            among_workers(shape.is_small(), || algorithm::input_gradient(gradient, weight, &shape)),
            dims,
        )
    }

    fn weight_gradient(
        input: FlexTensor,
        gradient: FlexTensor,
        [height, width]: [usize; 2],
        options: &ConvOptions<2>,
    ) -> FlexTensor {
        let (inputs, [_, out, ..]) = (input.shape().dims::<4>(), gradient.shape().dims::<4>());
        let dims = [out, inputs[1] / options.groups, height, width];
        let shape = shape(inputs, dims, options);
        if shape.is_empty() {
            return zeros(dims);
        }
        let (input, gradient) = (input.to_contiguous(), gradient.to_contiguous());
        let (input, gradient) = (floats(&input), floats(&gradient));
        tensor(
            among_workers(shape.is_small(), || algorithm::weight_gradient(input, gradient, &shape)),
            dims,
        )
    }

    fn bias_gradient(gradient: FlexTensor) -> FlexTensor {
        let [_, channels, height, width] = gradient.shape().dims::<4>();
        let gradient = gradient.to_contiguous();
        let mut sums = vec![0.0; channels];
        for (index, plane) in floats(&gradient).chunks(height * width).enumerate() {
            sums[index % channels] += sum(plane);
        }
        tensor(sums, [channels])
    }
}

/// Sixteen sums side by side, then theirs.
fn sum(values: &[f32]) -> f32 {
    let mut sums = [0.0; 16];
    let (lines, rest) = values.as_chunks::<16>();
    for line in lines {
        sums.iter_mut().zip(line).for_each(|(sum, value)| *sum += value);
    }
    sums.iter().chain(rest).sum()
}

/// The sizes, which were seen to fit before.
fn shape(input: [usize; 4], weight: [usize; 4], options: &ConvOptions<2>) -> Shape {
    fitting(input, weight, options).expect("sizes that fit")
}

/// The sizes of a convolution of `input` `[n, in, h, w]` with `weight` `[out, in / groups, kh, kw]`, if they fit.
pub(crate) fn fitting(
    input: [usize; 4],
    weight: [usize; 4],
    options: &ConvOptions<2>,
) -> Option<Shape> {
    let [images, channels_in, height, width] = input;
    let [channels_out, group_in, kernel_height, kernel_width] = weight;
    let ConvOptions { stride, padding, dilation, groups } = *options;
    let (size_in, kernel) = ([height, width], [kernel_height, kernel_width]);
    let mut size_out = [0; 2];
    for side in 0..2 {
        let padded = size_in[side] + padding[side].0 + padding[side].1;
        let seen = kernel[side].checked_sub(1)? * dilation[side] + 1;
        size_out[side] = padded.checked_sub(seen)? / stride[side] + 1;
    }
    let padding = padding.map(|(before, _)| before);
    let fits = group_in * groups == channels_in && channels_out.is_multiple_of(groups);
    fits.then_some(Shape {
        images,
        channels_in,
        channels_out,
        size_in,
        size_out,
        kernel,
        stride,
        padding,
        dilation,
        groups,
    })
}
