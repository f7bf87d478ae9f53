//! Whether an attack kept to what it was allowed, by measuring again.

use burn::tensor::{Bool, FloatDType, Tensor};
use free_at_core::{Error, PerturbationSet};

/// Rounding of a norm over many features and of ε itself, with room to spare; a defect of an attack
/// is far larger.
const RELATIVE_ROUNDING: f64 = 1e-4;

/// The norm of each sample's perturbation, and whether it is within ε, as far as rounding allows to
/// say.
pub(crate) fn norms<const D: usize>(
    allowed: &PerturbationSet<D>,
    inputs: &Tensor<D>,
    adversarial: &Tensor<D>,
) -> Result<(Vec<f64>, Vec<bool>), Error> {
    let delta = adversarial.clone() - inputs.clone();
    let size = allowed.measure(delta.clone()).flatten::<1>(0, D - 1);
    // x + δ − x is rounded to the precision of x, feature by feature; what is beyond that is sure.
    let epsilon = allowed.epsilon();
    let rounding = inputs.clone().abs().add_scalar(epsilon).mul_scalar(precision(inputs));
    let sure = allowed.measure((delta.abs() - rounding).clamp_min(0.0));
    // A norm that is no number is not within anything.
    let limit = epsilon * (1.0 + RELATIVE_ROUNDING);
    let within = sure.lower_equal_scalar(limit).flatten::<1>(0, D - 1);
    let within = within.bool_and(size.clone().is_nan().bool_not());
    let within = match allowed.scale() {
        // What may not move has not moved at all.
        Some(scale) => {
            let frozen = scale.clone().equal_scalar(0.0).cast(FloatDType::F32);
            let moved = allowed.chosen(adversarial.clone() - inputs.clone()) * frozen;
            let moved = moved.flatten::<2>(1, D - 1);
            let still = moved.equal_scalar(0.0).all_dim(1).squeeze_dim::<1>(1);
            within.bool_and(still)
        }
        None => within,
    };
    let size = size.try_into_vec_as::<f64>().map_err(Error::unreadable)?;
    Ok((size, read_bools(within)?))
}

/// The relative precision of the inputs' numbers.
fn precision<const D: usize>(inputs: &Tensor<D>) -> f64 {
    inputs.dtype().finfo().map_or(f64::from(f32::EPSILON), |info| info.epsilon)
}

/// How far the inputs are outside the input bounds at most.
pub(crate) fn past_bounds<const D: usize>(
    allowed: &PerturbationSet<D>,
    inputs: Tensor<D>,
) -> Result<f64, Error> {
    let past = (allowed.clamp(inputs.clone()) - inputs).abs().max();
    past.try_into_scalar::<f64>().map_err(Error::unreadable)
}

/// Whether a measurement is above its limit; one that is no number counts as above.
pub(crate) fn exceeds(found: f64, limit: f64) -> bool {
    found.is_nan() || found > limit
}

pub(crate) fn read_bools(flags: Tensor<1, Bool>) -> Result<Vec<bool>, Error> {
    let flags = flags.int().try_into_vec_as::<i32>().map_err(Error::unreadable)?;
    Ok(flags.into_iter().map(|flag| flag != 0).collect())
}
