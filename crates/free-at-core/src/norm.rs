//! The norms in which a perturbation is measured.

use std::fmt;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// The norm that measures a perturbation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Norm {
    /// L∞: the largest change of any one feature.
    Linf,
    /// L2: the Euclidean length of the change.
    L2,
}

impl Norm {
    /// The norm of each sample's perturbation: `[n, …]` to `[n, 1, …]`, ready to broadcast.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use free_at_core::Norm;
    ///
    /// let delta = Tensor::<2>::from_data([[3.0, -4.0]], &Device::flex());
    /// assert_eq!(Norm::L2.of(delta.clone()).into_scalar::<f32>(), 5.0);
    /// assert_eq!(Norm::Linf.of(delta).into_scalar::<f32>(), 4.0);
    /// ```
    pub fn of<const D: usize>(self, delta: Tensor<D>) -> Tensor<D> {
        const { assert!(D >= 2, "perturbations are [n, …]: samples of at least one dimension") };
        let mut kept = [1; D];
        kept[0] = delta.dims()[0];
        let rows = delta.flatten::<2>(1, D - 1);
        match self {
            Self::Linf => rows.abs().max_dim(1),
            Self::L2 => rows.square().sum_dim(1).sqrt(),
        }
        .reshape(kept)
    }
}

impl fmt::Display for Norm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Linf => "L∞",
            Self::L2 => "L2",
        })
    }
}
