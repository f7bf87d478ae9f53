//! All but speed is Burn's: layers, records, panics, other types of numbers.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::module::Module;
use burn::nn::{PaddingConfig2d, conv};
use burn::tensor::module::conv2d as burns;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, Device, FloatDType, Tensor};
use free_at::nn::{Conv2d, Conv2dConfig, conv2d};
use proptest::prelude::*;

use super::{GROUPED, Given, STRIDED, WINOGRAD, floats, numbers, options, tensor};
use crate::nets::state;

/// Of outputs of order 1.
const ROUNDING: f32 = 2e-5;

fn configs(channels: [usize; 2], kernel: [usize; 2]) -> (Conv2dConfig, conv::Conv2dConfig) {
    (Conv2dConfig::new(channels, kernel), conv::Conv2dConfig::new(channels, kernel))
}

fn near(a: Tensor<4>, b: Tensor<4>) -> bool {
    a.dims() == b.dims() && floats(a).iter().zip(floats(b)).all(|(a, b)| (a - b).abs() < ROUNDING)
}

proptest! {
    #[test]
    fn a_layer_gives_what_burns_gives(
        channels in [1usize..5, 1usize..5],
        groups in 1usize..4,
        kernel in [1usize..6, 1usize..6],
        size in [6usize..15, 6usize..15],
        stride in [1usize..4, 1usize..4],
        padding in prop_oneof![
            Just(PaddingConfig2d::Valid),
            Just(PaddingConfig2d::Same),
            (0usize..3, 0usize..3, 0usize..3, 0usize..3)
                .prop_map(|(a, b, c, d)| PaddingConfig2d::Explicit(a, b, c, d)),
        ],
        bias: bool,
    ) {
        let device = Device::flex();
        let channels = channels.map(|channels| channels * groups);
        let config = conv::Conv2dConfig::new(channels, kernel)
            .with_stride(stride).with_groups(groups).with_padding(padding).with_bias(bias);
        let theirs = config.init(&device);
        let ours = Conv2d::from(theirs.clone());
        let input = tensor(
            &numbers(2 * channels[0] * size[0] * size[1], 1),
            [2, channels[0], size[0], size[1]],
            &device,
        );
        prop_assert!(near(ours.forward(input.clone()), theirs.forward(input)));
        prop_assert_eq!(format!("{ours}"), format!("{theirs}"));
        prop_assert_eq!(state(&conv::Conv2d::from(ours)), state(&theirs));
    }
}

#[test]
fn configurations_are_written_as_burns_and_draw_the_same_weights() {
    let device = Device::flex();
    let (ours, theirs) = configs([6, 4], [3, 5]);
    let ours = ours.with_stride([2, 1]).with_dilation([1, 2]).with_groups(2).with_bias(false);
    let theirs = theirs.with_stride([2, 1]).with_dilation([1, 2]).with_groups(2).with_bias(false);
    assert_eq!(ours.to_string(), theirs.to_string());
    // Another test may draw from the device between the two.
    let attempts = std::iter::repeat_with(|| {
        device.seed(7);
        let first = state(&ours.init(&device));
        device.seed(7);
        first == state(&theirs.init(&device))
    });
    assert!(attempts.take(20).any(|same| same));
}

#[test]
fn a_record_of_burns_layer_loads() {
    let device = Device::flex();
    let (ours, theirs) = configs([3, 4], [3, 3]);
    let theirs = theirs.init(&device);
    let ours = ours.init(&device).load_record(Conv2d::from(theirs.clone()).into_record());
    assert_eq!(state(&ours), state(&theirs));
}

#[test]
fn other_types_of_numbers_are_burns() {
    for sizes in [WINOGRAD, STRIDED] {
        let given = Given::random(sizes, false, 8);
        for dtype in [FloatDType::F64, FloatDType::F16, FloatDType::BF16] {
            let device = Device::flex();
            let input = tensor(&given.input, sizes.input_dims(), &device).cast(dtype);
            let weight = tensor(&given.weight, sizes.weight_dims(), &device).cast(dtype);
            let ours = conv2d(input.clone(), weight.clone(), None, options(&sizes));
            let theirs = burns(input, weight, None, options(&sizes));
            assert_eq!(ours.dtype(), DType::from(dtype));
            assert_eq!(ours.into_data(), theirs.into_data());
        }
    }
}

#[test]
fn views_are_what_their_copies_are() {
    let device = Device::flex();
    for sizes in [WINOGRAD, STRIDED, GROUPED] {
        let given = Given::random(sizes, false, 9);
        let [images, channels, height, width] = sizes.input_dims();
        let turned = [images, channels, width, height];
        let input = tensor(&given.input, turned, &device).swap_dims(2, 3);
        let copy = tensor(&floats(input.clone()), sizes.input_dims(), &device);
        let weight = tensor(&given.weight, sizes.weight_dims(), &device);
        let of = |input| floats(conv2d(input, weight.clone(), None, options(&sizes)));
        assert_eq!(of(input), of(copy.clone()));
        let part = copy.clone().slice_dim(0, 1..3);
        assert_eq!(
            of(part),
            of(tensor(
                &floats(copy.clone().slice_dim(0, 1..3)),
                [2, channels, height, width],
                &device
            ))
        );
        let same = copy.clone().slice_dim(0, 0..1).expand([4, channels, height, width]);
        let each = floats(same.clone());
        assert_eq!(of(same), of(tensor(&each, [4, channels, height, width], &device)));
    }
}

#[test]
fn only_what_requires_a_gradient_gets_one() {
    let device = Device::flex().autodiff();
    let given = Given::random(WINOGRAD, true, 10);
    let whole = given.compute();
    for (of_input, of_weight) in [(true, false), (false, true)] {
        let mark =
            |tensor: Tensor<4>, tracked| if tracked { tensor.require_grad() } else { tensor };
        let input = mark(tensor(&given.input, WINOGRAD.input_dims(), &device), of_input);
        let weight = mark(tensor(&given.weight, WINOGRAD.weight_dims(), &device), of_weight);
        let bias = given.bias.as_ref().map(|bias| tensor(bias, [bias.len()], &device));
        let output = conv2d(input.clone(), weight.clone(), bias, options(&WINOGRAD));
        let gradient = tensor(&given.gradient, WINOGRAD.output_dims(), &device);
        let gradients = (output * gradient).sum().backward();
        assert_eq!(input.grad(&gradients).map(floats), of_input.then(|| whole.input.clone()));
        assert_eq!(weight.grad(&gradients).map(floats), of_weight.then(|| whole.weight.clone()));
    }
}

/// What a call panics with, if it does.
fn panics<R>(call: impl FnOnce() -> R) -> Option<String> {
    let payload = catch_unwind(AssertUnwindSafe(call)).err()?;
    let text = payload.downcast_ref::<String>().cloned();
    Some(text.or_else(|| payload.downcast_ref::<&str>().map(|text| text.to_string())).unwrap())
}

#[test]
fn what_does_not_fit_panics_as_burns() {
    let device = Device::flex();
    let zeros = |dims| Tensor::<4>::zeros(dims, &device);
    let plain = || ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
    for (input, weight, options) in [
        ([1, 8, 6, 6], [8, 9, 3, 3], plain()),
        ([1, 9, 6, 6], [8, 4, 3, 3], ConvOptions::new([1, 1], [0, 0], [1, 1], 2)),
    ] {
        let ours = panics(|| conv2d(zeros(input), zeros(weight), None, options.clone()));
        let theirs = panics(|| burns(zeros(input), zeros(weight), None, options));
        assert!(theirs.is_some(), "{input:?} {weight:?}");
        assert_eq!(ours, theirs);
    }
    let small = panics(|| conv2d(zeros([1, 8, 2, 6]), zeros([8, 8, 3, 3]), None, plain()));
    assert!(small.unwrap().contains("a height of 3 pixels, and the padded image has 2"));
    let halves = ConvOptions::new([1, 1], [0, 0], [1, 1], 2);
    let shared = panics(|| conv2d(zeros([1, 8, 6, 6]), zeros([9, 4, 3, 3]), None, halves));
    assert!(shared.unwrap().contains("9 output channels cannot be shared out among 2 groups"));
    let refused = panics(|| Conv2dConfig::new([8, 9], [3, 3]).with_groups(2).init(&device));
    let theirs = panics(|| conv::Conv2dConfig::new([8, 9], [3, 3]).with_groups(2).init(&device));
    assert!(refused.is_some());
    assert_eq!(refused, theirs);
    for (stride, dilation, groups) in
        [([0, 1], [1, 1], 1), ([1, 1], [1, 0], 1), ([1, 1], [1, 1], 0)]
    {
        let ours = panics(|| ConvOptions::new(stride, [0, 0], dilation, groups));
        assert!(ours.is_some(), "Burn refuses zero itself");
    }
}
