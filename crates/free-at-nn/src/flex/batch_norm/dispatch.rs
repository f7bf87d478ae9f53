//! Which tensors this crate's batch norm is for.

use std::ops::ControlFlow::{self, Break, Continue};

use burn::backend::{Dispatch, DispatchTensor};
use burn::tensor::Tensor;
use burn::tensor::module::BatchNormTrainOutput;

use crate::activation::Activation;
use crate::flex::batch_norm::backend::Normalization;
use crate::flex::tensor::on_flex;

type Tensors<const N: usize> = (Tensor<4>, [Tensor<1>; N]);

/// This crate's batch norm in training, or the tensors again if they are not for it.
pub(crate) fn train(
    input: Tensor<4>,
    parameters: [Tensor<1>; 2],
    epsilon: f64,
    activation: Activation,
) -> ControlFlow<BatchNormTrainOutput<4>, Tensors<2>> {
    let (input, [gamma, beta]) = match ours(input, parameters) {
        Break(ours) => ours,
        Continue(others) => return Continue(others),
    };
    let (output, mean, variance) =
        Dispatch::normalize_batch(input, gamma, beta, epsilon, activation);
    let [mean, variance] = [mean, variance].map(Tensor::from_dispatch);
    Break(BatchNormTrainOutput { output: Tensor::from_dispatch(output), mean, variance })
}

/// This crate's batch norm by given statistics: gamma, beta, mean and variance.
pub(crate) fn evaluate(
    input: Tensor<4>,
    parameters: [Tensor<1>; 4],
    epsilon: f64,
    activation: Activation,
) -> ControlFlow<Tensor<4>, Tensors<4>> {
    // Its gradient tells the side of the activation by the output, which has the sign of its input only then.
    let keeps_signs = !matches!(activation, Activation::LeakyRelu(slope) if slope <= 0.0);
    if !keeps_signs || parameters.iter().any(Tensor::is_tracked) {
        return Continue((input, parameters));
    }
    let (input, [gamma, beta, mean, variance]) = match ours(input, parameters) {
        Break(ours) => ours,
        Continue(others) => return Continue(others),
    };
    let output = Dispatch::normalize(input, gamma, beta, mean, variance, epsilon, activation);
    Break(Tensor::from_dispatch(output))
}

fn ours<const N: usize>(
    input: Tensor<4>,
    parameters: [Tensor<1>; N],
) -> ControlFlow<(DispatchTensor, [DispatchTensor; N]), Tensors<N>> {
    let [images, channels, height, width] = input.dims();
    let fits = images * channels * height * width > 0
        && parameters.iter().all(|parameter| parameter.dims() == [channels]);
    let input = input.into_dispatch();
    let parameters = parameters.map(Tensor::into_dispatch);
    if fits && on_flex(&input) && parameters.iter().all(on_flex) {
        return Break((input, parameters));
    }
    Continue((Tensor::from_dispatch(input), parameters.map(Tensor::from_dispatch)))
}
