//! What makes a norm.

use burn::tensor::{Device, Tensor};

use crate::draws::Draws;
use crate::threat::scale::Scale;

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

impl<const D: usize> Radius<D> {
    /// That of each of these samples, `[n, …]`, as `[n, 1, …]`.
    pub(super) fn of_each(&self, samples: &Tensor<D>) -> Tensor<D> {
        match self {
            Self::All(radius) => {
                let mut shape = [1; D];
                shape[0] = samples.dims()[0];
                Tensor::full(shape, *radius, (&samples.device(), samples.dtype()))
            }
            Self::Each(radius) => radius.clone(),
        }
    }
}

/// A ball of a norm that measures δ / s.
pub(crate) struct Ball<'a, const D: usize> {
    pub(crate) radius: &'a Radius<D>,
    pub(crate) scale: Option<&'a Scale<D>>,
}

/// How far each feature may fall and rise, `[n, …]` each: at most 0 and at least 0.
pub(crate) type Room<const D: usize> = (Tensor<D>, Tensor<D>);

/// What makes a norm: a new one is whole when it has these.
pub(crate) trait Geometry {
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
pub(super) fn to_room<const D: usize>(delta: Tensor<D>, room: Option<Room<D>>) -> Tensor<D> {
    match room {
        Some((low, high)) => delta.max_pair(low).min_pair(high),
        None => delta,
    }
}
