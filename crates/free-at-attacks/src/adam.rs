//! Adam, for attacks that descend with it.

use burn::tensor::Tensor;
use free_at_core::Turn;

/// The moments of each sample's gradients, as Kingma and Ba (2015) keep them: decay 0.9 and 0.999, 10⁻⁸ beside the root.
pub(crate) struct Adam<const D: usize> {
    mean: Tensor<D>,
    square: Tensor<D>,
    steps: i32,
}

impl<const D: usize> Adam<D> {
    const MEAN: f64 = 0.9;
    const SQUARE: f64 = 0.999;
    const BESIDE_ROOT: f64 = 1e-8;

    /// Before the first step of what has this shape.
    pub(crate) fn new(like: &Tensor<D>) -> Self {
        Self { mean: like.zeros_like(), square: like.zeros_like(), steps: 0 }
    }

    /// The step downhill of rate 1.
    pub(crate) fn step(&mut self, gradient: Tensor<D>) -> Tensor<D> {
        self.steps += 1;
        let blend = |old: &Tensor<D>, new: Tensor<D>, decay: f64| {
            old.clone().mul_scalar(decay) + new.mul_scalar(1.0 - decay)
        };
        self.mean = blend(&self.mean, gradient.clone(), Self::MEAN);
        self.square = blend(&self.square, gradient.square(), Self::SQUARE);
        let unbiased = |decay: f64| 1.0 - decay.powi(self.steps);
        let root = self.square.clone().sqrt().div_scalar(unbiased(Self::SQUARE).sqrt());
        let step = self.mean.clone() / root.add_scalar(Self::BESIDE_ROOT);
        step.div_scalar(-unbiased(Self::MEAN))
    }

    /// Keeps those of the samples that stay.
    pub(crate) fn turn(&mut self, turn: &Turn) {
        self.mean = turn.staying(self.mean.clone());
        self.square = turn.staying(self.square.clone());
    }
}
