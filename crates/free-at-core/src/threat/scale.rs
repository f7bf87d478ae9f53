//! The scale of each feature: a perturbation is measured as δ / s, and a feature of scale 0 is frozen.

use burn::tensor::{FloatDType, Tensor};

/// The scale s of each feature, on a device.
#[derive(Debug, Clone)]
pub(crate) struct Scale<const D: usize> {
    /// `[1, …]`.
    pub(crate) each: Tensor<D>,
    /// The same on the host.
    pub(crate) values: Vec<f32>,
    /// What a perturbation is divided by to be measured: 1 for a frozen feature, so any change of it is
    /// seen.
    divisor: Tensor<D>,
    /// 0 for a frozen feature, otherwise 1.
    moves: Tensor<D>,
}

impl<const D: usize> Scale<D> {
    pub(crate) fn new(each: Tensor<D>, values: Vec<f32>) -> Self {
        let divisor = each.clone().mask_fill(each.clone().equal_scalar(0.0), 1.0);
        let moves = each.clone().greater_scalar(0.0).cast(FloatDType::F32);
        Self { each, values, divisor, moves }
    }
}

/// The perturbation in units of the scale, if there is one.
pub(crate) fn in_units<const D: usize>(delta: Tensor<D>, scale: Option<&Scale<D>>) -> Tensor<D> {
    match scale {
        Some(scale) => delta / scale.divisor.clone(),
        None => delta,
    }
}

/// What is in units of the scale as a perturbation.
pub(crate) fn from_units<const D: usize>(units: Tensor<D>, scale: Option<&Scale<D>>) -> Tensor<D> {
    match scale {
        Some(scale) => units * scale.each.clone(),
        None => units,
    }
}

/// The perturbation without that of frozen features.
pub(crate) fn frozen<const D: usize>(delta: Tensor<D>, scale: Option<&Scale<D>>) -> Tensor<D> {
    match scale {
        Some(scale) => delta * scale.moves.clone(),
        None => delta,
    }
}
