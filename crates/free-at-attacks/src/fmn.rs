//! The fast minimum-norm attack.

use burn::tensor::{Bool, Tensor};
use free_at_core::rows::{column, for_each_feature, nobody, unit_length};
use free_at_core::{
    Approach, Attack, AttackParameters, AttackTask, Closest, Error, MinimalAttack, Norm, Objective,
    Radius, Turn, minimize,
};
use serde::{Deserialize, Serialize};

use crate::dual::{Dual, duals};
use crate::parameters::{check_counts, check_range, cosine, for_norm, norms_of};

/// FMN: looks for the closest adversarial example along a ball whose radius follows the boundary. Where the model is
/// fooled it shrinks by γ, where it was fooled before it grows by γ, and where it never was it reaches as far as the
/// boundary would be if the margin were linear, and grows by γ at least; each step goes along the gradient of the margin and
/// back onto the ball.
///
/// Pintor, Roli, Brendel, Biggio, "Fast minimum-norm adversarial attacks through adaptive norm constraints", NeurIPS
/// 2021, as adversarial-library has it: steps of α from 1 down to 0.01 and γ from 0.05 down to 0.001 along a cosine,
/// from the input. In two things it departs from that. There the radius of a sample that was never fooled need not grow, and in L2 and L1
/// a third of the digits are never fooled: the linearised boundary is approached and not crossed. And for L2 what is inside the ball
/// is stretched to its edge (Foolbox does not project at all); here it is projected, as in the paper.
///
/// ```
/// use free_at_attacks::Fmn;
/// use free_at_core::{AttackParameters, Norm};
///
/// let attack = Fmn::new(100);
/// assert_eq!(attack.name(), "fmn-100");
/// assert!(attack.norms().contains(&Norm::L0));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fmn {
    steps: usize,
    step_size: f64,
    gamma: f64,
}

/// None where the radius counts features.
const fn duals_and_none<const D: usize>() -> [(Norm, Option<Dual<D>>); 4] {
    let [linf, l2, l1] = duals();
    [(linf.0, Some(linf.1)), (l2.0, Some(l2.1)), (l1.0, Some(l1.1)), (Norm::L0, None)]
}

/// The norms are the same for inputs of any rank.
const NORMS: [Norm; 4] = norms_of(&duals_and_none::<4>());

impl Fmn {
    /// The published defaults in `steps` steps, at least 1 (published: 100 to 1,000).
    pub fn new(steps: usize) -> Self {
        Self { steps, step_size: 1.0, gamma: 0.05 }
    }

    /// The length of the first step, which falls to a hundredth; finite and above 0. Default: 1.
    #[must_use]
    pub fn with_step_size(self, step_size: f64) -> Self {
        Self { step_size, ..self }
    }

    /// By how much the ball shrinks and grows at first, above 0 and below 1. Default: 0.05.
    #[must_use]
    pub fn with_gamma(self, gamma: f64) -> Self {
        Self { gamma, ..self }
    }
}

struct AlongBoundary<'a, const D: usize> {
    attack: &'a Fmn,
    dual: Option<Dual<D>>,
    taken: usize,
    delta: Tensor<D>,
    /// Of each sample, `[n, 1, …]`.
    radius: Tensor<D>,
    /// Which samples have fooled the model at some point.
    found: Tensor<1, Bool>,
}

impl<const D: usize> AlongBoundary<'_, D> {
    /// The radius after a point at distance `size`.
    fn next_radius(
        &self,
        size: Tensor<D>,
        boundary: Option<Tensor<D>>,
        fooled: &Tensor<1, Bool>,
        best: Tensor<D>,
        gamma: f64,
    ) -> Tensor<D> {
        let each = |flags: Tensor<1, Bool>| for_each_feature(flags, &self.radius);
        let scaled = |by: f64| self.radius.clone().mul_scalar(by);
        match boundary {
            Some(distance) => {
                let grown = scaled(1.0 + gamma);
                let linear = size + distance;
                let further = linear.clone().max_pair(grown.clone());
                let first = self.radius.clone().is_finite().bool_not();
                let reach = further.mask_where(first, linear);
                let reach = reach.mask_where(each(self.found.clone()), grown);
                reach.mask_where(each(fooled.clone()), scaled(1.0 - gamma).min_pair(best))
            }
            // Whole features, at least one more or one less.
            None => {
                let grown = scaled(1.0 + gamma).floor().max_pair(self.radius.clone().add_scalar(1));
                let less = self.radius.clone().sub_scalar(1);
                let shrunk = scaled(1.0 - gamma).floor().min_pair(less).min_pair(best);
                grown.mask_where(each(fooled.clone()), shrunk).clamp_min(0.0)
            }
        }
    }
}

impl<const D: usize> Approach<D> for AlongBoundary<'_, D> {
    fn step(&mut self, task: &AttackTask<'_, D>, closest: &mut Closest<D>) -> Result<(), Error> {
        const LAST_GAMMA: f64 = 0.001;
        let Fmn { steps, step_size, gamma } = *self.attack;
        let (allowed, inputs) = (task.allowed(), task.inputs());
        let seen = task.moved(&self.delta);
        let found = task.gradient(seen.clone(), task.goal(), Objective::Margin)?;
        let fooled = task.goal().fooled(found.logits);
        let size = allowed.measure(seen.clone() - inputs.clone());
        closest.offer(task, seen, fooled.clone());
        self.found = self.found.clone().bool_or(fooled.clone());

        let gradient = allowed.from_units(found.gradient);
        let boundary = self.dual.map(|dual| {
            let slope = dual(gradient.clone()).clamp_min(f32::MIN_POSITIVE);
            column::<D>(found.values.abs()) / slope
        });
        let best = column(closest.norms().clone());
        let gamma = cosine(gamma, LAST_GAMMA.min(gamma), self.taken, steps);
        self.radius = self.next_radius(size, boundary, &fooled, best, gamma);
        if let Some(furthest) = allowed.furthest(inputs) {
            self.radius = self.radius.clone().min_pair(furthest);
        }
        let step_size = cosine(step_size, step_size / 100.0, self.taken, steps);
        let step = allowed.from_units(unit_length(gradient)).mul_scalar(step_size);
        let moved = self.delta.clone() + step;
        self.delta = allowed.project_within(inputs, moved, &Radius::Each(self.radius.clone()));
        self.taken += 1;
        Ok(())
    }

    fn turn(&mut self, turn: &Turn) {
        self.delta = turn.staying(self.delta.clone());
        self.radius = turn.staying(self.radius.clone());
        self.found = turn.staying_flags(self.found.clone());
    }
}

impl AttackParameters for Fmn {
    fn name(&self) -> String {
        format!("fmn-{}", self.steps)
    }

    fn check(&self) -> Result<(), Error> {
        check_counts("FMN", self.steps, 1)?;
        let kept = self.step_size > 0.0 && self.step_size.is_finite();
        check_range(kept, "FMN", "the first step", "finite and above 0", self.step_size)?;
        let kept = self.gamma > 0.0 && self.gamma < 1.0;
        check_range(kept, "FMN", "gamma", "above 0 and below 1", self.gamma)
    }

    fn gradient_computations(&self) -> usize {
        self.steps
    }

    fn norms(&self) -> &'static [Norm] {
        &NORMS
    }
}

impl<const D: usize> Attack<D> for Fmn {
    /// Of each sample an adversarial example within ε, or the input where none was found.
    fn run_once(&self, task: &AttackTask<D>, run: usize) -> Result<Tensor<D>, Error> {
        Ok(self.search(task, run, task.stops())?.0)
    }
}

impl<const D: usize> MinimalAttack<D> for Fmn {
    fn search(
        &self,
        task: &AttackTask<D>,
        _: usize,
        leaves: bool,
    ) -> Result<(Tensor<D>, Closest<D>), Error> {
        self.check()?;
        let dual = for_norm("FMN", &duals_and_none::<D>(), task.allowed().norm())?;
        let delta = task.inputs().zeros_like();
        let size = task.allowed().measure(delta.clone());
        let radius = match dual {
            Some(_) => size.add_scalar(f32::INFINITY),
            None => size.add_scalar(1.0),
        };
        let found = nobody(task.inputs());
        let search = AlongBoundary { attack: self, dual, taken: 0, delta, radius, found };
        minimize(task, self.steps, leaves, search)
    }
}
