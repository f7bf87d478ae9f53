//! What the gradient-sign attacks share: projected steepest ascent on an objective.

use burn::tensor::Tensor;
use free_at_core::{AttackTask, Error, Objective};

use crate::standing::{Standing, Turn, column, turned};

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

/// Accepts at least one step and one restart.
pub(crate) fn check_counts(attack: &str, steps: usize, restarts: usize) -> Result<(), Error> {
    let attack = || attack.to_string();
    match (steps, restarts) {
        (0, _) => Err(Error::Steps { attack: attack() }),
        (_, 0) => Err(Error::Restarts { attack: attack() }),
        _ => Ok(()),
    }
}

/// The name of an attack of K steps: `pgd-20`, `pgd-20x5` with restarts, `pgd-20-margin` with
/// another objective than cross-entropy.
pub(crate) fn name(attack: &str, steps: usize, restarts: usize, objective: Objective) -> String {
    let objective = objective.suffix();
    match restarts {
        1 => format!("{attack}-{steps}{objective}"),
        restarts => format!("{attack}-{steps}x{restarts}{objective}"),
    }
}

/// `steps` times: the steepest step of length `step_size`, then the projection.
pub(crate) struct Ascent {
    pub(crate) steps: usize,
    pub(crate) step_size: f64,
    pub(crate) objective: Objective,
    /// With momentum: how much of it each step keeps.
    pub(crate) decay: Option<f64>,
}

impl Ascent {
    /// From the perturbation `start`, or from the inputs: the adversarial examples.
    ///
    /// They are the last iterates, as training needs them. In a task that stops when fooled, the
    /// first iterate that fools the model takes the place of the last.
    pub(crate) fn run<const D: usize>(
        &self,
        task: &AttackTask<D>,
        start: Option<Tensor<D>>,
    ) -> Result<Tensor<D>, Error> {
        let mut standing = Standing::refilling(task, task.stops(), self.steps);
        let start = start.unwrap_or_else(|| task.inputs().zeros_like());
        let mut delta = start.clone().slice_dim(0, 0..standing.task().len());
        let mut momentum = self.decay.map(|_| delta.zeros_like());
        loop {
            let here = standing.task();
            let (allowed, inputs) = (here.allowed(), here.inputs());
            let moved = here.moved(&delta);
            let found = here.gradient(moved.clone(), here.labels(), self.objective)?;
            let mut gradient = found.gradient;
            if let (Some(decay), Some(before)) = (self.decay, momentum) {
                gradient = accumulate(before, gradient, decay);
            }
            momentum = self.decay.map(|_| gradient.clone());
            delta =
                allowed.project(inputs, delta + allowed.steepest_step(gradient, self.step_size));
            if task.stops() {
                let fooled = here.labels().fooled(found.logits);
                standing.observe(&moved, fooled);
            }
            match standing.step(|here| here.moved(&delta))? {
                Turn::Same => {}
                Turn::Changed { stay, enter } => {
                    delta = turned(delta, &start, &stay, &enter);
                    let rest = start.zeros_like();
                    momentum = momentum.map(|m| turned(m, &rest, &stay, &enter));
                }
                Turn::Over => return Ok(standing.over()),
            }
        }
    }
}

/// g ← μ g + ∇ / ‖∇‖₁, with the mean for the sum, which the steepest step does not see.
fn accumulate<const D: usize>(momentum: Tensor<D>, gradient: Tensor<D>, decay: f64) -> Tensor<D> {
    let size = gradient.clone().flatten::<2>(1, D - 1).abs().mean_dim(1).squeeze_dim::<1>(1);
    let unit = gradient / column(size.clamp_min(f32::MIN_POSITIVE));
    momentum.mul_scalar(decay) + unit
}
