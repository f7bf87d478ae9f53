//! The smallest step onto a hyperplane within the input bounds.

use burn::tensor::Tensor;
use free_at_core::{Norm, PerturbationSet};

/// Stands for infinity where infinity times zero would be no number.
const FAR: f64 = 1e12;

/// For each point, `[n, …]`, the smallest step δ, in the threat model's norm, with
/// value + w · δ = 0 that stays within the input bounds; where the bounds allow none, the step that
/// comes nearest.
///
/// Every feature moves against the value's sign by min(λ m, room), where m is 1 for L∞ and |w| for
/// L2, and room is what the bounds leave. What this covers, Σ |w| min(λ m, room), grows with λ in
/// straight pieces that end where a feature's room does, at λ = room / m; so with the features
/// sorted by that, two running sums tell the piece in which it reaches |value|, and there λ is
/// the solution of a linear equation.
pub(crate) fn step_onto<const D: usize>(
    allowed: &PerturbationSet<D>,
    points: &Tensor<D>,
    value: Tensor<1>,
    w: Tensor<D>,
) -> Tensor<D> {
    let shape = points.dims();
    // In units of the scale, in which the norm is the plain one and a frozen feature has w = 0.
    let scale = allowed.scale();
    let w = match scale {
        Some(scale) => w * scale.clone(),
        None => w,
    };
    let room = allowed.room(points).map(|(fall, rise)| {
        let falls = column_sign(&value, shape) * w.clone().sign();
        let room = fall.neg().mask_where(falls.lower_scalar(0.0), rise).clamp(0.0, FAR);
        match scale {
            Some(scale) => (room / scale.clone().clamp_min(1.0 / FAR)).clamp_max(FAR),
            None => room,
        }
    });
    let flat = |tensor: Tensor<D>| tensor.flatten::<2>(1, D - 1);
    let (w, room) = (flat(w), room.map(flat));
    let against = w.clone().sign() * value.clone().sign().neg().unsqueeze_dim(1);
    let moves = lengths(allowed.norm(), value.abs().unsqueeze_dim(1), w.abs(), room);
    let step = (against * moves).reshape(shape);
    match scale {
        Some(scale) => step * scale.clone(),
        None => step,
    }
}

/// The sign of each sample's value, for each of its features.
fn column_sign<const D: usize>(value: &Tensor<1>, shape: [usize; D]) -> Tensor<D> {
    let mut column = [1; D];
    column[0] = shape[0];
    value.clone().sign().reshape(column).expand(shape)
}

/// How far each feature moves, `[n, features]`, to cover `distance`, `[n, 1]`, at weights |w|.
fn lengths(norm: Norm, distance: Tensor<2>, w: Tensor<2>, room: Option<Tensor<2>>) -> Tensor<2> {
    let weighs = w.clone().greater_scalar(0.0).float();
    let speed = match norm {
        Norm::Linf => weighs.clone(),
        Norm::L2 => w.clone(),
    };
    // What all features that still move cover for each unit of λ.
    let pace = w.clone() * speed.clone();
    let whole = pace.clone().sum_dim(1);
    let Some(room) = room else {
        let lambda = distance / whole.clamp_min(1.0 / FAR);
        return speed * lambda;
    };
    let room = room * weighs;
    let ends = (room.clone() / speed.clone().clamp_min(1.0 / FAR)).clamp_max(FAR);
    let (ends, order) = ends.sort_with_indices(1);
    let covered = (w * room.clone()).gather(1, order.clone()).cumsum(1);
    let moving = (whole.clone() - pace.gather(1, order).cumsum(1)).clamp_min(0.0);
    let reached = covered.clone() + ends.clone() * moving.clone();
    // The number of pieces that end before the distance is covered.
    let passed = reached.lower(distance.clone()).int().sum_dim(1);
    let before = |sums: Tensor<2>, first: Tensor<2>| {
        Tensor::cat(vec![first, sums], 1).gather(1, passed.clone())
    };
    let zero = distance.zeros_like();
    let (covered, moving) = (before(covered, zero.clone()), before(moving, whole));
    let (from, all) = (before(ends.clone(), zero), ends.dims()[1] as i64);
    let lambda = from.max_pair((distance - covered) / moving.clamp_min(1.0 / FAR));
    let lambda = lambda.mask_fill(passed.equal_scalar(all), FAR).clamp_max(FAR);
    (speed * lambda).min_pair(room)
}
