//! The norms in which a perturbation is measured. Each is a file in `norm/`, and all that differs from
//! one to the other stands there.

pub(crate) mod geometry;
mod l0;
mod l1;
mod l2;
mod linf;
mod text;

use std::fmt;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use geometry::Geometry;
pub(super) use l0::L0;
pub(super) use l1::L1;
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
    /// L1: the sum of the changes of all features.
    L1,
    /// L0: how many features change, by whatever the bounds allow. It is no norm: nothing is steepest in it, so no
    /// method trains against it, and attacks in it are their own. Of an image a colour of a pixel is a feature.
    L0,
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
            $crate::threat::norm::Norm::L1 => {
                type $N = $crate::threat::norm::L1;
                $call
            }
            $crate::threat::norm::Norm::L0 => {
                type $N = $crate::threat::norm::L0;
                $call
            }
        }
    };
}

pub(super) use with_norm;

impl Norm {
    /// Every norm there is; L0 is none.
    pub const ALL: [Self; 3] = [Self::Linf, Self::L2, Self::L1];

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
