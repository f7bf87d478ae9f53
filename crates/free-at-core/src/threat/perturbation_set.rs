//! The perturbations that a threat model allows around samples of one shape.

use burn::tensor::Tensor;

use super::norm::geometry::{Ball, Geometry, Radius};
use super::norm::{Norm, with_norm};
use super::row_rules::RowRules;
use super::scale::{Scale, from_units, frozen, in_units};
use crate::draws::Draws;

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
    pub(super) epsilon: f64,
    bounds: InputBounds<D>,
    pub(super) scale: Option<Scale<D>>,
    pub(super) rules: Option<RowRules>,
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
    /// budget, `[n, 1, …]`, from 0 to 1: the corners of a box around all that is allowed then. Nothing in L0, where nothing but the
    /// bounds limits a feature, and where features follow from others.
    pub fn corners(&self, inputs: &Tensor<D>, shares: &Tensor<D>) -> Option<[Tensor<D>; 2]> {
        const ROUNDING: f64 = 2.0 * f32::EPSILON as f64; // of x ± ε itself
        if self.norm == Norm::L0 || self.rules.as_ref().is_some_and(RowRules::has_followers) {
            return None;
        }
        let whole = self.from_units(inputs.ones_like().mul_scalar(self.epsilon));
        let furthest = self.on_rows(whole.clone() * shares.clone(), |rules, rows| {
            match rules.in_categories() {
                // A free category is free with any budget.
                Some(free) => {
                    rows.clone().mask_where(free.expand(rows.dims()), whole.flatten(1, D - 1))
                }
                None => rows,
            }
        });
        let slack = self.only_free(inputs.clone().abs() + furthest.clone()).mul_scalar(ROUNDING);
        let (fall, rise) = (self.one_way(furthest.clone().neg()), self.one_way(furthest));
        let low = self.clamp(inputs.clone() + fall - slack.clone());
        Some([low, self.clamp(inputs.clone() + rise + slack)])
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

    /// A perturbation without what features do that follow from others.
    pub fn chosen(&self, delta: Tensor<D>) -> Tensor<D> {
        self.on_rows(delta, |rules, delta| rules.chosen(delta))
    }

    /// The gradient, found at `seen`, in what an adversary chooses: that in features that follow from others is passed on
    /// to those.
    pub fn pulled_back(&self, seen: &Tensor<D>, gradient: Tensor<D>) -> Tensor<D> {
        self.on_rows(gradient, |rules, gradient| match rules.related() {
            Some(related) => related.pulled_back(&seen.clone().flatten(1, D - 1), gradient),
            None => gradient,
        })
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
    pub(super) fn reach(&self, inputs: &Tensor<D>) -> Option<Tensor<D>> {
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
