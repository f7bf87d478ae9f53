//! Batch norm and what follows it is Burn's, in fewer passes.

use burn::tensor::activation::{leaky_relu, relu};
use burn::tensor::module;
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use free_at::nn::{Activation, batch_norm, batch_norm_train};
use proptest::prelude::*;

/// Of values of order 1; Burn adds up in another order.
const ROUNDING: f32 = 2e-5;
const EPSILON: f64 = 1e-5;
/// Nearer to an activation's corner than this, rounding may decide the side.
const CORNER: f32 = 1e-5;

fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn tensor<const D: usize>(values: Vec<f32>, dims: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, dims), &Device::flex().autodiff())
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

fn activate(x: Tensor<4>, activation: Activation) -> Tensor<4> {
    match activation {
        Activation::Identity => x,
        Activation::Relu => relu(x),
        Activation::LeakyRelu(slope) => leaky_relu(x, slope.into()),
    }
}

#[derive(Clone)]
struct Given {
    input: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    mean: Tensor<1>,
    variance: Tensor<1>,
    gradient: Tensor<4>,
    activation: Activation,
}

impl Given {
    fn new(dims: [usize; 4], activation: Activation, seed: u32) -> Self {
        let len: usize = dims.iter().product();
        let channels = [dims[1]];
        let of = |seed| numbers(dims[1], seed);
        // Channels of different means and sizes, as networks have them.
        let mut input = numbers(len, seed);
        for (index, plane) in input.chunks_mut((dims[2] * dims[3]).max(1)).enumerate() {
            let channel = index % dims[1];
            plane
                .iter_mut()
                .for_each(|x| *x = *x * (0.5 + channel as f32 % 3.0) + channel as f32 % 5.0 - 2.0);
        }
        Self {
            input: tensor(input, dims).require_grad(),
            gamma: tensor(of(seed + 1), channels).require_grad(),
            beta: tensor(of(seed + 2), channels).require_grad(),
            mean: tensor(of(seed + 3), channels),
            variance: tensor(of(seed + 4), channels).abs() + 0.1,
            gradient: tensor(numbers(len, seed + 5), dims),
            activation,
        }
    }

    /// Output, mean, variance, and the gradients in input, gamma and beta.
    fn train(&self, ours: bool) -> Vec<Vec<f32>> {
        let (input, gamma, beta) = (self.input.clone(), self.gamma.clone(), self.beta.clone());
        let batch = match ours {
            true => batch_norm_train(input, gamma, beta, EPSILON, self.activation),
            false => {
                let batch = module::batch_norm_train(input, gamma, beta, EPSILON);
                let output = activate(batch.output, self.activation);
                module::BatchNormTrainOutput { output, ..batch }
            }
        };
        let gradients = (batch.output.clone() * self.gradient.clone()).sum().backward();
        vec![
            floats(batch.output),
            floats(batch.mean),
            floats(batch.variance),
            floats(self.input.grad(&gradients).unwrap()),
            floats(self.gamma.grad(&gradients).unwrap()),
            floats(self.beta.grad(&gradients).unwrap()),
        ]
    }

    /// Whether the activation gets nothing near its corner.
    fn keeps_off_corners(&self) -> bool {
        let plain = Self { activation: Activation::Identity, ..self.clone() };
        let outputs = [plain.train(false).swap_remove(0), plain.evaluate(false).swap_remove(0)];
        outputs.iter().flatten().all(|output| output.abs() > CORNER)
    }

    /// Output, and the gradient in the input.
    fn evaluate(&self, ours: bool) -> Vec<Vec<f32>> {
        let [gamma, beta] = [self.gamma.clone(), self.beta.clone()].map(Tensor::detach);
        let (input, mean, variance) =
            (self.input.clone(), self.mean.clone(), self.variance.clone());
        let output = match ours {
            true => batch_norm(input, gamma, beta, mean, variance, EPSILON, self.activation),
            false => activate(
                module::batch_norm(input, gamma, beta, mean, variance, EPSILON),
                self.activation,
            ),
        };
        let gradients = (output.clone() * self.gradient.clone()).sum().backward();
        vec![floats(output), floats(self.input.grad(&gradients).unwrap())]
    }
}

/// Whether they are equal to within rounding, of the largest where that is more than 1.
fn near(ours: &[Vec<f32>], theirs: &[Vec<f32>]) -> Result<(), TestCaseError> {
    for (part, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        prop_assert_eq!(ours.len(), theirs.len());
        let largest = theirs.iter().fold(1.0, |a: f32, b| a.max(b.abs()));
        let error = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        prop_assert!(error <= ROUNDING * largest, "part {part}: {error} of {largest}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn it_is_burns(
        dims in [1usize..9, 1usize..20, 1usize..20, 1usize..20],
        activation in prop_oneof![
            Just(Activation::Identity), Just(Activation::Relu),
            proptest::sample::select(vec![0.1, 0.0, -0.5]).prop_map(Activation::LeakyRelu),
        ],
        seed in 0u32..1_000_000,
    ) {
        // Of fewer values the variance is small and the gradients large.
        prop_assume!(dims[0] * dims[2] * dims[3] >= 16);
        let given = Given::new(dims, activation, seed);
        prop_assume!(given.keeps_off_corners());
        near(&given.train(true), &given.train(false))?;
        near(&given.evaluate(true), &given.evaluate(false))?;
    }
}

#[test]
fn it_is_the_same_bit_for_bit_with_any_number_of_threads() {
    let given = Given::new([8, 37, 16, 16], Activation::Relu, 1);
    let first = (given.train(true), given.evaluate(true));
    for threads in [1, 2, 3, 8] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let again = pool.install(|| (given.train(true), given.evaluate(true)));
        assert_eq!(again, first, "{threads} threads");
    }
}

#[test]
fn by_given_statistics_an_image_does_not_depend_on_its_batch() {
    let given = Given::new([5, 7, 9, 9], Activation::Relu, 2);
    let together = &given.evaluate(true)[0];
    let part = Given {
        input: given.input.clone().slice_dim(0, 3..4).detach().require_grad(),
        gradient: given.gradient.clone().slice_dim(0, 3..4),
        ..given
    };
    let alone = &part.evaluate(true)[0];
    assert_eq!(alone[..], together[3 * alone.len()..4 * alone.len()]);
}

#[test]
fn nan_and_infinity_go_through() {
    let vector = |value: f32| Tensor::<1>::full([1], value, &Device::flex());
    let input = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -2.0];
    let input =
        Tensor::<4>::from_data(TensorData::new(input.to_vec(), [1, 1, 2, 2]), &Device::flex());
    let output = floats(batch_norm(
        input,
        vector(1.0),
        vector(0.0),
        vector(0.0),
        vector(1.0),
        0.0,
        Activation::Relu,
    ));
    assert!(output[0].is_nan());
    assert_eq!(output[1..], [f32::INFINITY, 0.0, 0.0]);
}

#[test]
fn parameters_that_require_gradients_get_them_by_given_statistics_too() {
    let given = Given::new([3, 4, 5, 5], Activation::Relu, 3);
    let output = batch_norm(
        given.input,
        given.gamma.clone(),
        given.beta.clone(),
        given.mean,
        given.variance,
        EPSILON,
        given.activation,
    );
    let gradients = output.sum().backward();
    assert!(given.gamma.grad(&gradients).is_some() && given.beta.grad(&gradients).is_some());
}

#[test]
fn other_types_of_numbers_and_no_images_are_burns() {
    let device = Device::flex();
    let vector = |value: f32| Tensor::<1>::full([3], value, &device).cast(FloatDType::F64);
    let input = Tensor::<4>::ones([2, 3, 4, 4], &device).cast(FloatDType::F64);
    let output = batch_norm(
        input,
        vector(1.0),
        vector(0.0),
        vector(0.5),
        vector(1.0),
        0.0,
        Activation::Relu,
    );
    assert_eq!(output.into_data().try_to_vec::<f64>().unwrap(), [0.5; 96]);
    let vector = |value: f32| Tensor::<1>::full([3], value, &device);
    let none = Tensor::<4>::ones([0, 3, 4, 4], &device);
    let output = batch_norm(
        none,
        vector(1.0),
        vector(0.0),
        vector(0.0),
        vector(1.0),
        EPSILON,
        Activation::Relu,
    );
    assert_eq!(output.dims(), [0, 3, 4, 4]);
}
