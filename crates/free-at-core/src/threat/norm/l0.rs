//! L0: how many features change, whatever by how much. It is no norm, and no step in it is steepest.

use burn::tensor::{Device, Tensor};

use super::geometry::{Ball, Geometry, Room, to_room};
use crate::draws::Draws;
use crate::rows;
use crate::threat::scale::{Scale, from_units, frozen};

pub(crate) struct L0;

impl Geometry for L0 {
    const KEY: &'static str = "l0";
    const NAME: &'static str = "L0";
    const IN_WORDS: &'static str = "L0";
    const FEATURES_ARE_INDEPENDENT: bool = false;

    fn size<const D: usize>(delta: Tensor<D>) -> Tensor<D> {
        rows::changed(delta)
    }

    fn size_of(numbers: impl Iterator<Item = f64>) -> f64 {
        numbers.filter(|number| *number != 0.0).count() as f64
    }

    fn to_ball<const D: usize>(delta: Tensor<D>, ball: &Ball<'_, D>) -> Tensor<D> {
        nearest_in_both(delta, ball, None)
    }

    fn project<const D: usize>(
        delta: Tensor<D>,
        ball: &Ball<'_, D>,
        room: Option<Room<D>>,
        _: bool,
    ) -> Tensor<D> {
        nearest_in_both(delta, ball, room)
    }

    /// In the one feature with the largest gradient, by 1: how far it should go the norm does not say.
    fn steepest<const D: usize>(gradient: Tensor<D>, scale: Option<&Scale<D>>) -> Tensor<D> {
        rows::largest_alone(from_units(gradient, scale))
    }

    /// One feature, by up to 1.
    fn uniform<const D: usize>(
        draws: &Draws,
        shape: [usize; D],
        scale: Option<&Scale<D>>,
        device: &Device,
    ) -> Tensor<D> {
        let drawn = frozen(draws.uniform(shape, device), scale);
        let one = rows::largest(drawn.clone()).ones_like();
        let kept = rows::largest_few(drawn.clone().abs(), one);
        drawn.mask_fill(kept.bool_not(), 0.0)
    }

    fn random_step<const D: usize>(uniform: Tensor<D>) -> Tensor<D> {
        uniform.sign()
    }

    fn reach<const D: usize>(_: &Ball<'_, D>, _: &Tensor<D>) -> Option<Tensor<D>> {
        None
    }
}

/// The nearest perturbation with no more changes than the radius, within a box around zero: those changes are kept that
/// come nearest, each cut to the box.
fn nearest_in_both<const D: usize>(
    delta: Tensor<D>,
    ball: &Ball<'_, D>,
    room: Option<Room<D>>,
) -> Tensor<D> {
    let delta = frozen(delta, ball.scale);
    let cut = to_room(delta.clone(), room);
    // δ² − (δ − cut)²: how much nearer the change brings.
    let gain = cut.clone() * (delta.mul_scalar(2.0) - cut.clone());
    let few = ball.radius.of_each(&gain).floor();
    let kept = rows::largest_few(gain.clamp_min(0.0), few);
    cut.mask_fill(kept.bool_not(), 0.0)
}
