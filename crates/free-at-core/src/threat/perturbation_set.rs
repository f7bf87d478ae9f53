//! The perturbations that a threat model allows around samples of one shape.

use burn::tensor::Tensor;

use super::norm::geometry::{Ball, Geometry, Radius};
use super::norm::{Norm, with_norm};
use super::related_rows::RelatedRows;
use super::row_rules::RowRules;
use super::scale::{Scale, from_units, frozen, in_units};
use crate::draws::Draws;

/// Steps of whole features that a row takes back where they broke a limit between features.
const STEPS_BACK: usize = 2;
/// Of the way to a row that cannot be, from the shortest on.
const SHARES: [f64; 4] = [0.25, 0.5, 0.75, 1.0];
/// What single precision may be off where a feature is computed from others.
const OF_FOLLOWERS: f64 = 4.0 * f32::EPSILON as f64;

#[derive(Debug, Clone)]
pub(crate) enum InputBounds<const D: usize> {
    None,
    Range(f32, f32),
    PerFeature(Box<[Tensor<D>; 2]>),
}

/// The perturbations that a [`ThreatModel`](crate::ThreatModel) allows around samples of one shape: projection onto
/// them, the steepest step within them, a random one of them. Made by
/// [`ThreatModel::around`](crate::ThreatModel::around).
///
/// It holds no input, only what is the same for all of them, on their device; so one serves any number of
/// batches.
#[derive(Debug, Clone)]
pub struct PerturbationSet<const D: usize> {
    norm: Norm,
    epsilon: f64,
    bounds: InputBounds<D>,
    scale: Option<Scale<D>>,
    rules: Option<RowRules>,
}

impl<const D: usize> PerturbationSet<D> {
    pub(crate) fn new(
        norm: Norm,
        epsilon: f64,
        bounds: InputBounds<D>,
        scale: Option<Scale<D>>,
        rules: Option<RowRules>,
    ) -> Self {
        Self { norm, epsilon, bounds, scale, rules }
    }

    /// The same with a share of the budget, above 0; above 1 it is a multiple of it.
    #[must_use]
    pub fn with_share(&self, share: f64) -> Self {
        let epsilon = share * self.epsilon;
        // A free category has a scale of 1 / ε, whatever ε is.
        let scale = match (&self.scale, self.rules.as_ref().and_then(RowRules::in_categories)) {
            (Some(Scale { each, values, .. }), Some(categories)) => {
                let categories = categories.reshape(each.dims());
                let wider = each.clone().div_scalar(share);
                Some(Scale::new(each.clone().mask_where(categories, wider), values.clone()))
            }
            (scale, _) => scale.clone(),
        };
        Self { epsilon, scale, ..self.clone() }
    }

    /// The norm.
    pub fn norm(&self) -> Norm {
        self.norm
    }

    /// The budget, in the unit of the inputs.
    pub fn epsilon(&self) -> f64 {
        self.epsilon
    }

    /// The scale of each feature, `[1, …]`, if there is one.
    pub fn scale(&self) -> Option<&Tensor<D>> {
        self.scale.as_ref().map(|scale| &scale.each)
    }

    /// What is measured in units of the scale as a perturbation of the inputs.
    pub fn from_units(&self, units: Tensor<D>) -> Tensor<D> {
        from_units(units, self.scale.as_ref())
    }

    /// A perturbation of the inputs in units of the scale.
    pub fn in_units(&self, delta: Tensor<D>) -> Tensor<D> {
        in_units(delta, self.scale.as_ref())
    }

    /// The perturbation without that of features that may not move.
    pub fn only_free(&self, delta: Tensor<D>) -> Tensor<D> {
        frozen(delta, self.scale.as_ref())
    }

    /// The lowest and the highest value that each feature of each input may have, `[n, …]` each, with so many shares of the
    /// budget, `[n, 1, …]`, from 0 to 1: the corners of a box around all that is allowed then. In L0, where nothing but the
    /// bounds limits a feature, nothing.
    pub fn corners(&self, inputs: &Tensor<D>, shares: &Tensor<D>) -> Option<[Tensor<D>; 2]> {
        const ROUNDING: f64 = 2.0 * f32::EPSILON as f64; // of x ± ε itself
        if self.norm == Norm::L0 {
            return None;
        }
        let whole = self.from_units(inputs.ones_like().mul_scalar(self.epsilon));
        let furthest = whole.clone() * shares.clone();
        let furthest = match self.rules.as_ref().and_then(RowRules::in_categories) {
            // A free category is free with any budget.
            Some(categories) => {
                let shape = furthest.dims();
                let mut row = [1; D];
                row[1..].copy_from_slice(&shape[1..]);
                furthest.mask_where(categories.reshape(row).expand(shape), whole)
            }
            None => furthest,
        };
        let slack = self.only_free(inputs.clone().abs() + furthest.clone()).mul_scalar(ROUNDING);
        let (fall, rise) = (self.one_way(furthest.clone().neg()), self.one_way(furthest));
        let low = self.clamp(inputs.clone() + fall - slack.clone());
        let high = self.clamp(inputs.clone() + rise + slack);
        Some(match self.rules.as_ref().and_then(RowRules::related) {
            Some(related) => {
                let shape = low.dims();
                let open = |corner: Tensor<D>, end| {
                    let follows =
                        related.follow().expand([shape[0], shape.iter().skip(1).product()]);
                    corner.flatten::<2>(1, D - 1).mask_fill(follows, end).reshape(shape)
                };
                [open(low, f32::NEG_INFINITY), open(high, f32::INFINITY)]
            }
            None => [low, high],
        })
    }

    /// The size of the largest perturbation that the input bounds leave each input, `[n, 1, …]`; nothing where there are
    /// no bounds.
    pub fn furthest(&self, inputs: &Tensor<D>) -> Option<Tensor<D>> {
        let (low, high) = self.room(inputs)?;
        Some(self.measure(self.only_free(low.neg().max_pair(high))))
    }

    /// The inputs themselves, clamped to the input bounds.
    pub fn clamp(&self, inputs: Tensor<D>) -> Tensor<D> {
        match &self.bounds {
            InputBounds::None => inputs,
            InputBounds::Range(low, high) => inputs.clamp(*low, *high),
            InputBounds::PerFeature(limits) => {
                let [low, high] = *limits.clone();
                inputs.max_pair(low).min_pair(high)
            }
        }
    }

    /// How far each feature of `inputs` may fall and rise within the input bounds: `low − x` and
    /// `high − x`, `[n, …]` each; nothing where there are no bounds.
    pub fn room(&self, inputs: &Tensor<D>) -> Option<(Tensor<D>, Tensor<D>)> {
        match &self.bounds {
            InputBounds::None => None,
            InputBounds::Range(low, high) => {
                let below = inputs.clone().neg();
                Some((below.clone().add_scalar(*low), below.add_scalar(*high)))
            }
            InputBounds::PerFeature(limits) => {
                let [low, high] = *limits.clone();
                Some((low - inputs.clone(), high - inputs.clone()))
            }
        }
    }

    /// The perturbation without what goes a way that a feature may not.
    pub fn one_way(&self, delta: Tensor<D>) -> Tensor<D> {
        self.on_rows(delta, |rules, delta| rules.one_way(&delta.zeros_like(), delta))
    }

    /// The perturbation projected onto the ε-ball, without what goes a way that a feature may not; the
    /// input bounds are left aside.
    pub fn project_to_ball(&self, delta: Tensor<D>) -> Tensor<D> {
        let delta = self.one_way(delta);
        with_norm!(self.norm, N => N::to_ball(delta, &self.ball(&Radius::All(self.epsilon))))
    }

    /// The perturbation limited so that `inputs + delta` is within the input bounds.
    ///
    /// For inputs within the bounds each feature of it only shrinks, so a perturbation in the ball
    /// stays there.
    pub fn project_to_bounds(&self, inputs: &Tensor<D>, delta: Tensor<D>) -> Tensor<D> {
        let Some((low, high)) = self.room(inputs) else { return delta };
        delta.max_pair(low).min_pair(high)
    }

    /// The perturbation projected onto the ε-ball and the input bounds.
    ///
    /// For images as the published programs do it: onto the ball, then into the bounds, which for L2 is
    /// in both, though not the nearest point. For L1, and with [rules for features](crate::FeatureRules), it is the
    /// nearest one.
    pub fn project(&self, inputs: &Tensor<D>, delta: Tensor<D>) -> Tensor<D> {
        self.project_within(inputs, delta, &Radius::All(self.epsilon))
    }

    /// The same, onto a ball of another radius, or of one for each sample: for attacks that look for the
    /// smallest perturbation.
    pub fn project_within(
        &self,
        inputs: &Tensor<D>,
        delta: Tensor<D>,
        radius: &Radius<D>,
    ) -> Tensor<D> {
        let (delta, room, nearest) = (self.one_way(delta), self.room(inputs), self.rules.is_some());
        with_norm!(self.norm, N => N::project(delta, &self.ball(radius), room, nearest))
    }

    /// The step of length `size` along which the loss rises fastest in this norm: `size · sign(g)`
    /// for L∞, `size · g / ‖g‖₂` for L2, for L1 `size` in the feature with the largest |g|; zero where the gradient is.
    /// Of a group of categories the one with the largest gradient rises and the others fall.
    pub fn steepest_step(&self, gradient: Tensor<D>, size: f64) -> Tensor<D> {
        let scale = self.scale.as_ref();
        let step = match &self.rules {
            None => with_norm!(self.norm, N => N::steepest(gradient, scale)),
            Some(rules) => {
                let step = with_norm!(self.norm, N => N::steepest(gradient.clone(), scale));
                let shape = step.dims();
                rules.signs(&gradient.flatten(1, D - 1), step.flatten(1, D - 1)).reshape(shape)
            }
        };
        from_units(step.mul_scalar(size), scale)
    }

    /// A random perturbation of each input, uniform over the ε-ball, then limited to the bounds.
    pub fn random_start(&self, inputs: &Tensor<D>, draws: &Draws) -> Tensor<D> {
        self.placed(inputs, self.uniform(inputs, draws).mul_scalar(self.epsilon))
    }

    /// A random perturbation of each input on the edge of the ε-ball, where APGD starts: for L∞ a
    /// uniform one stretched until its largest entry is ε, for L2 a uniform direction of length ε, for L1 a uniform point of
    /// the ball's surface. Then limited to the bounds.
    pub fn random_edge(&self, inputs: &Tensor<D>, draws: &Draws) -> Tensor<D> {
        let direction = frozen(self.uniform(inputs, draws), self.scale.as_ref());
        let length = self.norm.of(direction.clone()).clamp_min(f32::MIN_POSITIVE);
        self.placed(inputs, (direction / length).mul_scalar(self.epsilon))
    }

    /// A random step of length `size`: for L∞ `size` up or down in every feature, for L2 in a uniform
    /// direction. Then limited to the bounds.
    pub fn random_step(&self, inputs: &Tensor<D>, draws: &Draws, size: f64) -> Tensor<D> {
        let uniform = frozen(self.uniform(inputs, draws), self.scale.as_ref());
        let step = with_norm!(self.norm, N => N::random_step(uniform));
        self.placed(inputs, step.mul_scalar(size))
    }

    /// A point of the unit ball for each input, in units of the scale.
    fn uniform(&self, inputs: &Tensor<D>, draws: &Draws) -> Tensor<D> {
        let (shape, device) = (inputs.dims(), inputs.device().without_autodiff());
        with_norm!(self.norm, N => N::uniform(draws, shape, self.scale.as_ref(), &device))
    }

    /// What was drawn in units of the scale, as a perturbation of the inputs.
    fn placed(&self, inputs: &Tensor<D>, drawn: Tensor<D>) -> Tensor<D> {
        let delta = from_units(drawn, self.scale.as_ref());
        self.project_to_bounds(inputs, self.on_rows(delta, RowRules::turned))
    }

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

    /// A perturbation without what features do that follow from others.
    pub fn chosen(&self, delta: Tensor<D>) -> Tensor<D> {
        match self.rules.as_ref().and_then(RowRules::related) {
            Some(related) => {
                let shape = delta.dims();
                related.chosen(delta.flatten(1, D - 1)).reshape(shape)
            }
            None => delta,
        }
    }

    /// The gradient, found at `seen`, in what an adversary chooses: that in features that follow from others is passed on
    /// to those.
    pub fn pulled_back(&self, seen: &Tensor<D>, gradient: Tensor<D>) -> Tensor<D> {
        match self.rules.as_ref().and_then(RowRules::related) {
            Some(related) => {
                let (shape, rows) = (gradient.dims(), seen.clone().flatten(1, D - 1));
                related.pulled_back(&rows, gradient.flatten(1, D - 1)).reshape(shape)
            }
            None => gradient,
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

    /// The size of each sample's perturbation as the threat model measures it, `[n, 1, …]`.
    ///
    /// A frozen feature counts as it is, so any change of it is seen; one that follows from others does not count.
    pub fn measure(&self, delta: Tensor<D>) -> Tensor<D> {
        self.norm.of(in_units(self.chosen(delta), self.scale.as_ref()))
    }

    fn ball<'a>(&'a self, radius: &'a Radius<D>) -> Ball<'a, D> {
        Ball { radius, scale: self.scale.as_ref() }
    }

    /// How far each feature may move in the ball, `[n, …]`, where that does not depend on the others.
    fn reach(&self, inputs: &Tensor<D>) -> Option<Tensor<D>> {
        with_norm!(self.norm, N => N::reach(&self.ball(&Radius::All(self.epsilon)), inputs))
    }

    /// What the rules make of some rows.
    fn on_rows(
        &self,
        rows: Tensor<D>,
        change: impl FnOnce(&RowRules, Tensor<2>) -> Tensor<2>,
    ) -> Tensor<D> {
        let Some(rules) = &self.rules else { return rows };
        let shape = rows.dims();
        change(rules, rows.flatten(1, D - 1)).reshape(shape)
    }
}
