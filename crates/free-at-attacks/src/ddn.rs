//! The decoupled direction and norm attack.

use burn::tensor::Tensor;
use free_at_core::rows::for_each_feature;
use free_at_core::{
    Approach, Attack, AttackParameters, AttackTask, Closest, Error, MinimalAttack, Norm, Objective,
    Radius, Turn, minimize,
};
use serde::{Deserialize, Serialize};

use crate::parameters::{check_counts, check_range, cosine};

/// DDN: looks for the closest adversarial example in L2 along a sphere that shrinks by γ where the model is
/// fooled and grows by γ where it is not, along the gradient of the cross-entropy.
///
/// Rony, Hafemann, Oliveira, Ben Ayed, Sabourin, Granger, "Decoupling direction and norm for efficient gradient-based
/// L2 adversarial attacks and defenses", CVPR 2019, as the authors' adversarial-library has it. A sample whose gradient
/// is zero stays where it is; there it takes a random step.
///
/// ```
/// use free_at_attacks::Ddn;
/// use free_at_core::AttackParameters;
///
/// let attack = Ddn::new(100);
/// assert_eq!((attack.name().as_str(), attack.gradient_computations()), ("ddn-100", 100));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ddn {
    steps: usize,
    gamma: f64,
    first_norm: f64,
    levels: Option<u32>,
}

impl Ddn {
    /// The published defaults, γ = 0.05 and a first norm of 1, in `steps` steps, at least 1 (published: 100 to 1,000).
    pub fn new(steps: usize) -> Self {
        Self { steps, gamma: 0.05, first_norm: 1.0, levels: None }
    }

    /// By how much the sphere shrinks and grows, above 0 and below 1. Default: 0.05.
    #[must_use]
    pub fn with_gamma(self, gamma: f64) -> Self {
        Self { gamma, ..self }
    }

    /// Rounds every point to this many levels in [0, 1], at least 2; the paper has 256. Default: not at all.
    #[must_use]
    pub fn with_levels(self, levels: u32) -> Self {
        Self { levels: Some(levels), ..self }
    }
}

struct OnSphere<'a, const D: usize> {
    attack: &'a Ddn,
    taken: usize,
    delta: Tensor<D>,
    /// Of each sample, `[n, 1, …]`.
    radius: Tensor<D>,
}

impl<const D: usize> OnSphere<'_, D> {
    /// The perturbation stretched or shrunk to the sphere, within the bounds, at whole levels.
    fn on_sphere(&self, task: &AttackTask<D>, delta: Tensor<D>) -> Tensor<D> {
        let (allowed, inputs) = (task.allowed(), task.inputs());
        let length = allowed.measure(delta.clone()).clamp_min(f32::MIN_POSITIVE);
        let delta = allowed.one_way(delta * (self.radius.clone() / length));
        let delta = allowed.project_within(inputs, delta, &Radius::Each(self.radius.clone()));
        match self.attack.levels {
            Some(levels) => {
                let last = f64::from(levels - 1);
                let point = inputs.clone() + delta;
                point.mul_scalar(last).round().div_scalar(last) - inputs.clone()
            }
            None => delta,
        }
    }
}

impl<const D: usize> Approach<D> for OnSphere<'_, D> {
    fn step(&mut self, task: &AttackTask<'_, D>, closest: &mut Closest<D>) -> Result<(), Error> {
        const LAST_STEP: f64 = 0.01;
        let (allowed, inputs) = (task.allowed(), task.inputs());
        let seen = task.moved(&self.delta);
        let found = task.gradient(seen.clone(), task.goal(), Objective::CrossEntropy)?;
        let fooled = task.goal().fooled(found.logits);
        closest.offer(task, seen, fooled.clone());

        let step_size = cosine(1.0, LAST_STEP, self.taken, self.attack.steps);
        let ascended = self.delta.clone() + allowed.steepest_step(found.gradient, step_size);
        let (smaller, larger) = (1.0 - self.attack.gamma, 1.0 + self.attack.gamma);
        let shrinks = for_each_feature(fooled, &self.radius);
        let grown = self.radius.clone().mul_scalar(larger);
        self.radius = grown.mask_where(shrinks, self.radius.clone().mul_scalar(smaller));
        if let Some(furthest) = allowed.furthest(inputs) {
            self.radius = self.radius.clone().min_pair(furthest);
        }
        self.delta = self.on_sphere(task, ascended);
        self.taken += 1;
        Ok(())
    }

    fn turn(&mut self, turn: &Turn) {
        self.delta = turn.staying(self.delta.clone());
        self.radius = turn.staying(self.radius.clone());
    }
}

impl AttackParameters for Ddn {
    fn name(&self) -> String {
        format!("ddn-{}", self.steps)
    }

    fn check(&self) -> Result<(), Error> {
        check_counts("DDN", self.steps, 1)?;
        let kept = self.gamma > 0.0 && self.gamma < 1.0;
        check_range(kept, "DDN", "gamma", "above 0 and below 1", self.gamma)?;
        let levels = self.levels.unwrap_or(u32::MAX);
        check_range(levels >= 2, "DDN", "the number of levels", "at least 2", f64::from(levels))
    }

    fn gradient_computations(&self) -> usize {
        self.steps
    }

    fn norms(&self) -> &'static [Norm] {
        &[Norm::L2]
    }
}

impl<const D: usize> Attack<D> for Ddn {
    /// Of each sample an adversarial example within ε, or the input where none was found.
    fn run_once(&self, task: &AttackTask<D>, run: usize) -> Result<Tensor<D>, Error> {
        Ok(self.search(task, run, task.stops())?.0)
    }
}

impl<const D: usize> MinimalAttack<D> for Ddn {
    fn search(
        &self,
        task: &AttackTask<D>,
        _: usize,
        leaves: bool,
    ) -> Result<(Tensor<D>, Closest<D>), Error> {
        self.check()?;
        let delta = task.inputs().zeros_like();
        let radius = task.allowed().measure(delta.clone()).add_scalar(self.first_norm);
        minimize(task, self.steps, leaves, OnSphere { attack: self, taken: 0, delta, radius })
    }
}
