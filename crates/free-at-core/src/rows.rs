//! What is done sample by sample: rows, and one value for each.
//!
//! A sample is a row of its batch, whatever the rank: `[n, …]`.

use burn::tensor::{Bool, Int, Tensor};

/// One value per sample, `[n]`, as `[n, 1, …]`, ready to broadcast.
pub fn column<const D: usize>(values: Tensor<1>) -> Tensor<D> {
    let mut shape = [1; D];
    shape[0] = values.dims()[0];
    values.reshape(shape)
}

/// One value per sample, `[n]`, for each of its features: as `like`, `[n, …]`.
pub fn for_each_feature<const D: usize>(
    values: Tensor<1, Bool>,
    like: &Tensor<D>,
) -> Tensor<D, Bool> {
    let mut shape = [1; D];
    shape[0] = like.dims()[0];
    values.reshape(shape).expand(like.dims())
}

/// The scalar product of each sample's features, `[n]`.
pub fn dot<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<1> {
    (a * b).flatten::<2>(1, D - 1).sum_dim(1).squeeze_dim(1)
}

/// The largest |entry| of each sample, `[n, 1, …]`.
pub fn largest<const D: usize>(rows: Tensor<D>) -> Tensor<D> {
    per_sample(rows, |rows| rows.abs().max_dim(1))
}

/// The Euclidean length of each sample, `[n, 1, …]`.
pub fn length<const D: usize>(rows: Tensor<D>) -> Tensor<D> {
    per_sample(rows, |rows| rows.square().sum_dim(1).sqrt())
}

/// Each sample over its Euclidean length; zero where it is zero.
///
/// Over its largest entry first: the squares of a confident sample's gradient would underflow.
pub fn unit_length<const D: usize>(rows: Tensor<D>) -> Tensor<D> {
    let most = largest(rows.clone());
    let most = most.clone().mask_fill(most.equal_scalar(0.0), 1.0);
    let rows = rows / most;
    let length = length(rows.clone()).clamp_min(1.0); // is 0, or at least 1
    rows / length
}

/// What `of` makes of the flat rows, `[n, features]` to `[n, 1]`, as `[n, 1, …]`.
fn per_sample<const D: usize>(
    rows: Tensor<D>,
    of: impl FnOnce(Tensor<2>) -> Tensor<2>,
) -> Tensor<D> {
    const { assert!(D >= 2, "rows are [n, …]: samples of at least one dimension") };
    let mut kept = [1; D];
    kept[0] = rows.dims()[0];
    of(rows.flatten::<2>(1, D - 1)).reshape(kept)
}

/// The entry of each sample's class: of rows `[n, classes]` column `class[i]` of each row i, `[n]`.
pub fn of_class(rows: Tensor<2>, class: &Tensor<1, Int>) -> Tensor<1> {
    rows.gather(1, class.clone().unsqueeze_dim(1)).squeeze_dim(1)
}

/// Where in `[n, classes]` each sample's class is.
pub fn class_mask(rows: &Tensor<2>, class: &Tensor<1, Int>) -> Tensor<2, Bool> {
    let columns = Tensor::<1, Int>::arange(0..rows.dims()[1] as i64, &rows.device());
    class.clone().unsqueeze_dim::<2>(1).equal(columns.unsqueeze_dim(0))
}

/// Which rows are finite numbers alone, `[n]`: logits of which one is none are no answer.
pub fn finite(rows: Tensor<2>) -> Tensor<1, Bool> {
    rows.is_finite().all_dim(1).squeeze_dim(1)
}

/// The class with the largest logit, `[n]`, of logits `[n, classes]`.
pub fn predicted(logits: Tensor<2>) -> Tensor<1, Int> {
    logits.argmax(1).squeeze_dim(1)
}
