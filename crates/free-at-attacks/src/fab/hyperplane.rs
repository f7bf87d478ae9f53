//! The smallest step onto a hyperplane within the input bounds.

use burn::tensor::{FloatDType, Tensor};
use free_at_core::rows::{bisect, column, largest, largest_alone};
use free_at_core::{Error, Norm, PerturbationSet};

use crate::parameters::{for_norm, norms_of};

/// How far each feature moves, `[n, features]`, in the shortest step that covers a distance, `[n, 1]`, at weights |w|,
/// where each has so much room, if there is an end to it.
type Lengths = fn(Tensor<2>, Tensor<2>, Option<Tensor<2>>) -> Tensor<2>;

/// That, for each norm in which the shortest step is known.
const LENGTHS: [(Norm, Lengths); 3] = [
    (Norm::Linf, |distance, w, room| together(alike, distance, w, room)),
    (Norm::L2, |distance, w, room| together(by_weight, distance, w, room)),
    (Norm::L1, one_by_one),
];

/// The norms that FAB-T is defined in.
pub(crate) const NORMS: [Norm; LENGTHS.len()] = norms_of(&LENGTHS);

/// How fast each feature moves where all do at once.
type Speed = fn(&Tensor<2>) -> Tensor<2>;

/// All that have a weight at all move as far.
fn alike(w: &Tensor<2>) -> Tensor<2> {
    w.clone().greater_scalar(0.0).cast(FloatDType::F32)
}

fn by_weight(w: &Tensor<2>) -> Tensor<2> {
    w.clone()
}

/// Stands for infinity where infinity times zero would be no number.
const FAR: f64 = 1e12;

/// For each point, `[n, …]`, the smallest step δ, in the threat model's norm, with
/// value + w · δ = 0 that stays within the input bounds; where the bounds allow none, the step that
/// comes nearest.
///
/// # Errors
/// [`Error::Unsupported`] in any other norm than those of [`NORMS`].
///
/// For L∞ and L2 every feature moves against the value's sign by min(λ m, room), where m is 1 for L∞ and |w| for
/// L2, and room is what the bounds leave. What this covers, Σ |w| min(λ m, room), rises with λ in
/// straight pieces, each less steep than the one before; so Newton's method from λ = 0 never goes too
/// far, and is exact once it is on the piece where |value| is reached. For L1 features use up their room one after the other,
/// those of the largest |w| first.
pub(crate) fn step_onto<const D: usize>(
    allowed: &PerturbationSet<D>,
    points: &Tensor<D>,
    value: Tensor<1>,
    w: Tensor<D>,
) -> Result<Tensor<D>, Error> {
    let lengths = for_norm("FAB-T", &LENGTHS, allowed.norm())?;
    let shape = points.dims();
    // In units of the scale, in which the norm is the plain one and a frozen feature has w = 0.
    let scale = allowed.scale();
    let w = match scale {
        Some(scale) => w * scale.clone(),
        None => w,
    };
    let room = allowed.room(points).map(|(fall, rise)| {
        let falls = column(value.clone().sign()) * w.clone().sign();
        let room = fall.neg().mask_where(falls.lower_scalar(0.0), rise).clamp(0.0, FAR);
        match scale {
            Some(scale) => (room / scale.clone().clamp_min(1.0 / FAR)).clamp_max(FAR),
            None => room,
        }
    });
    let flat = |tensor: Tensor<D>| tensor.flatten::<2>(1, D - 1);
    let (w, room) = (flat(w), room.map(flat));
    let against = w.clone().sign() * value.clone().sign().neg().unsqueeze_dim(1);
    let moves = lengths(value.abs().unsqueeze_dim(1), w.abs(), room);
    let step = (against * moves).reshape(shape);
    Ok(allowed.from_units(step))
}

/// Steps of Newton's method: 3 to 5 reach the piece as a rule; 13 was the most seen in thousands of
/// random cases of up to 3,072 features.
const NEWTON_STEPS: usize = 16;

fn together(speed: Speed, distance: Tensor<2>, w: Tensor<2>, room: Option<Tensor<2>>) -> Tensor<2> {
    let (weighs, speed) = (alike(&w), speed(&w));
    // What a feature covers for each unit of λ while it moves, and in all.
    let pace = w.clone() * speed.clone();
    let Some(room) = room else {
        let lambda = distance / pace.sum_dim(1).clamp_min(1.0 / FAR);
        return speed * lambda;
    };
    let room = room * weighs;
    let reach = w * room.clone();
    let mut lambda = distance.zeros_like();
    for _ in 0..NEWTON_STEPS {
        let stopped = (speed.clone() * lambda.clone()).greater_equal(room.clone());
        let slope = pace.clone().mask_fill(stopped.clone(), 0.0).sum_dim(1);
        let covered = reach.clone().mask_fill(stopped.bool_not(), 0.0).sum_dim(1);
        let next = (distance.clone() - covered) / slope.clamp_min(1.0 / FAR);
        lambda = lambda.max_pair(next).clamp_max(FAR);
    }
    (speed * lambda).min_pair(room)
}

fn one_by_one(distance: Tensor<2>, w: Tensor<2>, room: Option<Tensor<2>>) -> Tensor<2> {
    let most = largest(w.clone());
    let Some(room) = room else {
        return largest_alone(w) * (distance / most.clamp_min(1.0 / FAR));
    };
    let shape = w.dims();
    let room = room * alike(&w);
    let reach = w.clone() * room.clone();
    // What those cover together whose weight is larger.
    let covered = |weight: &Tensor<2>| {
        let smaller = w.clone().lower_equal(weight.clone().expand(shape));
        reach.clone().mask_fill(smaller, 0.0).sum_dim(1)
    };
    let [below, from] = bisect(most, |weight| covered(weight).lower_equal(distance.clone()));
    let first = covered(&from);
    let last = covered(&below) - first.clone();
    let share = ((distance - first) / last.clamp_min(1.0 / FAR)).clamp(0.0, 1.0);
    let partly = room.clone() * share;
    let whole = w.clone().greater(from.expand(shape));
    let none = w.lower_equal(below.expand(shape));
    partly.mask_where(whole, room).mask_fill(none, 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};
    use free_at_core::{Bounds, Epsilon, ThreatModel};
    use proptest::prelude::*;

    const FEATURES: usize = 6;
    /// Rounding of sums of a few numbers of order 1.
    const ROUNDING: f32 = 1e-4;

    fn rows(values: &[f32]) -> Tensor<2> {
        let shape = [values.len() / FEATURES, FEATURES];
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
    }

    fn step(threat: &ThreatModel, point: &[f32], value: f32, w: &[f32]) -> Vec<f32> {
        let value = Tensor::<1>::from_data([value], &Device::flex());
        let allowed = threat.around(&rows(point)).unwrap();
        step_onto(&allowed, &rows(point), value, rows(w)).unwrap().try_into_vec_as().unwrap()
    }

    fn size(norm: Norm, step: &[f32]) -> f32 {
        norm.of_numbers(step.iter().map(|move_| f64::from(*move_))) as f32
    }

    fn dot(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    /// A unit row of weights with some that are zero.
    fn weights() -> impl Strategy<Value = Vec<f32>> {
        let weight = prop_oneof![1 => Just(0.0_f32), 4 => 0.1..1.0_f32, 4 => -1.0..-0.1_f32];
        proptest::collection::vec(weight, FEATURES)
    }

    proptest! {
        /// The step reaches the plane where the bounds let it, stays within them, and no step of a
        /// crowd of others that also reach the plane is shorter.
        #[test]
        fn the_step_is_the_shortest_within_the_bounds(
            norm in proptest::sample::select(NORMS.to_vec()),
            point in proptest::collection::vec(0.0..1.0_f32, FEATURES),
            w in weights(),
            value in -2.0..2.0_f32,
            others in proptest::collection::vec(proptest::collection::vec(0.0..1.0_f32, FEATURES), 40),
        ) {
            let threat = ThreatModel::new(norm, Epsilon::unit(1.0));
            let found = step(&threat, &point, value, &w);
            for (x, move_) in point.iter().zip(&found) {
                prop_assert!((-ROUNDING..=1.0 + ROUNDING).contains(&(x + move_)));
            }
            // The nearest the plane can be come to: every feature at the bound that helps.
            let against = -value.signum();
            let farthest: f32 = point.iter().zip(&w).map(|(x, w)| {
                if w * against > 0.0 { w * (1.0 - x) } else { -w * x }
            }).sum();
            let left = value + dot(&w, &found);
            let unreachable = value + farthest;
            let expected = if unreachable * value > 0.0 { unreachable } else { 0.0 };
            prop_assert!((left - expected).abs() < ROUNDING, "{left}, not {expected}");
            if expected != 0.0 {
                return Ok(());
            }
            // Every point beyond the plane is at least as far as the step.
            for other in others {
                let way: Vec<f32> = other.iter().zip(&point).map(|(o, x)| o - x).collect();
                if (value + dot(&w, &way)) * value <= 0.0 {
                    prop_assert!(size(norm, &found) <= size(norm, &way) + ROUNDING);
                }
            }
        }

        /// With as many features as an image has, and rooms of every size.
        #[test]
        fn the_step_reaches_the_plane_in_high_dimensions(
            norm in proptest::sample::select(NORMS.to_vec()),
            seed: u64,
            share in 0.001..0.999_f32,
            size in -4.0..0.0_f64,
        ) {
            const MANY: usize = 3_072;
            let draws = free_at_core::Draws::new(seed, vec![0, 1]);
            let numbers = draws.uniform([2, MANY], &Device::flex());
            let (point, w) = (numbers.clone().slice_dim(0, 0).abs(), numbers.slice_dim(0, 1));
            // Dark pixels of all sizes down to 1e-4 or so, which have hardly any room below.
            let point = point.powf_scalar(1.0 - size);
            let rises = w.clone().lower_scalar(0.0).cast(FloatDType::F32);
            let room = rises.clone() * point.clone().neg().add_scalar(1.0)
                + rises.neg().add_scalar(1.0) * point.clone();
            let reach = (w.clone().abs() * room).sum().into_scalar::<f32>();
            let threat = ThreatModel::new(norm, Epsilon::unit(1.0));
            let allowed = threat.around(&point).unwrap();
            let value = Tensor::<1>::from_data([share * reach], &Device::flex());
            let found = step_onto(&allowed, &point, value.clone(), w.clone()).unwrap();
            let left = (value + (w * found).sum()).into_scalar::<f32>();
            prop_assert!(left.abs() < ROUNDING * reach, "{left} of {reach}");
        }

        /// Without bounds the distance is |value| over the dual norm of w, also in units of a scale.
        #[test]
        fn without_bounds_the_distance_is_known(
            norm in proptest::sample::select(NORMS.to_vec()),
            w in weights().prop_filter("no plane", |w| w.iter().any(|w| *w != 0.0)),
            value in -2.0..2.0_f32,
            scale in proptest::collection::vec(0.5..2.0_f32, FEATURES),
            infinite: bool,
        ) {
            let bounds = match infinite {
                true => Bounds::None,
                false => Bounds::PerFeature {
                    low: vec![f32::NEG_INFINITY; FEATURES],
                    high: vec![f32::INFINITY; FEATURES],
                },
            };
            let threat = ThreatModel::new(norm, Epsilon::unit(1.0))
                .with_bounds(bounds)
                .with_scale(scale.clone());
            let found = step(&threat, &[0.5; FEATURES], value, &w);
            prop_assert!((value + dot(&w, &found)).abs() < ROUNDING);
            let units: Vec<f32> = found.iter().zip(&scale).map(|(d, s)| d / s).collect();
            let scaled: Vec<f32> = w.iter().zip(&scale).map(|(w, s)| w * s).collect();
            let dual = match norm {
                Norm::Linf => scaled.iter().map(|w| w.abs()).sum::<f32>(),
                Norm::L2 => size(Norm::L2, &scaled),
                _ => size(Norm::Linf, &scaled),
            };
            prop_assert!((size(norm, &units) - value.abs() / dual).abs() < ROUNDING);
        }
    }
}
