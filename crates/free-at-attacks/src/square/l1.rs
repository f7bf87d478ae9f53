//! Square in L1: every proposal is projected onto the ball and the input bounds together.
//!
//! Croce, Hein, "Mind the box: l1-APGD for sparse adversarial attacks on image classifiers", ICML 2021.

use burn::tensor::Tensor;
use free_at_core::{AttackTask, Draws};

use super::bumps::{self, Kind};
use super::windows::{Bump, Canvas, unit_sum};

/// A new bump may have what is left of the budget in every channel, as in the reference: the projection has the last
/// word.
const KIND: Kind = Kind {
    bump: Bump { fall: 4, unit: unit_sum },
    power: 1,
    generosity: |channels| channels as f64,
};

pub(super) fn limit(scaled: bool, sample: &[usize]) -> Option<String> {
    bumps::limit("L1", scaled, sample)
}

/// A grid of bumps.
pub(super) fn grid<const D: usize>(
    task: &AttackTask<'_, D>,
    canvas: &Canvas,
    draws: &Draws,
) -> Tensor<D> {
    task.allowed().project(task.inputs(), KIND.grid(task, canvas, draws))
}

/// A bump in one window.
pub(super) fn shift<const D: usize>(
    task: &AttackTask<'_, D>,
    canvas: &Canvas,
    draws: &Draws,
    delta: &Tensor<D>,
    share: f64,
) -> Tensor<D> {
    let next = KIND.shift(task, canvas, draws, delta, share);
    task.allowed().project(task.inputs(), next)
}
