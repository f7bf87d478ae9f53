//! Batch norm as an operation on flex tensors.

use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, TensorMetadata};

use crate::activation::Activation;
use crate::flex::batch_norm::backend::{Batch, Given, Normalization, NormalizationGradients};
use crate::flex::batch_norm::planes::{Backward, Line, Planes};
use crate::flex::scratch::among_workers;
use crate::flex::tensor::{floats, tensor};

impl Normalization for Flex {
    fn normalize_batch(
        input: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        epsilon: f64,
        activation: Activation,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let dims = input.shape().dims::<4>();
        let [input, gamma, beta] = [input, gamma, beta].map(|tensor| tensor.to_contiguous());
        let (planes, input) = (planes(dims), floats(&input));
        let (gamma, beta) = (floats(&gamma), floats(&beta));
        let (output, mean, variance) = among_workers(planes.are_small(), || {
            let (mean, variance) = planes.statistics(input);
            let lines = lines(gamma, beta, &mean, &variance, epsilon);
            (planes.along(input, &lines, activation), mean, variance)
        });
        (tensor(output, dims), tensor(mean, [dims[1]]), tensor(variance, [dims[1]]))
    }

    fn normalize(
        input: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        mean: FlexTensor,
        variance: FlexTensor,
        epsilon: f64,
        activation: Activation,
    ) -> FlexTensor {
        let dims = input.shape().dims::<4>();
        let [input, gamma, beta, mean, variance] =
            [input, gamma, beta, mean, variance].map(|tensor| tensor.to_contiguous());
        let lines = lines(floats(&gamma), floats(&beta), floats(&mean), floats(&variance), epsilon);
        tensor(planes(dims).along(floats(&input), &lines, activation), dims)
    }
}

impl NormalizationGradients for Flex {
    fn batch_gradients(
        gradient: FlexTensor,
        batch: &Batch<Flex>,
        tensors: [FlexTensor; 3],
        of_input: bool,
    ) -> ([FlexTensor; 2], Option<FlexTensor>) {
        let gradient = gradient.to_contiguous();
        let [input, gamma, beta] = tensors.map(|tensor| tensor.to_contiguous());
        let dims = input.shape().dims::<4>();
        let (mean, variance) = (floats(&batch.mean), floats(&batch.variance));
        let lines = lines(floats(&gamma), floats(&beta), mean, variance, batch.epsilon);
        let backward = Backward {
            gradient: floats(&gradient),
            input: floats(&input),
            lines: &lines,
            mean,
            activation: batch.activation,
        };
        let planes = planes(dims);
        let inverses: Vec<f32> =
            variance.iter().map(|variance| inverse(*variance, batch.epsilon)).collect();
        let (sums, of_input) = among_workers(planes.are_small(), || {
            let sums = planes.sums(&backward);
            let of_input = of_input.then(|| planes.gradient(&backward, &sums, &inverses));
            (sums, of_input)
        });
        let of_gamma = sums.iter().zip(&inverses).map(|(sum, inverse)| sum.moment * inverse);
        let of_gamma = tensor(of_gamma.collect(), [dims[1]]);
        let of_beta = tensor(sums.iter().map(|sum| sum.total).collect(), [dims[1]]);
        ([of_gamma, of_beta], of_input.map(|of_input| tensor(of_input, dims)))
    }

    fn input_gradient(gradient: FlexTensor, given: &Given<Flex>) -> FlexTensor {
        let dims = gradient.shape().dims::<4>();
        let gradient = gradient.to_contiguous();
        let (gamma, variance) = (given.gamma.to_contiguous(), given.variance.to_contiguous());
        let scales: Vec<f32> = floats(&gamma)
            .iter()
            .zip(floats(&variance))
            .map(|(gamma, variance)| gamma * inverse(*variance, given.epsilon))
            .collect();
        let output = floats(&given.output);
        tensor(planes(dims).scaled(floats(&gradient), output, &scales, given.activation), dims)
    }
}

fn planes([images, channels, height, width]: [usize; 4]) -> Planes {
    Planes { images, channels, plane: height * width }
}

/// One over the standard deviation.
fn inverse(variance: f32, epsilon: f64) -> f32 {
    1.0 / (variance + epsilon as f32).sqrt()
}

/// What normalising does to a channel.
fn lines(gamma: &[f32], beta: &[f32], mean: &[f32], variance: &[f32], epsilon: f64) -> Vec<Line> {
    let channels = gamma.iter().zip(beta).zip(mean.iter().zip(variance));
    channels
        .map(|((gamma, beta), (mean, variance))| {
            let slope = gamma * inverse(*variance, epsilon);
            Line { slope, shift: beta - mean * slope }
        })
        .collect()
}
