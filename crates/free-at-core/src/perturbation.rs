//! The perturbations that a threat model allows around samples of one shape.

mod rules;

use burn::tensor::{FloatDType, Tensor};

use crate::{Draws, Norm};

pub(crate) use rules::DeviceRules;

#[derive(Debug, Clone)]
pub(crate) enum InputBounds<const D: usize> {
    None,
    Range(f32, f32),
    PerFeature(Box<[Tensor<D>; 2]>),
}

/// The perturbations that a [`ThreatModel`](crate::ThreatModel) allows around samples of one shape: projection onto
/// them, the steepest step within them, a random one of them. Made by
/// [`ThreatModel::around`](crate::ThreatModel::around).
#[derive(Debug, Clone)]
pub struct PerturbationSet<const D: usize> {
    norm: Norm,
    epsilon: f64,
    bounds: InputBounds<D>,
    scale: Option<(Tensor<D>, Vec<f32>)>,
    rules: Option<DeviceRules>,
}

impl<const D: usize> PerturbationSet<D> {
    pub(crate) fn new(
        norm: Norm,
        epsilon: f64,
        bounds: InputBounds<D>,
        scale: Option<(Tensor<D>, Vec<f32>)>,
        rules: Option<DeviceRules>,
    ) -> Self {
        Self { norm, epsilon, bounds, scale, rules }
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
        self.scale.as_ref().map(|(scale, _)| scale)
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

    /// The perturbation projected onto the ε-ball, without what goes a way that a feature may not; the
    /// input bounds are left aside.
    pub fn project_to_ball(&self, delta: Tensor<D>) -> Tensor<D> {
        let delta = self.one_way(delta);
        match (self.norm, &self.scale) {
            (Norm::Linf, None) => delta.clamp(-self.epsilon, self.epsilon),
            (Norm::Linf, Some((scale, _))) => {
                let limit = scale.clone().mul_scalar(self.epsilon);
                delta.max_pair(limit.clone().neg()).min_pair(limit)
            }
            (Norm::L2, _) => {
                let delta = self.freeze(delta);
                // 1 inside the ball, ε / ‖δ‖ outside.
                let length = self.measure(delta.clone()).clamp_min(self.epsilon);
                delta * length.recip().mul_scalar(self.epsilon)
            }
        }
    }

    /// The perturbation without what goes a way that a feature may not.
    pub fn one_way(&self, delta: Tensor<D>) -> Tensor<D> {
        self.on_rows(delta, |rules, delta| rules.one_way(&delta.zeros_like(), delta))
    }

    /// The perturbation limited so that `inputs + delta` is within the input bounds.
    ///
    /// For inputs within the bounds each feature of it only shrinks, so a perturbation in the ball
    /// stays there.
    pub fn project_to_bounds(&self, inputs: &Tensor<D>, delta: Tensor<D>) -> Tensor<D> {
        let Some((low, high)) = self.room(inputs) else { return delta };
        delta.max_pair(low).min_pair(high)
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

    /// The perturbation projected onto the ε-ball and the input bounds.
    ///
    /// For images as the published programs do it: onto the ball, then into the bounds, which for L2 is
    /// in both, though not the nearest point. With [rules for features](crate::FeatureRules) it is the
    /// nearest one.
    pub fn project(&self, inputs: &Tensor<D>, delta: Tensor<D>) -> Tensor<D> {
        match (self.norm, &self.rules, self.room(inputs)) {
            (Norm::L2, Some(_), Some(room)) => self.nearest(self.freeze(self.one_way(delta)), room),
            _ => self.project_to_bounds(inputs, self.project_to_ball(delta)),
        }
    }

    /// The nearest perturbation that is in the L2 ball and in a box around zero.
    ///
    /// It is t δ cut to the box, with the largest t ≤ 1 for which that is in the ball. The length rises
    /// with t, ever more slowly as features reach the box, so Newton's method from a t that is too small
    /// never goes too far, and is exact once no further feature is cut.
    fn nearest(&self, delta: Tensor<D>, (low, high): (Tensor<D>, Tensor<D>)) -> Tensor<D> {
        const NEWTON_STEPS: usize = 16; // 3 to 5 are enough as a rule
        let squares = |part: Tensor<D>| self.measure(part).square();
        let cut = |t: &Tensor<D>| {
            let scaled = delta.clone() * t.clone();
            let inside = scaled.clone().max_pair(low.clone()).min_pair(high.clone());
            let touched = inside.clone().not_equal(scaled);
            (inside, touched)
        };
        let budget = self.epsilon * self.epsilon;
        let length = self.measure(delta.clone()).clamp_min(self.epsilon);
        let mut t = length.recip().mul_scalar(self.epsilon);
        for _ in 0..NEWTON_STEPS {
            let (inside, touched) = cut(&t);
            let spent = squares(inside.mask_fill(touched.clone().bool_not(), 0.0));
            let moving = squares(delta.clone().mask_fill(touched, 0.0));
            let left = spent.neg().add_scalar(budget).clamp_min(0.0);
            let next = (left / moving.clamp_min(f32::MIN_POSITIVE)).sqrt().clamp_max(1.0);
            t = t.max_pair(next);
        }
        cut(&t).0
    }

    /// The step of length `size` along which the loss rises fastest in this norm: `size · sign(g)`
    /// for L∞, `size · g / ‖g‖₂` for L2, zero where the gradient is. Of a group of categories the one
    /// with the largest gradient rises and the others fall.
    pub fn steepest_step(&self, gradient: Tensor<D>, size: f64) -> Tensor<D> {
        match (self.norm, &self.scale) {
            (Norm::Linf, None) => gradient.sign().mul_scalar(size),
            (Norm::Linf, Some((scale, _))) => {
                let signs = self.on_rows(gradient.clone().sign(), |rules, signs| {
                    rules.signs(&gradient.flatten(1, D - 1), signs)
                });
                signs.mul_scalar(size) * scale.clone()
            }
            (Norm::L2, None) => unit_length(gradient).mul_scalar(size),
            // Steepest in δ / s is along s·g; that step, seen in δ, is s times as long.
            (Norm::L2, Some((scale, _))) => {
                unit_length(gradient * scale.clone()).mul_scalar(size) * scale.clone()
            }
        }
    }

    /// A random perturbation of each input, uniform over the ε-ball, then limited to the bounds.
    pub fn random_start(&self, inputs: &Tensor<D>, draws: &Draws) -> Tensor<D> {
        let (shape, device) = (inputs.dims(), inputs.device().without_autodiff());
        let scale = self.scale.as_ref();
        let start = match self.norm {
            Norm::Linf => draws.uniform(shape, &device),
            Norm::L2 => draws.unit_ball(shape, scale.map(|(_, s)| s.as_slice()), &device),
        };
        self.placed(inputs, start.mul_scalar(self.epsilon))
    }

    /// A random perturbation of each input on the edge of the ε-ball, where APGD starts: for L∞ a
    /// uniform one stretched until its largest entry is ε, for L2 a uniform direction of length ε.
    /// Then limited to the bounds.
    pub fn random_edge(&self, inputs: &Tensor<D>, draws: &Draws) -> Tensor<D> {
        let (shape, device) = (inputs.dims(), inputs.device().without_autodiff());
        let scale = self.scale.as_ref();
        let direction = match self.norm {
            Norm::Linf => self.freeze(draws.uniform(shape, &device)),
            Norm::L2 => draws.unit_ball(shape, scale.map(|(_, s)| s.as_slice()), &device),
        };
        let length = self.norm.of(direction.clone()).clamp_min(f32::MIN_POSITIVE);
        self.placed(inputs, (direction / length).mul_scalar(self.epsilon))
    }

    /// What was drawn in units of the scale, as a perturbation of the inputs.
    fn placed(&self, inputs: &Tensor<D>, drawn: Tensor<D>) -> Tensor<D> {
        let delta = match &self.scale {
            Some((scale, _)) => drawn * scale.clone(),
            None => drawn,
        };
        self.project_to_bounds(inputs, self.on_rows(delta, DeviceRules::turned))
    }

    /// `adversarial` with the [rules for features](crate::FeatureRules) kept: nothing moved the wrong way,
    /// features with a step at whole steps from the input, and of each group of categories the largest
    /// at 1 and the others at 0 (of equals the input's own). The adversarial example itself without rules.
    ///
    /// For L∞ it is the nearest such row within ε and the bounds, for L2 steps are rounded towards the
    /// input, which stays within ε. Gradients are meant to pass straight through.
    pub fn snap(&self, inputs: &Tensor<D>, adversarial: Tensor<D>) -> Tensor<D> {
        let Some(rules) = &self.rules else { return adversarial };
        let flat = |rows: Tensor<D>| rows.flatten::<2>(1, D - 1);
        let room = (self.norm == Norm::Linf).then(|| {
            let ball = self.ball(inputs);
            let [low, high] = match self.room(inputs) {
                Some((low, high)) => [low.max_pair(ball.clone().neg()), high.min_pair(ball)],
                None => [ball.clone().neg(), ball],
            };
            rules.narrowed([flat(low), flat(high)])
        });
        let snapped = rules.snap(&flat(inputs.clone()), flat(adversarial), room);
        self.clamp(snapped.reshape(inputs.dims()))
    }

    /// How far each feature may move in the L∞ ball, `[n, …]`.
    fn ball(&self, inputs: &Tensor<D>) -> Tensor<D> {
        match &self.scale {
            Some((scale, _)) => scale.clone().mul_scalar(self.epsilon).expand(inputs.dims()),
            None => inputs.ones_like().mul_scalar(self.epsilon),
        }
    }

    /// What the rules make of some rows.
    fn on_rows(
        &self,
        rows: Tensor<D>,
        change: impl FnOnce(&DeviceRules, Tensor<2>) -> Tensor<2>,
    ) -> Tensor<D> {
        let Some(rules) = &self.rules else { return rows };
        let shape = rows.dims();
        change(rules, rows.flatten(1, D - 1)).reshape(shape)
    }

    /// `adversarial` with each feature at a whole multiple of 1 / `levels`, no further from the input
    /// than ε or than it was: for L∞ the nearest such multiple, for L2 the next one towards the input.
    /// Frozen features stay as they are.
    ///
    /// Meant for inputs that are such multiples themselves. One that is not may have none near
    /// enough; the result then is outside the ball, and an evaluation does not count it.
    pub fn on_lattice(&self, inputs: &Tensor<D>, adversarial: Tensor<D>, levels: f64) -> Tensor<D> {
        const ROUNDING: f64 = 1e-3; // of a level: a multiple that rounding moved is still one
        let floor = |x: Tensor<D>| x.mul_scalar(levels).add_scalar(ROUNDING).floor();
        let ceil = |x: Tensor<D>| x.mul_scalar(levels).sub_scalar(ROUNDING).ceil();
        let nearest = adversarial.clone().mul_scalar(levels).round();
        let moved = match self.norm {
            Norm::Linf => {
                let ball = self.ball(inputs);
                let reach = ball.max_pair((adversarial.clone() - inputs.clone()).abs());
                let (low, high) = (inputs.clone() - reach.clone(), inputs.clone() + reach);
                nearest.max_pair(ceil(low)).min_pair(floor(high))
            }
            Norm::L2 => {
                let rises = adversarial.clone().greater(inputs.clone());
                let falls = adversarial.clone().lower(inputs.clone());
                let towards = nearest.mask_where(rises, floor(adversarial.clone()));
                towards.mask_where(falls, ceil(adversarial.clone()))
            }
        };
        let moved = self.clamp(moved.div_scalar(levels));
        match &self.scale {
            Some((scale, _)) => {
                let frozen = scale.clone().equal_scalar(0.0).expand(inputs.dims());
                moved.mask_where(frozen, inputs.clone())
            }
            None => moved,
        }
    }

    /// The size of each sample's perturbation as the threat model measures it, `[n, 1, …]`.
    ///
    /// A frozen feature counts as it is, so any change of it is seen.
    pub fn measure(&self, delta: Tensor<D>) -> Tensor<D> {
        self.norm.of(match &self.scale {
            Some((scale, _)) => {
                let divisor = scale.clone().mask_fill(scale.clone().equal_scalar(0.0), 1.0);
                delta / divisor
            }
            None => delta,
        })
    }

    fn freeze(&self, delta: Tensor<D>) -> Tensor<D> {
        match &self.scale {
            Some((scale, _)) => delta * scale.clone().greater_scalar(0.0).cast(FloatDType::F32),
            None => delta,
        }
    }
}

/// Each sample's gradient over its L2 norm; zero where the gradient is.
pub(crate) fn unit_length<const D: usize>(gradient: Tensor<D>) -> Tensor<D> {
    // Over its largest element first: the squares of a confident sample's gradient would underflow.
    let largest = Norm::Linf.of(gradient.clone());
    let largest = largest.clone().mask_fill(largest.equal_scalar(0.0), 1.0);
    let gradient = gradient / largest;
    let length = Norm::L2.of(gradient.clone()).clamp_min(1.0); // is 0, or at least 1
    gradient / length
}
