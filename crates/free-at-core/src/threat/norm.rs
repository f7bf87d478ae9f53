//! The norms in which a perturbation is measured. Each is a file in `norm/`, and all that differs from
//! one to the other stands there.

mod l2;
mod linf;

use std::fmt;
use std::str::FromStr;

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::scale::Scale;
use crate::draws::Draws;
use crate::error::Error;

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

impl FromStr for Norm {
    type Err = Error;

    /// As it is written in files, `linf`, or as it is printed.
    fn from_str(text: &str) -> Result<Self, Error> {
        let called = |norm: &Self| {
            let names = with_norm!(*norm, N => [N::KEY, N::NAME, N::IN_WORDS]);
            names.iter().any(|name| name.eq_ignore_ascii_case(text))
        };
        Self::ALL.into_iter().find(called).ok_or_else(|| Error::NormText {
            text: text.into(),
            known: Self::ALL.map(|norm| with_norm!(norm, N => N::KEY)).join(", "),
        })
    }
}

/// The radius of a ball around each input.
// It lives as long as one projection does: nothing keeps many of them.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone)]
pub enum Radius<const D: usize> {
    /// One for all samples.
    All(f64),
    /// One for each, `[n, 1, …]`.
    Each(Tensor<D>),
}

/// A ball of a norm that measures δ / s.
pub(super) struct Ball<'a, const D: usize> {
    pub(super) radius: &'a Radius<D>,
    pub(super) scale: Option<&'a Scale<D>>,
}

/// How far each feature may fall and rise, `[n, …]` each: at most 0 and at least 0.
pub(super) type Room<const D: usize> = (Tensor<D>, Tensor<D>);

/// What makes a norm: a new one is whole when it has these.
pub(super) trait Geometry {
    /// As files and command lines have it.
    const KEY: &'static str;

    /// As reports print it, and in plain letters.
    const NAME: &'static str;
    /// See [`NAME`](Self::NAME).
    const IN_WORDS: &'static str;

    /// Whether its ball is a box.
    const FEATURES_ARE_INDEPENDENT: bool;

    /// The norm of each sample, `[n, …]` to `[n, 1, …]`.
    fn size<const D: usize>(delta: Tensor<D>) -> Tensor<D>;

    /// The norm of numbers on the host.
    fn size_of(numbers: impl Iterator<Item = f64>) -> f64;

    /// The perturbation projected onto the ball; frozen features (of scale 0) do not move.
    fn to_ball<const D: usize>(delta: Tensor<D>, ball: &Ball<'_, D>) -> Tensor<D>;

    /// The perturbation projected onto the ball and the room that the input bounds leave: onto the one and
    /// then into the other, as the published programs do, which is in both; or `nearest`, onto the nearest
    /// point that is.
    fn project<const D: usize>(
        delta: Tensor<D>,
        ball: &Ball<'_, D>,
        room: Option<Room<D>>,
        nearest: bool,
    ) -> Tensor<D>;

    /// The step of length 1, in units of the scale, along which a loss with this gradient rises fastest;
    /// zero where the gradient is.
    fn steepest<const D: usize>(gradient: Tensor<D>, scale: Option<&Scale<D>>) -> Tensor<D>;

    /// A point of the unit ball for each sample, uniform in volume over the features that are not frozen.
    fn uniform<const D: usize>(
        draws: &Draws,
        shape: [usize; D],
        scale: Option<&Scale<D>>,
        device: &Device,
    ) -> Tensor<D>;

    /// A random step of length 1 of the kind that [`steepest`](Self::steepest) gives, of a uniform point of
    /// the ball.
    fn random_step<const D: usize>(uniform: Tensor<D>) -> Tensor<D>;

    /// How far each feature may move whatever the others do, as `like`, `[n, …]`; nothing where features
    /// share the budget.
    fn reach<const D: usize>(ball: &Ball<'_, D>, like: &Tensor<D>) -> Option<Tensor<D>>;
}

/// Cut to the room, if there is an end to it.
fn to_room<const D: usize>(delta: Tensor<D>, room: Option<Room<D>>) -> Tensor<D> {
    match room {
        Some((low, high)) => delta.max_pair(low).min_pair(high),
        None => delta,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_norm_is_parsed_as_it_is_printed_and_as_it_is_serialised() {
        for norm in Norm::ALL {
            let json = serde_json::to_string(&norm).unwrap();
            for text in [norm.to_string(), norm.in_words().into(), json.trim_matches('"').into()] {
                assert_eq!(text.parse(), Ok(norm));
            }
        }
        assert!(matches!("l7".parse::<Norm>(), Err(Error::NormText { .. })));
    }
}
