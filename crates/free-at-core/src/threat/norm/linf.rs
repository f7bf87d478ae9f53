//! L∞: the largest change of any one feature. Its ball is a box.

use burn::tensor::{Device, Tensor};

use super::geometry::{Ball, Geometry, Radius, Room, to_room};
use crate::draws::Draws;
use crate::rows;
use crate::threat::scale::Scale;

pub(crate) struct Linf;

impl Geometry for Linf {
    const KEY: &'static str = "linf";
    const NAME: &'static str = "L∞";
    const IN_WORDS: &'static str = "L-infinity";
    const FEATURES_ARE_INDEPENDENT: bool = true;

    fn size<const D: usize>(delta: Tensor<D>) -> Tensor<D> {
        rows::largest(delta)
    }

    fn size_of(numbers: impl Iterator<Item = f64>) -> f64 {
        numbers.fold(0.0, |most, number| most.max(number.abs()))
    }

    fn to_ball<const D: usize>(delta: Tensor<D>, ball: &Ball<'_, D>) -> Tensor<D> {
        if let (Radius::All(radius), None) = (ball.radius, ball.scale) {
            return delta.clamp(-*radius, *radius);
        }
        let limit = limit(ball, &delta);
        delta.max_pair(limit.clone().neg()).min_pair(limit)
    }

    /// Boxes cut a box: one after the other is the nearest point, too.
    fn project<const D: usize>(
        delta: Tensor<D>,
        ball: &Ball<'_, D>,
        room: Option<Room<D>>,
        _: bool,
    ) -> Tensor<D> {
        to_room(Self::to_ball(delta, ball), room)
    }

    fn steepest<const D: usize>(gradient: Tensor<D>, _: Option<&Scale<D>>) -> Tensor<D> {
        gradient.sign()
    }

    fn uniform<const D: usize>(
        draws: &Draws,
        shape: [usize; D],
        _: Option<&Scale<D>>,
        device: &Device,
    ) -> Tensor<D> {
        draws.uniform(shape, device)
    }

    fn random_step<const D: usize>(uniform: Tensor<D>) -> Tensor<D> {
        uniform.sign()
    }

    fn reach<const D: usize>(ball: &Ball<'_, D>, like: &Tensor<D>) -> Option<Tensor<D>> {
        Some(limit(ball, like).expand(like.dims()))
    }
}

/// How far each feature may move, ready to broadcast to `like`.
fn limit<const D: usize>(ball: &Ball<'_, D>, like: &Tensor<D>) -> Tensor<D> {
    match (ball.radius, ball.scale) {
        (Radius::All(radius), Some(scale)) => scale.each.clone().mul_scalar(*radius),
        (Radius::All(radius), None) => like.ones_like().mul_scalar(*radius),
        (Radius::Each(radius), Some(scale)) => scale.each.clone() * radius.clone(),
        (Radius::Each(radius), None) => radius.clone(),
    }
}
