//! NaN, infinity, and nothing at all.

use burn::tensor::{Device, Tensor};
use free_at::nn::conv2d;

use super::naive::{Sizes, Sum};
use super::{GROUPED, Given, STRIDED, WINOGRAD, options, tensor};

/// Of values of order 10.
const ROUNDING: f64 = 1e-4;

/// Whether each is what the definition says, of finite numbers to within rounding.
fn same(what: &str, found: &[f32], expected: &[Sum]) {
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let (found, expected) = (f64::from(*found), expected.value);
        let same = found == expected
            || found.is_nan() && expected.is_nan()
            || (found - expected).abs() < ROUNDING;
        assert!(same, "{what}[{index}]: {found}, not {expected}");
    }
}

#[test]
fn nan_and_infinity_reach_what_sees_them_and_nothing_else() {
    // In the middle of the images, in a corner, and two that meet.
    for sizes in [WINOGRAD, STRIDED, GROUPED] {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e38] {
            let mut given = Given::random(sizes, false, 4);
            let [_, channels, height, width] = sizes.input_dims();
            given.input[(channels + 1) * height * width] = value;
            given.input[3 * channels * height * width + 5 * width + 7] = value;
            given.input[3 * channels * height * width + 6 * width + 7] = -value;
            let computed = given.compute();
            let [output, of_input, of_weight] =
                sizes.convolve(&given.input, &given.weight, &given.gradient);
            let untouched = output.len() / sizes.images;
            assert!(output[..untouched].iter().all(|sum| sum.value.is_finite()));
            if value.abs() > 3e38 || value.is_nan() {
                assert!(output.iter().any(|sum| !sum.value.is_finite()));
                same("output", &computed.output, &output);
                same("weight gradient", &computed.weight, &of_weight);
            } else {
                same("output", &computed.output[..untouched], &output[..untouched]);
                assert!(computed.output.iter().all(|value| value.is_finite()));
            }
            same("input gradient", &computed.input, &of_input);

            let mut given = Given::random(sizes, false, 5);
            given.gradient[100] = value;
            let computed = given.compute();
            let [_, of_input, _] = sizes.convolve(&given.input, &given.weight, &given.gradient);
            if !value.is_finite() {
                same("input gradient", &computed.input, &of_input);
            }
        }
    }
}

#[test]
fn weights_that_are_not_finite_reach_their_channels_alone() {
    let sizes = Sizes { padding: [(0, 0); 2], ..WINOGRAD };
    let mut given = Given::random(sizes, false, 6);
    given.weight[2 * sizes.inputs * 9 + 4] = f32::INFINITY;
    let [output, of_input, _] = sizes.convolve(&given.input, &given.weight, &given.gradient);
    let computed = given.compute();
    same("output", &computed.output, &output);
    // Of each image, its first input channel met them.
    let [_, channels, height, width] = sizes.input_dims();
    let images = computed.input.chunks(channels * height * width);
    for (found, expected) in images.zip(of_input.chunks(channels * height * width)) {
        same("input gradient", &found[height * width..], &expected[height * width..]);
    }
}

#[test]
fn no_image_is_no_output_and_no_gradient() {
    let device = Device::flex().autodiff();
    for sizes in [WINOGRAD, STRIDED, GROUPED] {
        let sizes = Sizes { images: 0, ..sizes };
        let input = tensor(&[], sizes.input_dims(), &device).require_grad();
        let weight = Tensor::<4>::ones(sizes.weight_dims(), &device).require_grad();
        let bias = Tensor::<1>::ones([sizes.weight_dims()[0]], &device).require_grad();
        let output = conv2d(input.clone(), weight.clone(), Some(bias.clone()), options(&sizes));
        assert_eq!(output.dims(), sizes.output_dims());
        let gradients = output.sum().backward();
        assert_eq!(input.grad(&gradients).unwrap().dims(), sizes.input_dims());
        let of_weight = weight.grad(&gradients).unwrap();
        assert_eq!(of_weight.dims(), sizes.weight_dims());
        assert_eq!(of_weight.abs().max().into_scalar::<f32>(), 0.0);
        assert_eq!(bias.grad(&gradients).unwrap().abs().max().into_scalar::<f32>(), 0.0);
    }
}
