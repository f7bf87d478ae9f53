//! What FGSM, BIM and PGD share: projected steepest ascent on an objective.

use burn::tensor::Tensor;
use free_at_core::{Error, FrozenModel, Labels, Objective, PerturbationSet};

/// The step of an attack of K steps that leaves its length open: 2.5 ε / K, which reaches the
/// edge of the ball from anywhere inside it (Madry et al. 2018).
pub(crate) fn default_step_size(epsilon: f64, steps: usize) -> f64 {
    2.5 * epsilon / steps as f64
}

/// Accepts a step size that was given and is finite and above 0.
pub(crate) fn check_step_size(step_size: Option<f64>) -> Result<(), Error> {
    match step_size {
        Some(value) if !(value.is_finite() && value > 0.0) => Err(Error::StepSize { value }),
        _ => Ok(()),
    }
}

/// `steps` times: the steepest step of length `step_size`, then the projection. Returns the
/// adversarial examples.
pub(crate) fn ascend<const D: usize>(
    model: &FrozenModel<D>,
    (inputs, labels): (&Tensor<D>, &Labels),
    allowed: &PerturbationSet<D>,
    start: Option<Tensor<D>>,
    (steps, step_size): (usize, f64),
    objective: Objective,
) -> Result<Tensor<D>, Error> {
    let mut delta = start.unwrap_or_else(|| inputs.zeros_like());
    for _ in 0..steps {
        let moved = allowed.clamp(inputs.clone() + delta.clone());
        let gradient = model.input_gradient(moved, labels, objective)?.gradient;
        delta = allowed.project(inputs, delta + allowed.steepest_step(gradient, step_size));
    }
    Ok(allowed.clamp(inputs.clone() + delta))
}
