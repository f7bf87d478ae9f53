//! The penalty on the input gradient, against finite differences of what it stands for.

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::SgdConfig;
use burn::tensor::activation::tanh;
use burn::tensor::{Device, Tensor};
use free_at::prelude::*;
use free_at::train::{GradientPenalty, TrainError};
use free_at::{FrozenModel, Objective};

use crate::nets::{Half, linf, seeded, state, values};

const WEIGHT: f64 = 0.7;

/// A smooth network of rows `[n, 3]` into two classes.
#[derive(Module, Debug)]
struct Smooth {
    first: Linear,
    second: Linear,
}

impl Smooth {
    fn new(device: &Device) -> Self {
        let (first, second) = (LinearConfig::new(3, 5), LinearConfig::new(5, 2));
        seeded(Self { first: first.init(device), second: second.init(device) }, 4)
    }
}

impl Classifier<2> for Smooth {
    fn logits(&self, rows: Tensor<2>) -> Tensor<2> {
        self.second.forward(tanh(self.first.forward(rows).mul_scalar(2.0)))
    }
}

/// Adds a number to one of the parameters.
struct Nudge {
    at: usize,
    by: f32,
    passed: usize,
}

impl ModuleMapper for Nudge {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (at, first) = (self.at, self.passed);
        self.passed += param.val().shape().num_elements();
        let here = (first..self.passed).contains(&at).then(|| at - first);
        param.map(|old| {
            let Some(here) = here else { return old };
            let shape = old.dims();
            let device = old.device();
            let mut values: Vec<f32> = old.try_into_vec_as().unwrap();
            values[here] += self.by;
            Tensor::<1>::from_data(values.as_slice(), &device).reshape(shape).require_grad()
        })
    }
}

fn batch(device: &Device) -> Batch<2> {
    let labels = Tensor::from_data([0, 1, 1, 0, 1], device);
    Batch::new(values([5, 3], 2, device), labels).unwrap()
}

/// Mean cross-entropy and λ · mean ‖∇ₓ l‖², exactly.
fn loss(model: &Smooth, batch: &Batch<2>) -> f64 {
    let frozen = FrozenModel::new(model);
    let truth = batch.untargeted();
    let found = frozen.input_gradient(batch.inputs(), &truth, Objective::CrossEntropy).unwrap();
    let squares = found.gradient.square().sum_dim(1).mean().into_scalar::<f64>();
    found.values.mean().into_scalar::<f64>() + WEIGHT * squares
}

#[test]
fn its_gradient_in_the_parameters_is_that_of_the_squared_input_gradient() {
    const DIFFERENCE: f32 = 1e-2; // of a parameter: losses have errors of about 1e-7
    const TOLERANCE: f64 = 5e-3; // of the largest entry; without the penalty it is off by far more
    let trainer = StandardTrainer::new(StandardConfig::new(), Device::flex()).unwrap();
    let penalty = GradientPenalty::new(WEIGHT).with_step(2e-3);
    let trainer = trainer.penalizing(penalty).unwrap();
    let device = trainer.device();
    let (model, batch) = (Smooth::new(device), batch(device));
    // One step of plain SGD with rate 1 subtracts the gradient.
    let before: Vec<f32> = state(&model).into_values().flatten().collect();
    let (after, _) =
        trainer.step(model.clone(), &mut SgdConfig::new().init(), 1.0, &batch).unwrap();
    let after: Vec<f32> = state(&after).into_values().flatten().collect();
    let found: Vec<f64> = before.iter().zip(after).map(|(b, a)| f64::from(b - a)).collect();

    // In the order of the paths, as `state` has them: biases before weights.
    let order = [15..20, 0..15, 30..32, 20..30];
    let of = |at: usize, by: f32| {
        let mut nudge = Nudge { at, by, passed: 0 };
        loss(&model.clone().map(&mut nudge), &batch)
    };
    let slope = |at| (of(at, DIFFERENCE) - of(at, -DIFFERENCE)) / f64::from(2.0 * DIFFERENCE);
    let expected: Vec<f64> = order.into_iter().flatten().map(slope).collect();
    let largest = expected.iter().fold(0.0f64, |most, v| most.max(v.abs()));
    let worst = found.iter().zip(&expected).map(|(f, e)| (f - e).abs()).fold(0.0, f64::max);
    assert!(worst < TOLERANCE * largest, "{worst} of {largest}: {found:?} {expected:?}");

    let plain = StandardTrainer::new(StandardConfig::new(), Device::flex()).unwrap();
    let (plain, _) = plain.step(model.clone(), &mut SgdConfig::new().init(), 1.0, &batch).unwrap();
    let plain: Vec<f32> = state(&plain).into_values().flatten().collect();
    let plain = before.iter().zip(plain).map(|(b, a)| f64::from(b - a));
    let off = plain.zip(&expected).map(|(f, e)| (f - e).abs()).fold(0.0, f64::max);
    assert!(off > 20.0 * TOLERANCE * largest, "the comparison can fail: {off} of {largest}");
}

#[test]
fn a_penalised_model_is_smoother() {
    let train = |penalty: Option<GradientPenalty>| {
        let config = FreeConfig::new(linf(0.05)).with_replays(2);
        let trainer = FreeAdversarialTrainer::new(config, Device::flex()).unwrap();
        let trainer = match penalty {
            Some(penalty) => trainer.penalizing(penalty).unwrap(),
            None => trainer,
        };
        let (mut model, mut optimizer) = (Smooth::new(trainer.device()), SgdConfig::new().init());
        let batch = batch(trainer.device());
        for _ in 0..200 {
            model = trainer.step(model, &mut optimizer, 0.3, &batch).unwrap().0;
        }
        let found = FrozenModel::new(&model)
            .input_gradient(batch.inputs(), &batch.untargeted(), Objective::Margin)
            .unwrap();
        found.gradient.square().sum_dim(1).sqrt().mean().into_scalar::<f32>()
    };
    let (plain, smooth) = (train(None), train(Some(GradientPenalty::new(1.0))));
    assert!(smooth < 0.7 * plain, "{smooth} {plain}");
}

#[test]
fn refuses_what_is_no_penalty() {
    let new = || StandardTrainer::new(StandardConfig::new(), Device::flex()).unwrap();
    for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let refused = new().penalizing(GradientPenalty::new(weight)).unwrap_err();
        assert!(matches!(refused, TrainError::PenaltyWeight { .. }));
    }
    let refused = new().penalizing(GradientPenalty::new(1.0).with_step(0.0)).unwrap_err();
    assert_eq!(refused, Error::StepSize { value: 0.0 }.into());
    let trainer = new().penalizing(GradientPenalty::new(1.0)).unwrap();
    let model = Smooth::new(trainer.device()).map(&mut Half);
    let step = trainer.step(model, &mut SgdConfig::new().init(), 0.1, &batch(trainer.device()));
    let Err(refused) = step else { panic!("it was not refused") };
    assert_eq!(refused.error, TrainError::PenaltyPrecision);
}
