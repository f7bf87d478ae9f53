//! Batch norm with what follows it.

use burn::tensor::Tensor;
use burn::tensor::module::{self, BatchNormTrainOutput};

use crate::activation::Activation;

/// Normalises `input` `[n, channels, height, width]` by the statistics of its batch, then takes `activation`: Burn's
/// [`batch_norm_train`](module::batch_norm_train), with its statistics, and an activation. The variance is the biased one,
/// and no gradient goes back from mean and variance.
///
/// `gamma` and `beta` are `[channels]`, `epsilon` is what is added to the variance. On Burn's flex backend, in 32-bit
/// floats, with the feature `flex`, it goes over the input for the mean, for the variance, and to write the output with the
/// activation; on the way back once to add up, and once for the gradient in the input if that is wanted.
///
/// # Panics
/// As Burn's: where sizes do not fit each other.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use free_at_nn::{Activation, batch_norm_train};
///
/// let device = Device::flex().autodiff();
/// let images = Tensor::<4>::from_floats([[[[1.0, 3.0]]]], &device);
/// let (gamma, beta) = (Tensor::ones([1], &device), Tensor::zeros([1], &device));
/// let batch = batch_norm_train(images, gamma, beta, 1e-5, Activation::Relu);
/// assert_eq!(batch.mean.into_scalar::<f32>(), 2.0);
/// assert_eq!(batch.output.min().into_scalar::<f32>(), 0.0);
/// ```
pub fn batch_norm_train(
    input: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
    activation: Activation,
) -> BatchNormTrainOutput<4> {
    #[cfg(feature = "flex")]
    let (input, [gamma, beta]) = {
        use std::ops::ControlFlow;

        use crate::flex::batch_norm::train;
        match train(input, [gamma, beta], epsilon, activation) {
            ControlFlow::Break(output) => return output,
            ControlFlow::Continue(others) => others,
        }
    };
    let batch = module::batch_norm_train(input, gamma, beta, epsilon);
    BatchNormTrainOutput { output: activation.forward(batch.output), ..batch }
}

/// Normalises `input` `[n, channels, height, width]` by given statistics, then takes `activation`: Burn's
/// [`batch_norm`](module::batch_norm) and an activation.
///
/// `gamma`, `beta`, `mean` and `variance` are `[channels]`, `epsilon` is what is added to the variance. On Burn's flex
/// backend, in 32-bit floats, with the feature `flex`, it is one pass over memory, and so is its gradient, if none but
/// `input` requires one: that is a frozen model, as attacks have it. (With a leaky ReLU whose slope is not above 0, it is
/// Burn's.)
///
/// # Panics
/// As Burn's: where sizes do not fit each other.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use free_at_nn::{Activation, batch_norm};
///
/// let device = Device::flex();
/// let images = Tensor::<4>::from_floats([[[[1.0, 3.0]]]], &device);
/// let vector = |value| Tensor::<1>::full([1], value, &device);
/// let output = batch_norm(images, vector(1.0), vector(0.0), vector(2.0), vector(1.0), 0.0, Activation::Relu);
/// assert_eq!(output.into_data().try_to_vec::<f32>().unwrap(), [0.0, 1.0]);
/// ```
pub fn batch_norm(
    input: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    mean: Tensor<1>,
    variance: Tensor<1>,
    epsilon: f64,
    activation: Activation,
) -> Tensor<4> {
    #[cfg(feature = "flex")]
    let (input, [gamma, beta, mean, variance]) = {
        use std::ops::ControlFlow;

        use crate::flex::batch_norm::evaluate;
        match evaluate(input, [gamma, beta, mean, variance], epsilon, activation) {
            ControlFlow::Break(output) => return output,
            ControlFlow::Continue(others) => others,
        }
    };
    activation.forward(module::batch_norm(input, gamma, beta, mean, variance, epsilon))
}
