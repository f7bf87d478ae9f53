//! From where an attack has moved a sample to the nearest input that could be: a row that keeps its rules, an image of 8 bits.

use burn::tensor::Tensor;

use super::perturbation_set::PerturbationSet;
use super::related_rows::RelatedRows;
use super::row_rules::RowRules;

/// Steps of whole features that a row takes back where they broke a limit between features.
const STEPS_BACK: usize = 2;
/// Of the way to a row that cannot be, from the shortest on.
const SHARES: [f64; 4] = [0.25, 0.5, 0.75, 1.0];
/// What single precision may be off where a feature is computed from others.
const OF_FOLLOWERS: f64 = 4.0 * f32::EPSILON as f64;

impl<const D: usize> PerturbationSet<D> {
    /// `adversarial` with the [rules for features](crate::FeatureRules) kept: nothing moved the wrong way,
    /// features with a step at whole steps from the input, and of each group of categories the largest
    /// at 1 and the others at 0 (of equals the input's own). The adversarial example itself without rules.
    ///
    /// For L∞ it is the nearest such row within ε and the bounds, otherwise steps are rounded towards the
    /// input, which stays within ε. Gradients are meant to pass straight through.
    pub fn snap(&self, inputs: &Tensor<D>, adversarial: Tensor<D>) -> Tensor<D> {
        let Some(rules) = &self.rules else { return adversarial };
        let adversarial = match rules.related() {
            Some(related) => self.near(related, inputs, adversarial),
            None => adversarial,
        };
        let flat = |rows: Tensor<D>| rows.flatten::<2>(1, D - 1);
        let room = self.reach(inputs).map(|ball| {
            let [low, high] = match self.room(inputs) {
                Some((low, high)) => [low.max_pair(ball.clone().neg()), high.min_pair(ball)],
                None => [ball.clone().neg(), ball],
            };
            rules.narrowed([flat(low), flat(high)])
        });
        let start = flat(inputs.clone());
        let Some(related) = rules.related() else {
            let snapped = rules.snap(&start, flat(adversarial), room);
            return self.clamp(snapped.reshape(inputs.dims()));
        };
        // Where whole numbers or a ratio leave no such row, one on the way to it; the last is the input.
        let way = flat(adversarial) - start.clone();
        SHARES
            .into_iter()
            .fold(start.clone(), |found, share| {
                let moved = start.clone() + way.clone().mul_scalar(share);
                let mut snapped = rules.snap(&start, moved, room.clone());
                for _ in 0..STEPS_BACK {
                    snapped = rules.stepped(&start, snapped, room.as_ref());
                }
                let derived = related.derived(flat(self.clamp(snapped.reshape(inputs.dims()))));
                let inside = flat(self.clamp(derived.clone().reshape(inputs.dims())));
                let rounding = derived.clone().abs().mul_scalar(OF_FOLLOWERS);
                let outside = (inside.clone() - derived).abs().greater(rounding).any_dim(1);
                let broken = related.broken(&start, &inside).bool_or(outside);
                inside.mask_where(broken.expand(found.dims()), found)
            })
            .reshape(inputs.dims())
    }

    /// The rows that keep the relations between features, but for whole steps and categories: projected onto these and the
    /// bounds in turn, then, on the line to the input, into the ball and to where every limit holds.
    fn near(&self, related: &RelatedRows, inputs: &Tensor<D>, rows: Tensor<D>) -> Tensor<D> {
        const ROUNDS: usize = 3;
        let (shape, start) = (inputs.dims(), inputs.clone().flatten::<2>(1, D - 1));
        let weights = self.weights(related, &start);
        let reach = self.measure(rows.clone() - inputs.clone()).clamp_min(self.epsilon);
        let mut rows = rows;
        for _ in 0..ROUNDS {
            let nearer = related.projected(rows.flatten(1, D - 1), &weights).reshape(shape);
            rows = self.clamp(inputs.clone() + self.one_way(nearer - inputs.clone()));
        }
        let delta = rows - inputs.clone();
        let size = self.measure(delta.clone()).clamp_min(f32::MIN_POSITIVE);
        let delta = delta * (reach / size).clamp_max(1.0);
        let rows = (inputs.clone() + delta.clone()).flatten(1, D - 1);
        match related.share(&start, &rows) {
            Some(share) => {
                let rows = start.clone() + delta.flatten::<2>(1, D - 1) * share;
                rows.reshape(shape)
            }
            None => rows.reshape(shape),
        }
    }

    /// How easily each feature moves, `[1, features]`: the square of its scale, 0 for categories and what follows from others.
    fn weights(&self, related: &RelatedRows, rows: &Tensor<2>) -> Tensor<2> {
        let each = match &self.scale {
            Some(scale) => scale.each.clone().flatten::<2>(1, D - 1),
            None => rows.clone().slice_dim(0, 0..1).ones_like(),
        };
        let weights = related.chosen(each.square());
        match self.rules.as_ref().and_then(RowRules::in_categories) {
            Some(categories) => weights.mask_fill(categories, 0.0),
            None => weights,
        }
    }

    /// `adversarial` with each feature at a whole multiple of 1 / `levels`, no further from the input
    /// than ε or than it was: for L∞ the nearest such multiple, otherwise the next one towards the input.
    /// Frozen features stay as they are.
    ///
    /// Meant for inputs that are such multiples themselves. One that is not may have none near
    /// enough; the result then is outside the ball, and an evaluation does not count it.
    pub fn quantized(&self, inputs: &Tensor<D>, adversarial: Tensor<D>, levels: f64) -> Tensor<D> {
        const ROUNDING: f64 = 1e-3; // of a level: a multiple that rounding moved is still one
        let floor = |x: Tensor<D>| x.mul_scalar(levels).add_scalar(ROUNDING).floor();
        let ceil = |x: Tensor<D>| x.mul_scalar(levels).sub_scalar(ROUNDING).ceil();
        let nearest = adversarial.clone().mul_scalar(levels).round();
        let moved = match self.reach(inputs) {
            Some(ball) => {
                let reach = ball.max_pair((adversarial.clone() - inputs.clone()).abs());
                let (low, high) = (inputs.clone() - reach.clone(), inputs.clone() + reach);
                nearest.max_pair(ceil(low)).min_pair(floor(high))
            }
            None => {
                let rises = adversarial.clone().greater(inputs.clone());
                let falls = adversarial.clone().lower(inputs.clone());
                let towards = nearest.mask_where(rises, floor(adversarial.clone()));
                towards.mask_where(falls, ceil(adversarial.clone()))
            }
        };
        let moved = self.clamp(moved.div_scalar(levels));
        match self.scale() {
            Some(scale) => {
                let frozen = scale.clone().equal_scalar(0.0).expand(inputs.dims());
                moved.mask_where(frozen, inputs.clone())
            }
            None => moved,
        }
    }
}
