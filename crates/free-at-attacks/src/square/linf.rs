//! Square in L∞: stripes at first, then windows at the edge of the ball.

use burn::tensor::Tensor;
use free_at_core::{AttackTask, Draws};

use super::windows::{Canvas, Window, Windows};

/// Nothing: a sample that is no image is one row.
pub(super) fn limit(_: bool, _: &[usize]) -> Option<String> {
    None
}

/// Vertical stripes of ±ε.
pub(super) fn stripes<const D: usize>(
    task: &AttackTask<'_, D>,
    canvas: &Canvas,
    draws: &Draws,
) -> Tensor<D> {
    let (shape, device) = (task.inputs().dims(), task.inputs().device());
    let allowed = task.allowed();
    let signs = canvas.stripes(draws, &device).reshape(shape);
    allowed.from_units(signs).mul_scalar(allowed.epsilon())
}

/// The perturbation with 2 ε added or taken away in one window, the sign drawn for each channel,
/// and projected: in the window it is then at the edge of the ball.
pub(super) fn flip<const D: usize>(
    task: &AttackTask<'_, D>,
    canvas: &Canvas,
    draws: &Draws,
    delta: &Tensor<D>,
    share: f64,
) -> Tensor<D> {
    let device = task.inputs().device();
    let windows = Windows::draw(canvas, canvas.window(share), draws, &device);
    let signs = windows.mask(Window::First) * windows.signs(); // [n, channels, height, width]
    let allowed = task.allowed();
    let change = allowed.from_units(signs.reshape(delta.dims()));
    allowed.project(task.inputs(), delta.clone() + change.mul_scalar(2.0 * allowed.epsilon()))
}
