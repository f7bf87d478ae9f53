//! Numbers in place of classes: regression.

use burn::tensor::{Bool, Device, Int, Tensor};

/// The number that belongs to each sample, `[n]`, and how far an answer may be from it.
#[derive(Debug, Clone)]
pub(crate) struct Numbers {
    pub(crate) values: Tensor<1>,
    pub(crate) tolerance: f64,
}

impl Numbers {
    pub(crate) fn select(&self, positions: &Tensor<1, Int>) -> Self {
        let values = self.values.clone().select(0, positions.clone());
        Self { values, tolerance: self.tolerance }
    }

    pub(crate) fn moved_to(self, device: &Device) -> Self {
        Self { values: self.values.to_device(device), ..self }
    }

    /// Which answers, `[n, 1]`, are near enough, `[n]`; none that is no number.
    pub(crate) fn near(&self, answers: Tensor<2>) -> Tensor<1, Bool> {
        self.beyond(answers).lower_equal_scalar(0.0)
    }

    /// How far each answer is beyond the tolerance, `[n]`; below 0 within.
    pub(crate) fn beyond(&self, answers: Tensor<2>) -> Tensor<1> {
        self.error(answers).abs().sub_scalar(self.tolerance)
    }

    /// The squared error of each answer, `[n]`.
    pub(crate) fn squared(&self, answers: Tensor<2>) -> Tensor<1> {
        self.error(answers).square()
    }

    fn error(&self, answers: Tensor<2>) -> Tensor<1> {
        answers.slice_dim(1, 0..1).squeeze_dim::<1>(1) - self.values.clone()
    }
}
