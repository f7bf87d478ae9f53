//! What free-at-nn promises: the convolution that it is, and everything else Burn's.

mod against_pytorch;
mod as_burn;
mod naive;
mod properties;
mod special_values;

use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};
use free_at::nn::conv2d;
use naive::Sizes;

/// Numbers that look random, from -1 to 1.
fn numbers(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn options(sizes: &Sizes) -> ConvOptions<2> {
    ConvOptions::new_with_padding(sizes.stride, sizes.padding, sizes.dilation, sizes.groups)
}

fn tensor<const D: usize>(values: &[f32], dims: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), dims), device)
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

/// What a convolution is given.
#[derive(Clone)]
struct Given {
    sizes: Sizes,
    input: Vec<f32>,
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
    gradient: Vec<f32>,
}

/// What comes of it: the output, and the gradients.
#[derive(Debug, PartialEq)]
struct Computed {
    output: Vec<f32>,
    input: Vec<f32>,
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
}

impl Given {
    fn random(sizes: Sizes, bias: bool, seed: u64) -> Self {
        let len = |dims: [usize; 4]| dims.iter().product();
        Self {
            sizes,
            input: numbers(len(sizes.input_dims()), 4 * seed),
            weight: numbers(len(sizes.weight_dims()), 4 * seed + 1),
            bias: bias.then(|| numbers(sizes.weight_dims()[0], 4 * seed + 2)),
            gradient: numbers(len(sizes.output_dims()), 4 * seed + 3),
        }
    }

    /// By this crate, on flex.
    fn compute(&self) -> Computed {
        let device = Device::flex().autodiff();
        let sizes = &self.sizes;
        let input = tensor(&self.input, sizes.input_dims(), &device).require_grad();
        let weight = tensor(&self.weight, sizes.weight_dims(), &device).require_grad();
        let bias =
            self.bias.as_ref().map(|bias| tensor(bias, [bias.len()], &device).require_grad());
        let output = conv2d(input.clone(), weight.clone(), bias.clone(), options(sizes));
        assert_eq!(output.dims(), sizes.output_dims());
        let gradient = tensor(&self.gradient, sizes.output_dims(), &device);
        let gradients = (output.clone() * gradient).sum().backward();
        Computed {
            output: floats(output.inner()),
            input: floats(input.grad(&gradients).unwrap()),
            weight: floats(weight.grad(&gradients).unwrap()),
            bias: bias.map(|bias| floats(bias.grad(&gradients).unwrap())),
        }
    }
}

/// A common convolution: 3×3, stride 1, which is Winograd's.
const WINOGRAD: Sizes = Sizes {
    images: 5,
    inputs: 19,
    outputs: 35,
    groups: 1,
    size: [13, 18],
    kernel: [3, 3],
    stride: [1, 1],
    padding: [(1, 1), (1, 1)],
    dilation: [1, 1],
};

/// Three that are products of patches.
const STRIDED: Sizes = Sizes { stride: [2, 2], ..WINOGRAD };
const PIXELS: Sizes = Sizes { inputs: 32, kernel: [1, 1], padding: [(0, 0), (0, 0)], ..WINOGRAD };
const GROUPED: Sizes = Sizes { inputs: 3, outputs: 5, groups: 4, kernel: [5, 2], ..WINOGRAD };
