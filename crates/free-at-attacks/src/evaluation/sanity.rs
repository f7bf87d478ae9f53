//! The checks that are made before an attack.

use burn::tensor::Tensor;
use free_at_core::{AttackTask, Bounds, Error, FrozenModel, Objective, ThreatModel, rows};

use super::measure::read_bools;
use crate::warning::Warning;

/// How often the model is asked the same.
const CALLS: usize = 5;
/// Answers, scaled to length 1, that differ by no more are the same but for rounding.
const SAME: f64 = 1e-4;
/// How near to 1 the outputs of a softmax add up.
const SUMS_TO_ONE: f64 = 1e-5;

/// What the model's answers and gradients on the samples of a task give reason to warn of.
pub(super) fn suspicions<const D: usize>(
    model: &FrozenModel<D>,
    task: &AttackTask<D>,
) -> Result<Vec<Warning>, Error> {
    let mut warnings = Vec::new();
    let inputs = task.inputs();
    let first = model.logits(inputs.clone())?;
    if look_like_probabilities(&first)? {
        warnings.push(Warning::Probabilities);
    }
    let unit = |logits: Tensor<2>| {
        let length = match logits.dims()[1] {
            // Of one number alone the direction says nothing.
            1 => first.clone().abs().max().reshape([1, 1]),
            _ => rows::length(logits.clone()),
        };
        logits / length.clamp_min(f32::MIN_POSITIVE)
    };
    let mut difference: f64 = 0.0;
    for _ in 1..CALLS {
        let apart = unit(model.logits(inputs.clone())?) - unit(first.clone());
        let apart = rows::length(apart).max();
        let apart = apart.try_into_scalar::<f64>().map_err(Error::unreadable)?;
        // An answer that is no number, where there was one, is as far away as answers can be.
        difference = difference.max(if apart.is_finite() { apart } else { 2.0 });
    }
    if difference > SAME {
        warnings.push(Warning::Randomized { difference });
    }
    for objective in [Objective::CrossEntropy, Objective::Margin] {
        let gradient = model.input_gradient(inputs.clone(), task.goal(), objective)?.gradient;
        let rows = gradient.flatten::<2>(1, D - 1);
        let finite = rows::finite(rows.clone());
        let zero = rows.equal_scalar(0.0).all_dim(1).squeeze_dim::<1>(1);
        let share = |flags: Vec<bool>| {
            flags.iter().filter(|flag| **flag).count() as f64 / flags.len() as f64
        };
        let not_finite = share(read_bools(finite.bool_not())?);
        if not_finite > 0.0 {
            warnings.push(Warning::NonFiniteGradients { objective, share: not_finite });
        }
        let zero = share(read_bools(zero)?);
        if zero > 0.0 {
            warnings.push(Warning::ZeroGradients { objective, share: zero });
        }
    }
    Ok(warnings)
}

fn look_like_probabilities(logits: &Tensor<2>) -> Result<bool, Error> {
    let read = |value: Tensor<1>| value.try_into_scalar::<f64>().map_err(Error::unreadable);
    let off = logits.clone().sum_dim(1).sub_scalar(1.0).abs().max();
    Ok(read(logits.clone().min())? >= 0.0
        && read(logits.clone().max())? <= 1.0 + SUMS_TO_ONE
        && read(off)? < SUMS_TO_ONE)
}

/// Whether every input may become any other within ε.
pub(super) fn covers_bounds(threat: &ThreatModel, features: usize) -> bool {
    let reach = |feature: usize| {
        let scale = threat.scale().map_or(1.0, |scale| f64::from(scale[feature]));
        let (low, high) = threat.bounds().of_feature(feature);
        f64::from(high - low) / scale
    };
    if *threat.bounds() == Bounds::None {
        return false;
    }
    threat.norm().of_numbers((0..features).map(reach)) <= threat.epsilon().value()
}
