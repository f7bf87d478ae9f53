//! L1: the sum of all changes.

use burn::tensor::{Device, Tensor};

use super::geometry::{Ball, Geometry, Room};
use crate::draws::Draws;
use crate::rows;
use crate::threat::scale::{Scale, from_units, frozen, in_units};

pub(crate) struct L1;

impl Geometry for L1 {
    const KEY: &'static str = "l1";
    const NAME: &'static str = "L1";
    const IN_WORDS: &'static str = "L1";
    const FEATURES_ARE_INDEPENDENT: bool = false;

    fn size<const D: usize>(delta: Tensor<D>) -> Tensor<D> {
        rows::absolute_sum(delta)
    }

    fn size_of(numbers: impl Iterator<Item = f64>) -> f64 {
        numbers.map(f64::abs).sum()
    }

    fn to_ball<const D: usize>(delta: Tensor<D>, ball: &Ball<'_, D>) -> Tensor<D> {
        nearest_in_both(delta, ball, None)
    }

    /// Always onto the nearest point in both: onto the ball and then into the bounds would leave most of the budget
    /// unused (Croce and Hein, "Mind the box: l1-APGD for sparse adversarial attacks on image classifiers", 2021).
    fn project<const D: usize>(
        delta: Tensor<D>,
        ball: &Ball<'_, D>,
        room: Option<Room<D>>,
        _: bool,
    ) -> Tensor<D> {
        nearest_in_both(delta, ball, room)
    }

    /// All of it in the one feature with the largest gradient.
    fn steepest<const D: usize>(gradient: Tensor<D>, scale: Option<&Scale<D>>) -> Tensor<D> {
        rows::largest_alone(from_units(gradient, scale))
    }

    fn uniform<const D: usize>(
        draws: &Draws,
        shape: [usize; D],
        scale: Option<&Scale<D>>,
        device: &Device,
    ) -> Tensor<D> {
        draws.unit_cross(shape, scale.map(|scale| scale.values.as_slice()), device)
    }

    fn random_step<const D: usize>(uniform: Tensor<D>) -> Tensor<D> {
        let length = rows::absolute_sum(uniform.clone()).clamp_min(f32::MIN_POSITIVE);
        uniform / length
    }

    fn reach<const D: usize>(_: &Ball<'_, D>, _: &Tensor<D>) -> Option<Tensor<D>> {
        None
    }
}

/// The nearest perturbation, in units of the scale, that is in the ball and in a box around zero.
///
/// It is δ with every feature brought λ nearer to 0 and then cut to the box, with the least λ ≥ 0 for which that is in
/// the ball. What is left of the length falls with λ in straight pieces: bisection finds the piece, and one step
/// along it is exact.
fn nearest_in_both<const D: usize>(
    delta: Tensor<D>,
    ball: &Ball<'_, D>,
    room: Option<Room<D>>,
) -> Tensor<D> {
    let delta = in_units(frozen(delta, ball.scale), ball.scale);
    let (sign, size) = (delta.clone().sign(), delta.abs());
    // How far each may go the way that it goes.
    let room = room.map(|(low, high)| {
        let [fall, rise] = [low.neg(), high].map(|far| in_units(far, ball.scale).clamp_min(0.0));
        rise.mask_where(sign.clone().lower_scalar(0.0), fall)
    });
    let cut = |size: Tensor<D>| match &room {
        Some(room) => size.min_pair(room.clone()),
        None => size,
    };
    let shrunk = |by: &Tensor<D>| (size.clone() - by.clone()).clamp_min(0.0);
    let left = |by: &Tensor<D>| rows::absolute_sum(cut(shrunk(by)));
    let radius = ball.radius.of_each(&size);
    let most = rows::largest(size.clone());
    let fits = left(&most.zeros_like()).lower_equal(radius.clone());
    let [below, from] = rows::bisect(most, |by| left(by).lower_equal(radius.clone()));
    let moving = {
        let size = shrunk(&below);
        let moves = size.clone().greater_scalar(0.0);
        rows::count(match &room {
            Some(room) => moves.bool_and(size.lower(room.clone())),
            None => moves,
        })
    };
    let exact =
        below.clone() + (left(&below) - radius.clone()).clamp_min(0.0) / moving.clamp_min(1.0);
    let by = exact.min_pair(from).mask_fill(fits, 0.0);
    let nearest = cut(shrunk(&by));
    // What is left of large changes in a small ball is known to the precision of the changes.
    let length = rows::absolute_sum(nearest.clone()).max_pair(radius.clone());
    let nearest = nearest * (radius / length.clamp_min(f32::MIN_POSITIVE));
    from_units(sign * nearest, ball.scale)
}
