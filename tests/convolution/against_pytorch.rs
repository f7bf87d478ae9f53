//! The numbers of `fixtures/convolution.py`.

use safetensors::SafeTensors;
use serde::Deserialize;

use super::naive::Sizes;
use super::{Computed, Given};

/// Of the largest number of a tensor. PyTorch's own in single precision are within 1e-6 of those in double.
const ROUNDING: f32 = 1e-5;

#[derive(Deserialize)]
struct Case {
    name: String,
    images: usize,
    inputs: usize,
    outputs: usize,
    groups: usize,
    size: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
}

fn near(what: &str, found: &[f32], expected: &[f32]) {
    let largest =
        expected.iter().filter(|value| value.is_finite()).fold(0.0, |a: f32, b| a.max(b.abs()));
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let same = found == expected || found.is_nan() && expected.is_nan();
        let near = (found - expected).abs() <= ROUNDING * largest;
        assert!(same || near, "{what}[{index}]: {found}, not {expected}");
    }
}

#[test]
fn outputs_and_gradients_are_pytorchs() {
    let tensors =
        SafeTensors::deserialize(include_bytes!("../fixtures/convolution.safetensors")).unwrap();
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../fixtures/convolution.json")).unwrap();
    assert!(cases.len() >= 12);
    for case in cases {
        let floats = |of: &str| -> Vec<f32> {
            let bytes = tensors.tensor(&format!("{}.{of}", case.name)).unwrap().data();
            bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
        };
        let Case {
            images, inputs, outputs, groups, size, kernel, stride, padding, dilation, ..
        } = case;
        let padding = padding.map(|padding| (padding, padding));
        let sizes =
            Sizes { images, inputs, outputs, groups, size, kernel, stride, padding, dilation };
        let (input, weight, gradient) = (floats("input"), floats("weight"), floats("gradient"));
        let given = Given { sizes, input, weight, bias: Some(floats("bias")), gradient };
        let Computed { output, input, weight, bias } = given.compute();
        near(&format!("{} output", case.name), &output, &floats("output"));
        near(&format!("{} input gradient", case.name), &input, &floats("input_gradient"));
        near(&format!("{} weight gradient", case.name), &weight, &floats("weight_gradient"));
        near(&format!("{} bias gradient", case.name), &bias.unwrap(), &floats("bias_gradient"));
    }
}
