//! Whether a device computes an attack whose result is known.

use burn::module::Module;
use burn::tensor::{DType, Device, FloatDType, Int, Tensor};

use super::ascent::Ascent;
use super::task::AttackTask;
use crate::draws::Draws;
use crate::error::Error;
use crate::model::classifier::Classifier;
use crate::model::frozen::FrozenModel;
use crate::threat::bounds::Bounds;
use crate::threat::epsilon::Epsilon;
use crate::threat::goal::Goal;
use crate::threat::objective::Objective;
use crate::threat::threat_model::ThreatModel;

/// How far a device may be off, in the unit of what is compared: single precision rounds some thousand sums below that.
const ROUNDING: f64 = 1e-3;
const EPSILON: f64 = 0.1;

/// Two classes, with a weight for each feature: the difference of logits has the same gradient everywhere.
#[derive(Module, Debug)]
struct Known {
    /// `[features, 2]`.
    weights: Tensor<2>,
}

impl<const D: usize> Classifier<D> for Known {
    fn logits(&self, inputs: Tensor<D>) -> Tensor<2> {
        inputs.flatten::<2>(1, D - 1).matmul(self.weights.clone())
    }
}

/// Attacks a linear classifier on a device, in the shape of `inputs` `[n, …]`, and compares the gradient and the perturbation
/// with what they are known to be. Kernels are chosen by shape, and on some device one was chosen that computed something
/// else (docs/gpu.md): evaluations and the guard ask this first, so that they count nothing on such a device.
///
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// free_at_core::check_device(&Tensor::<4>::zeros([8, 1, 8, 8], &Device::flex()))?;
/// # Ok::<(), free_at_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Miscomputes`]; [`Error::Read`] if the device fails.
pub fn check_device<const D: usize>(inputs: &Tensor<D>) -> Result<(), Error> {
    let device: Device = inputs.device().without_autodiff();
    let shape = inputs.dims();
    let (n, features) = (shape[0], shape.iter().skip(1).product::<usize>());
    // Weights of both signs, none near 0.
    let weight = |at: usize| if (at * 7 + at / 3) % 5 < 2 { -0.5f32 } else { 0.25 };
    let weights: Vec<f32> = (0..features).flat_map(|at| [weight(at), -weight(at)]).collect();
    // In single precision, whatever the device's own is.
    let float = (&device, DType::F32);
    let weights = Tensor::<1>::from_data(weights.as_slice(), float).reshape([features, 2]);
    let model = FrozenModel::new(&Known { weights });

    let signs: Vec<i64> = (0..n as i64).map(|row| row % 2).collect();
    let goal = || Goal::untargeted(Tensor::<1, Int>::from_data(signs.as_slice(), &device)).among(2);
    // Away from class 0 the difference of logits falls with the weights, away from class 1 it rises.
    let known = |size: &dyn Fn(f32) -> f32| {
        let row = |row: usize| {
            let sign = if row.is_multiple_of(2) { -1.0 } else { 1.0 };
            (0..features).map(move |at| sign * size(weight(at)))
        };
        let values: Vec<f32> = (0..n).flat_map(row).collect();
        Tensor::<1>::from_data(values.as_slice(), float).reshape(shape)
    };
    let apart = |found: Tensor<D>, expected: Tensor<D>, what: &'static str| {
        let apart = (found - expected).abs().max();
        let apart = apart.try_into_scalar::<f64>().map_err(Error::unreadable)?;
        match apart <= ROUNDING {
            true => Ok(()),
            false => Err(Error::Miscomputes { what, apart }),
        }
    };

    let start = inputs.clone().without_autodiff().zeros_like().cast(FloatDType::F32);
    let found = model.input_gradient(start.clone(), &goal(), Objective::Margin)?.gradient;
    apart(found, known(&|weight| 2.0 * weight), "a gradient")?;
    let threat = ThreatModel::linf(Epsilon::unit(EPSILON)).with_bounds(Bounds::None);
    let draws = Draws::new(0, (0..n as u64).collect());
    let task = AttackTask::new(&model, start, goal(), &threat, draws)?;
    let moved = Ascent::new(3, EPSILON / 2.0).run(&task, None, Objective::Margin)?;
    let expected = known(&|weight| EPSILON as f32 * weight.signum());
    apart(moved, expected, "an attack")
}
