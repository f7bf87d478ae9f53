//! L2: the Euclidean length of the change.

use burn::tensor::{Device, Tensor};

use super::geometry::{Ball, Geometry, Radius, Room, to_room};
use crate::draws::Draws;
use crate::rows;
use crate::threat::scale::{Scale, frozen, in_units};

pub(crate) struct L2;

impl Geometry for L2 {
    const KEY: &'static str = "l2";
    const NAME: &'static str = "L2";
    const IN_WORDS: &'static str = "L2";
    const FEATURES_ARE_INDEPENDENT: bool = false;

    fn size<const D: usize>(delta: Tensor<D>) -> Tensor<D> {
        rows::length(delta)
    }

    fn size_of(numbers: impl Iterator<Item = f64>) -> f64 {
        numbers.map(|number| number * number).sum::<f64>().sqrt()
    }

    fn to_ball<const D: usize>(delta: Tensor<D>, ball: &Ball<'_, D>) -> Tensor<D> {
        let delta = frozen(delta, ball.scale);
        let inside = share_inside(&delta, ball);
        delta * inside
    }

    fn project<const D: usize>(
        delta: Tensor<D>,
        ball: &Ball<'_, D>,
        room: Option<Room<D>>,
        nearest: bool,
    ) -> Tensor<D> {
        match (nearest, room) {
            (true, Some(room)) => nearest_in_both(frozen(delta, ball.scale), ball, room),
            (_, room) => to_room(Self::to_ball(delta, ball), room),
        }
    }

    /// Steepest in δ / s is along s·g.
    fn steepest<const D: usize>(gradient: Tensor<D>, scale: Option<&Scale<D>>) -> Tensor<D> {
        rows::unit_length(match scale {
            Some(scale) => gradient * scale.each.clone(),
            None => gradient,
        })
    }

    fn uniform<const D: usize>(
        draws: &Draws,
        shape: [usize; D],
        scale: Option<&Scale<D>>,
        device: &Device,
    ) -> Tensor<D> {
        draws.unit_ball(shape, scale.map(|scale| scale.values.as_slice()), device)
    }

    fn random_step<const D: usize>(uniform: Tensor<D>) -> Tensor<D> {
        rows::unit_length(uniform)
    }

    fn reach<const D: usize>(_: &Ball<'_, D>, _: &Tensor<D>) -> Option<Tensor<D>> {
        None
    }
}

/// 1 inside the ball, ε / ‖δ‖ outside, `[n, 1, …]`.
fn share_inside<const D: usize>(delta: &Tensor<D>, ball: &Ball<'_, D>) -> Tensor<D> {
    let length = measure(delta.clone(), ball);
    match ball.radius {
        Radius::All(radius) => length.clamp_min(*radius).recip().mul_scalar(*radius),
        Radius::Each(radius) => {
            radius.clone() / length.max_pair(radius.clone()).clamp_min(f32::MIN_POSITIVE)
        }
    }
}

fn measure<const D: usize>(delta: Tensor<D>, ball: &Ball<'_, D>) -> Tensor<D> {
    rows::length(in_units(delta, ball.scale))
}

/// The nearest perturbation that is in the ball and in a box around zero.
///
/// It is t δ cut to the box, with the largest t ≤ 1 for which that is in the ball. The length rises with t,
/// ever more slowly as features reach the box, so Newton's method from a t that is too small never goes too
/// far, and is exact once no further feature is cut.
fn nearest_in_both<const D: usize>(
    delta: Tensor<D>,
    ball: &Ball<'_, D>,
    (low, high): Room<D>,
) -> Tensor<D> {
    const NEWTON_STEPS: usize = 16; // 3 to 5 are enough as a rule
    let squares = |part: Tensor<D>| measure(part, ball).square();
    let cut = |t: &Tensor<D>| {
        let scaled = delta.clone() * t.clone();
        let inside = scaled.clone().max_pair(low.clone()).min_pair(high.clone());
        let touched = inside.clone().not_equal(scaled);
        (inside, touched)
    };
    let mut t = share_inside(&delta, ball);
    for _ in 0..NEWTON_STEPS {
        let (inside, touched) = cut(&t);
        let spent = squares(inside.mask_fill(touched.clone().bool_not(), 0.0));
        let moving = squares(delta.clone().mask_fill(touched, 0.0));
        let left = match ball.radius {
            Radius::All(radius) => spent.neg().add_scalar(radius * radius),
            Radius::Each(radius) => radius.clone().square() - spent,
        };
        let next =
            (left.clamp_min(0.0) / moving.clamp_min(f32::MIN_POSITIVE)).sqrt().clamp_max(1.0);
        t = t.max_pair(next);
    }
    cut(&t).0
}
