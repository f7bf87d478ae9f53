//! What is done sample by sample: rows, and one value for each.
//!
//! A sample is a row of its batch, whatever the rank: `[n, …]`.

use burn::tensor::{Bool, DType, FloatDType, Int, Tensor};

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

/// None of these samples, `[n]`.
pub fn nobody<const D: usize>(samples: &Tensor<D>) -> Tensor<1, Bool> {
    Tensor::<1>::zeros([samples.dims()[0]], (&samples.device(), DType::F32)).bool()
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

/// The sum of |entries| of each sample, `[n, 1, …]`.
pub fn absolute_sum<const D: usize>(rows: Tensor<D>) -> Tensor<D> {
    per_sample(rows, |rows| rows.abs().sum_dim(1))
}

/// How many entries of each sample are not 0, `[n, 1, …]`.
pub fn changed<const D: usize>(rows: Tensor<D>) -> Tensor<D> {
    count(rows.not_equal_scalar(0.0))
}

/// How many flags of each sample are set, `[n, 1, …]`.
pub fn count<const D: usize>(flags: Tensor<D, Bool>) -> Tensor<D> {
    per_sample(flags.cast(FloatDType::F32), |rows| rows.sum_dim(1))
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

/// 1 or −1 at the largest |entry| of each sample, with its sign, and 0 elsewhere; equals share the 1. Zero where the
/// sample is.
pub fn largest_alone<const D: usize>(rows: Tensor<D>) -> Tensor<D> {
    let others = rows.clone().abs().lower(largest(rows.clone()).expand(rows.dims()));
    let signs = rows.sign().mask_fill(others, 0.0);
    let equals = changed(signs.clone()).clamp_min(1.0);
    signs / equals
}

/// Of each sample the `counts` largest of its `sizes`, which are at least 0; of equals the first. `[n, …]` and
/// `[n, 1, …]`.
pub fn largest_few<const D: usize>(sizes: Tensor<D>, counts: Tensor<D>) -> Tensor<D, Bool> {
    let shape = sizes.dims();
    let [below, from] = kth_largest(&sizes, &counts);
    let sure = sizes.clone().greater(from.expand(shape));
    let equals = sizes.greater(below.expand(shape)).bool_and(sure.clone().bool_not());
    let order =
        equals.clone().cast(FloatDType::F32).flatten::<2>(1, D - 1).cumsum(1).reshape(shape);
    let left = counts - count(sure.clone());
    sure.bool_or(equals.bool_and(order.lower_equal(left.expand(shape))))
}

/// Two numbers for each sample, `[n, 1, …]`, between which the k-th largest of its `sizes` is, which are at least 0: it
/// is above the first and at most the second. Without a sort, which waits for the device on those that sort on the host.
pub fn kth_largest<const D: usize>(sizes: &Tensor<D>, k: &Tensor<D>) -> [Tensor<D>; 2] {
    let (shape, most) = (sizes.dims(), largest(sizes.clone()));
    // Where fewer than k are not 0, it is 0, which nothing is below.
    bisect(most, |size| {
        let larger = count(sizes.clone().greater(size.clone().expand(shape)));
        larger.lower(k.clone())
    })
}

/// Halvings of an interval: more leave nothing between its ends in single precision, but for values a thousandth of it.
const HALVINGS: usize = 32;

/// Where, from 0 to `most`, a condition begins to hold that holds from some point on: just below, where it does not
/// (or 0), and just above, `[n, 1, …]` each.
pub fn bisect<const D: usize>(
    most: Tensor<D>,
    holds: impl Fn(&Tensor<D>) -> Tensor<D, Bool>,
) -> [Tensor<D>; 2] {
    let (mut below, mut from) = (most.zeros_like(), most);
    for _ in 0..HALVINGS {
        let middle = (below.clone() + from.clone()).mul_scalar(0.5);
        let holds = holds(&middle);
        below = middle.clone().mask_where(holds.clone(), below);
        from = from.mask_where(holds, middle);
    }
    [below, from]
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

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};
    use proptest::prelude::*;

    const FEATURES: usize = 7;

    fn row(values: &[f32]) -> Tensor<2> {
        Tensor::from_data(TensorData::new(values.to_vec(), [1, values.len()]), &Device::flex())
    }

    fn flags(flags: Tensor<2, Bool>) -> Vec<i32> {
        flags.int().try_into_vec_as().unwrap()
    }

    proptest! {
        /// Among them equals and zeros.
        #[test]
        fn the_few_largest_are_those_of_a_sort(
            tenths in proptest::collection::vec(0..6_u8, FEATURES), k in 1..=FEATURES,
        ) {
            let values: Vec<f32> = tenths.iter().map(|tenth| f32::from(*tenth) / 10.0).collect();
            let mut order: Vec<usize> = (0..FEATURES).collect();
            order.sort_by(|a, b| values[*b].total_cmp(&values[*a])); // stable: of equals the first
            let mut expected = vec![0; FEATURES];
            order[..k].iter().filter(|at| values[**at] > 0.0).for_each(|at| expected[*at] = 1);
            let found = largest_few(row(&values), row(&[k as f32]));
            prop_assert_eq!(flags(found), expected);
        }
    }

    #[test]
    fn of_the_largest_the_sign_is_left_and_equals_share_it() {
        let found =
            |values: &[f32]| -> Vec<f32> { largest_alone(row(values)).try_into_vec_as().unwrap() };
        assert_eq!(found(&[0.1, -0.5, 0.2]), [0.0, -1.0, 0.0]);
        assert_eq!(found(&[0.5, -0.5, 0.2]), [0.5, -0.5, 0.0]);
        assert_eq!(found(&[0.0; 3]), [0.0; 3]);
    }
}
