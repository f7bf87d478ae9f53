//! What the gradient-sign attacks share: projected steepest ascent on an objective.

use burn::tensor::Tensor;
use free_at_core::{AttackTask, Error, Objective};

use crate::standing::{Left, Standing};

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
        let mut standing = Standing::new(task, task.stops());
        let mut delta = start.unwrap_or_else(|| task.inputs().zeros_like());
        let mut momentum: Option<Tensor<D>> = None;
        for _ in 0..self.steps {
            let here = standing.task();
            let moved = here.moved(&delta);
            let found = here.gradient(moved.clone(), here.labels(), self.objective)?;
            let mut gradient = found.gradient;
            if task.stops() {
                let fooled = here.labels().fooled(found.logits);
                standing.observe(&moved, fooled);
                match standing.leave()? {
                    Left::Nobody => {}
                    Left::Some(stay) => {
                        delta = delta.select(0, stay.clone());
                        gradient = gradient.select(0, stay.clone());
                        momentum = momentum.map(|momentum| momentum.select(0, stay));
                    }
                    Left::Everybody => return Ok(standing.everybody_left()),
                }
            }
            if let Some(decay) = self.decay {
                gradient = accumulate(momentum, gradient, decay);
                momentum = Some(gradient.clone());
            }
            let allowed = standing.task().allowed();
            let step = allowed.steepest_step(gradient, self.step_size);
            delta = allowed.project(standing.task().inputs(), delta + step);
        }
        let last = standing.task().moved(&delta);
        Ok(standing.finish(last))
    }
}

/// g ← μ g + ∇ / ‖∇‖₁, with the mean for the sum, which the steepest step does not see.
fn accumulate<const D: usize>(
    momentum: Option<Tensor<D>>,
    gradient: Tensor<D>,
    decay: f64,
) -> Tensor<D> {
    let mut per_sample = [1; D];
    per_sample[0] = gradient.dims()[0];
    let size = gradient.clone().flatten::<2>(1, D - 1).abs().mean_dim(1).reshape(per_sample);
    let unit = gradient / size.clamp_min(f32::MIN_POSITIVE);
    match momentum {
        Some(momentum) => momentum.mul_scalar(decay) + unit,
        None => unit,
    }
}
