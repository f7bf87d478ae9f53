//! The elastic-net attack.

use burn::tensor::Tensor;
use free_at_core::{
    Approach, Attack, AttackParameters, AttackTask, Closest, Error, MinimalAttack, Norm, Turn,
    minimize,
};
use serde::{Deserialize, Serialize};

use crate::constants::{Constants, Weighing, shortfall, wins};
use crate::parameters::check_range;

/// EAD: looks for the closest adversarial example in L1 by descending, with accelerated shrinkage and thresholding
/// (FISTA), on ‖δ‖₂² + β ‖δ‖₁ + c · max(κ − margin, 0); the least constant c that will do is found sample by sample, as C&W does
/// it.
///
/// Chen, Sharma, Zhang, Yi, Hsieh, "EAD: elastic-net attacks to deep neural networks via adversarial examples", AAAI
/// 2018, as Foolbox has it with the decision rule "L1": β = 0.01; steps of 0.01, falling with the root of what is left; c from
/// 0.001, nine in all. (As for C&W, nobody's search ends early for the sake of others.)
///
/// ```
/// use free_at_attacks::Ead;
/// use free_at_core::AttackParameters;
///
/// let attack = Ead::new().with_steps(100); // with each of 9 constants
/// assert_eq!((attack.name().as_str(), attack.gradient_computations()), ("ead-9x100", 900));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ead {
    weighing: Weighing,
    beta: f64,
    step_size: f64,
}

impl Default for Ead {
    fn default() -> Self {
        Self { weighing: Weighing::PUBLISHED, beta: 0.01, step_size: 0.01 }
    }
}

impl Ead {
    /// The published defaults: 1,000 steps with each of 9 constants, β = 0.01.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many steps with each constant; at least 1. Default: 1,000.
    #[must_use]
    pub fn with_steps(mut self, steps: usize) -> Self {
        self.weighing.steps = steps;
        self
    }

    /// How many constants c; at least 1. Default: 9.
    #[must_use]
    pub fn with_constants(mut self, constants: usize) -> Self {
        self.weighing.constants = constants;
        self
    }

    /// The first c; finite and above 0. Default: 0.001.
    #[must_use]
    pub fn with_first_constant(mut self, first: f64) -> Self {
        self.weighing.first = first;
        self
    }

    /// κ: by how much the wrong answer has to win; finite and at least 0. Default: 0.
    #[must_use]
    pub fn with_confidence(mut self, confidence: f64) -> Self {
        self.weighing.confidence = confidence;
        self
    }

    /// The weight of ‖δ‖₁, below which changes are dropped; finite and at least 0. Default: 0.01.
    #[must_use]
    pub fn with_beta(self, beta: f64) -> Self {
        Self { beta, ..self }
    }
}

struct Shrinking<'a, const D: usize> {
    attack: &'a Ead,
    taken: usize,
    delta: Tensor<D>,
    /// Where the gradient is taken: on from the last step.
    ahead: Tensor<D>,
    constants: Constants,
}

impl<const D: usize> Shrinking<'_, D> {
    /// What is left of a change when β is taken off, in units of the scale.
    fn shrunk(&self, task: &AttackTask<D>, delta: Tensor<D>) -> Tensor<D> {
        let allowed = task.allowed();
        let units = allowed.in_units(delta);
        let left = units.clone().abs().sub_scalar(self.attack.beta).clamp_min(0.0);
        let delta = allowed.one_way(allowed.from_units(units.sign() * left));
        allowed.project_to_bounds(task.inputs(), delta)
    }
}

impl<const D: usize> Approach<D> for Shrinking<'_, D> {
    fn step(&mut self, task: &AttackTask<'_, D>, closest: &mut Closest<D>) -> Result<(), Error> {
        let Weighing { steps, confidence, .. } = self.attack.weighing;
        let at = self.taken % steps;
        if self.taken > 0 && at == 0 {
            self.constants.next();
            self.delta = self.delta.zeros_like();
            self.ahead = self.delta.clone();
        }
        self.taken += 1;
        let allowed = task.allowed();
        // Ahead may be past the bounds, and is not cut: the model is asked about no result there.
        let point = task.inputs().clone() + self.ahead.clone();
        let found = shortfall(task, point, confidence)?;
        let nearer = allowed.in_units(self.ahead.clone()).mul_scalar(2.0);
        let steeper = allowed.from_units(found.gradient);
        let gradient = nearer + self.constants.each::<D>() * steeper;
        let step_size = self.attack.step_size * (1.0 - at as f64 / steps as f64).sqrt();
        let step = allowed.from_units(gradient).mul_scalar(step_size);
        let delta = self.shrunk(task, self.ahead.clone() - step);

        let onward = at as f64 / (at as f64 + 3.0);
        self.ahead = delta.clone() + (delta.clone() - self.delta.clone()).mul_scalar(onward);
        self.delta = delta;
        let seen = task.moved(&self.delta);
        let fooled = wins(task, task.logits(seen.clone())?, confidence)?;
        self.constants.note(fooled.clone());
        closest.offer(task, seen, fooled);
        Ok(())
    }

    fn turn(&mut self, turn: &Turn) {
        self.delta = turn.staying(self.delta.clone());
        self.ahead = turn.staying(self.ahead.clone());
        self.constants.turn(turn);
    }
}

impl AttackParameters for Ead {
    fn name(&self) -> String {
        self.weighing.name("ead")
    }

    fn check(&self) -> Result<(), Error> {
        self.weighing.check("EAD")?;
        let kept = self.beta >= 0.0 && self.beta.is_finite();
        check_range(kept, "EAD", "beta", "finite and at least 0", self.beta)
    }

    fn gradient_computations(&self) -> usize {
        self.weighing.all_steps()
    }

    fn norms(&self) -> &'static [Norm] {
        &[Norm::L1]
    }
}

impl<const D: usize> Attack<D> for Ead {
    /// Of each sample an adversarial example within ε, or the input where none was found.
    fn run_once(&self, task: &AttackTask<D>, run: usize) -> Result<Tensor<D>, Error> {
        Ok(self.search(task, run, task.stops())?.0)
    }
}

impl<const D: usize> MinimalAttack<D> for Ead {
    fn search(
        &self,
        task: &AttackTask<D>,
        _: usize,
        leaves: bool,
    ) -> Result<(Tensor<D>, Closest<D>), Error> {
        self.check()?;
        let still = task.inputs().zeros_like();
        let constants = Constants::new(task, self.weighing.first);
        let search =
            Shrinking { attack: self, taken: 0, ahead: still.clone(), delta: still, constants };
        minimize(task, self.weighing.all_steps(), leaves, search)
    }
}
