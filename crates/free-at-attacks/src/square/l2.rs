//! Square in L2: a grid of bumps at first, then bumps that take over the budget of others.

use burn::tensor::Tensor;
use free_at_core::{AttackTask, Draws};

use super::windows::{Canvas, Window, Windows};

/// A scale, and samples that are no images of at least 3×3: bumps have a middle.
pub(super) fn limit(scaled: bool, sample: &[usize]) -> Option<String> {
    match sample {
        _ if scaled => Some("L2 with a scale".into()),
        [_, height, width] if *height.min(width) >= 3 => None,
        shape => Some(format!("L2 for samples of shape {shape:?}")),
    }
}

/// A grid of bumps, of length ε in all.
pub(super) fn bumps<const D: usize>(
    task: &AttackTask<'_, D>,
    canvas: &Canvas,
    draws: &Draws,
) -> Tensor<D> {
    let (shape, device) = (task.inputs().dims(), task.inputs().device());
    canvas.bumps(draws, &device).reshape(shape).mul_scalar(task.allowed().epsilon())
}

/// In one window a bump takes the place of what is there, with the length that a second window
/// gives up and that is left of the budget.
pub(super) fn shift<const D: usize>(
    task: &AttackTask<'_, D>,
    canvas: &Canvas,
    draws: &Draws,
    delta: &Tensor<D>,
    share: f64,
) -> Tensor<D> {
    const SMALLEST: f64 = 1e-12; // keeps a quotient of zero lengths defined
    let (allowed, device) = (task.allowed(), task.inputs().device());
    let epsilon = allowed.epsilon();
    let windows = Windows::draw(canvas, canvas.odd_window(share), draws, &device);
    let now: Tensor<4> = delta.clone().reshape(canvas.shape(delta.dims()[0]));
    let length = |part: Tensor<4>| part.square().sum_dim(3).sum_dim(2).sqrt();

    let (mask, second) = (windows.mask(Window::First), windows.mask(Window::Second));
    let here = now.clone() * mask.clone();
    let both = mask.clone().max_pair(second.clone());
    let given_up = length(now.clone() * both).square();
    let spent = now.clone().square().sum_dim(3).sum_dim(2).sum_dim(1);
    let unspent = spent.neg().add_scalar(epsilon * epsilon).clamp_min(0.0);
    let budget = (unspent.div_scalar(canvas.channels as f64) + given_up).sqrt();
    let direction =
        windows.bump() * windows.signs() + here.clone() / length(here).add_scalar(SMALLEST);
    let bump = direction.clone() / length(direction).add_scalar(SMALLEST) * budget;

    let outside = |window: Tensor<4>| window.neg().add_scalar(1.0);
    let kept = now * outside(second) * outside(mask);
    let next = kept + bump;
    let all = next.clone().square().sum_dim(3).sum_dim(2).sum_dim(1).sqrt();
    let next = (next / all.add_scalar(SMALLEST)).mul_scalar(epsilon);
    allowed.project_to_bounds(task.inputs(), next.reshape(delta.dims()))
}
