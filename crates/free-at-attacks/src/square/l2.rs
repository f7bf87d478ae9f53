//! Square in L2: every proposal has the length ε, but for what the input bounds cut off.

use burn::tensor::Tensor;
use free_at_core::{AttackTask, Draws, rows};

use super::bumps::{self, Kind};
use super::windows::{Bump, Canvas, unit_length};

const KIND: Kind =
    Kind { bump: Bump { fall: 2, unit: unit_length }, power: 2, generosity: |_| 1.0 };

pub(super) fn limit(scaled: bool, sample: &[usize]) -> Option<String> {
    bumps::limit("L2", scaled, sample)
}

/// A grid of bumps.
pub(super) fn grid<const D: usize>(
    task: &AttackTask<'_, D>,
    canvas: &Canvas,
    draws: &Draws,
) -> Tensor<D> {
    to_sphere(task, KIND.grid(task, canvas, draws))
}

/// A bump in one window.
pub(super) fn shift<const D: usize>(
    task: &AttackTask<'_, D>,
    canvas: &Canvas,
    draws: &Draws,
    delta: &Tensor<D>,
    share: f64,
) -> Tensor<D> {
    to_sphere(task, KIND.shift(task, canvas, draws, delta, share))
}

fn to_sphere<const D: usize>(task: &AttackTask<'_, D>, delta: Tensor<D>) -> Tensor<D> {
    let allowed = task.allowed();
    let delta = rows::unit_length(delta).mul_scalar(allowed.epsilon());
    allowed.project_to_bounds(task.inputs(), delta)
}
