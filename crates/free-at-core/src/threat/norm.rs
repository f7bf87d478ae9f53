//! The norms in which a perturbation is measured. Each is a file in `norm/`, and all that differs from
//! one to the other stands there.

pub(crate) mod geometry;
mod l2;
mod linf;
mod text;

use std::fmt;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use geometry::Geometry;
pub(super) use l2::L2;
pub(super) use linf::Linf;

/// The norm that measures a perturbation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Norm {
    /// L∞: the largest change of any one feature.
    Linf,
    /// L2: the Euclidean length of the change.
    L2,
}

/// `$call`, in which `$N` is the norm's own type: the one place that tells norms apart.
macro_rules! with_norm {
    ($norm:expr, $N:ident => $call:expr) => {
        match $norm {
            $crate::threat::norm::Norm::Linf => {
                type $N = $crate::threat::norm::Linf;
                $call
            }
            $crate::threat::norm::Norm::L2 => {
                type $N = $crate::threat::norm::L2;
                $call
            }
        }
    };
}

pub(super) use with_norm;

impl Norm {
    /// Every norm there is.
    pub const ALL: [Self; 2] = [Self::Linf, Self::L2];

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
        with_norm!(self, N => N::size(delta))
    }

    /// The norm of numbers on the host.
    ///
    /// ```
    /// use free_at_core::Norm;
    ///
    /// assert_eq!(Norm::L2.of_numbers([3.0, -4.0]), 5.0);
    /// ```
    pub fn of_numbers(self, numbers: impl IntoIterator<Item = f64>) -> f64 {
        with_norm!(self, N => N::size_of(numbers.into_iter()))
    }

    /// The name in plain letters: `L-infinity`.
    pub fn in_words(self) -> &'static str {
        with_norm!(self, N => N::IN_WORDS)
    }

    /// Whether how far a feature may move does not depend on the others: its ball is a box.
    pub(super) fn features_are_independent(self) -> bool {
        with_norm!(self, N => N::FEATURES_ARE_INDEPENDENT)
    }
}

impl fmt::Display for Norm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(with_norm!(*self, N => N::NAME))
    }
}
