//! What Square does in L2 and L1: a grid of bumps at first, then bumps that take over the budget of others.

use burn::tensor::Tensor;
use free_at_core::{AttackTask, Draws};

use super::windows::{Bump, Canvas, Window, Windows};

/// What tells one of the two norms from the other.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) bump: Bump,
    /// The power of a feature that adds up: 2 or 1.
    pub(super) power: i32,
    /// How much of a channel's share a new bump may have, by the number of channels.
    pub(super) generosity: fn(usize) -> f64,
}

impl Kind {
    /// The features of each channel, to the power, in all: `[n, c, 1, 1]`.
    fn mass(&self, part: Tensor<4>) -> Tensor<4> {
        part.abs().powi_scalar(self.power).sum_dim(3).sum_dim(2)
    }

    fn root(&self, mass: Tensor<4>) -> Tensor<4> {
        if self.power == 2 { mass.sqrt() } else { mass }
    }

    /// A grid of bumps of size 1.
    pub(super) fn grid<const D: usize>(
        &self,
        task: &AttackTask<'_, D>,
        canvas: &Canvas,
        draws: &Draws,
    ) -> Tensor<D> {
        let (shape, device) = (task.inputs().dims(), task.inputs().device());
        canvas.bumps(self.bump, draws, &device).reshape(shape)
    }

    /// In one window a bump takes the place of what is there, with the size that a second window
    /// gives up and that is left of the budget. What comes out may be beyond ε.
    pub(super) fn shift<const D: usize>(
        &self,
        task: &AttackTask<'_, D>,
        canvas: &Canvas,
        draws: &Draws,
        delta: &Tensor<D>,
        share: f64,
    ) -> Tensor<D> {
        const SMALLEST: f64 = 1e-12; // keeps a quotient of zero sizes defined
        let (epsilon, device) = (task.allowed().epsilon(), task.inputs().device());
        let windows = Windows::draw(canvas, canvas.odd_window(share), draws, &device);
        let now: Tensor<4> = delta.clone().reshape(canvas.shape(delta.dims()[0]));
        let size = |part: Tensor<4>| self.root(self.mass(part)).add_scalar(SMALLEST);

        let (mask, second) = (windows.mask(Window::First), windows.mask(Window::Second));
        let here = now.clone() * mask.clone();
        let both = mask.clone().max_pair(second.clone());
        let given_up = self.mass(now.clone() * both);
        let spent = self.mass(now.clone()).sum_dim(1);
        let unspent = spent.neg().add_scalar(epsilon.powi(self.power)).clamp_min(0.0);
        let budget = self.root(unspent.div_scalar(canvas.channels as f64) + given_up);
        let budget = budget.mul_scalar((self.generosity)(canvas.channels));
        let bump = windows.bump(self.bump) * windows.signs();
        let direction = bump + here.clone() / size(here);
        let bump = direction.clone() / size(direction) * budget;

        let outside = |window: Tensor<4>| window.neg().add_scalar(1.0);
        let kept = now * outside(second) * outside(mask);
        (kept + bump).reshape(delta.dims())
    }
}

/// A scale, and samples that are no images of at least 3×3: bumps have a middle.
pub(super) fn limit(norm: &str, scaled: bool, sample: &[usize]) -> Option<String> {
    match sample {
        _ if scaled => Some(format!("{norm} with a scale")),
        [_, height, width] if *height.min(width) >= 3 => None,
        shape => Some(format!("{norm} for samples of shape {shape:?}")),
    }
}
