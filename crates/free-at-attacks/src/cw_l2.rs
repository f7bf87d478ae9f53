//! The attack of Carlini and Wagner in L2.

use burn::tensor::Tensor;
use free_at_core::{
    Approach, Attack, AttackParameters, AttackTask, Bounds, Closest, Error, MinimalAttack, Norm,
    ThreatModel, Turn, minimize,
};
use serde::{Deserialize, Serialize};

use crate::adam::Adam;
use crate::constants::{Constants, Weighing, shortfall, wins};
use crate::parameters::check_range;

/// C&W: looks for the closest adversarial example in L2 by descending, with Adam, on ‖δ‖² + c · max(κ − margin, 0); the
/// least constant c that will do is found sample by sample. The search is for w in x′ = low + (high − low) (tanh w + 1) / 2,
/// which is always within the bounds.
///
/// Carlini, Wagner, "Towards evaluating the robustness of neural networks", IEEE S&P 2017, as adversarial-library has it:
/// c from 0.001, ten times as large until it suffices and then halved in, nine in all; rate 0.01; κ = 0. (The
/// reference ends early where no sample of the batch gets on; here each takes all its steps, so that none depends on the others.)
/// It needs finite bounds, or none at all, where it searches for x′ itself. [`PgdCw`](crate::PgdCw) is another thing: PGD within ε,
/// on the same margin.
///
/// ```
/// use free_at_attacks::CwL2;
/// use free_at_core::AttackParameters;
///
/// let attack = CwL2::new(); // 9 constants, 1,000 steps each
/// assert_eq!((attack.name().as_str(), attack.gradient_computations()), ("cw-l2-9x1000", 9_000));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CwL2 {
    weighing: Weighing,
    rate: f64,
}

impl Default for CwL2 {
    fn default() -> Self {
        Self { weighing: Weighing::PUBLISHED, rate: 0.01 }
    }
}

impl CwL2 {
    /// The published defaults, but 1,000 steps with each of the 9 constants, where 10,000 are published.
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

    /// Adam's rate; finite and above 0. Default: 0.01.
    #[must_use]
    pub fn with_rate(self, rate: f64) -> Self {
        Self { rate, ..self }
    }
}

/// The search with the coordinates bent so that the bounds are at infinity.
struct Bent<'a, const D: usize> {
    attack: &'a CwL2,
    taken: usize,
    /// How far w is from where it started.
    moved: Tensor<D>,
    adam: Adam<D>,
    constants: Constants,
}

/// A point, and how fast it moves with w.
struct Point<const D: usize> {
    adversarial: Tensor<D>,
    speed: Tensor<D>,
}

impl<const D: usize> Bent<'_, D> {
    fn point(&self, task: &AttackTask<D>) -> Point<D> {
        const BELOW_ONE: f64 = 1.0 - 1e-6; // an input at its bound is not at infinity
        let (allowed, inputs) = (task.allowed(), task.inputs());
        let Some((fall, rise)) = allowed.room(inputs) else {
            let adversarial = inputs.clone() + allowed.only_free(self.moved.clone());
            return Point { adversarial, speed: inputs.ones_like() };
        };
        let half = (rise.clone() - fall.clone()).mul_scalar(0.5);
        let from_middle = (fall + rise).mul_scalar(-0.5); // x, from the middle of its bounds
        let bent = (from_middle.clone() / half.clone()).mul_scalar(BELOW_ONE).atanh();
        let tanh = (bent + self.moved.clone()).tanh();
        let delta = allowed.only_free(tanh.clone() * half.clone() - from_middle);
        let speed = half * tanh.square().neg().add_scalar(1.0);
        Point { adversarial: inputs.clone() + allowed.one_way(delta), speed }
    }
}

impl<const D: usize> Approach<D> for Bent<'_, D> {
    fn step(&mut self, task: &AttackTask<'_, D>, closest: &mut Closest<D>) -> Result<(), Error> {
        let Weighing { steps, confidence, .. } = self.attack.weighing;
        if self.taken > 0 && self.taken.is_multiple_of(steps) {
            self.constants.next();
            self.moved = self.moved.zeros_like();
            self.adam = Adam::new(&self.moved);
        }
        self.taken += 1;
        let Point { adversarial, speed } = self.point(task);
        let seen = task.seen(adversarial);
        let found = shortfall(task, seen.clone(), confidence)?;
        let fooled = wins(task, found.logits, confidence)?;
        self.constants.note(fooled.clone());
        let units = task.allowed().in_units(seen.clone() - task.inputs().clone());
        closest.offer(task, seen, fooled);

        let nearer = task.allowed().in_units(units).mul_scalar(2.0);
        let gradient = nearer + self.constants.each::<D>() * found.gradient;
        let step = self.adam.step(task.allowed().only_free(gradient * speed));
        self.moved = self.moved.clone() + step.mul_scalar(self.attack.rate);
        Ok(())
    }

    fn turn(&mut self, turn: &Turn) {
        self.moved = turn.staying(self.moved.clone());
        self.adam.turn(turn);
        self.constants.turn(turn);
    }
}

impl AttackParameters for CwL2 {
    fn name(&self) -> String {
        self.weighing.name("cw-l2")
    }

    fn check(&self) -> Result<(), Error> {
        self.weighing.check("C&W")?;
        let kept = self.rate > 0.0 && self.rate.is_finite();
        check_range(kept, "C&W", "the rate", "finite and above 0", self.rate)
    }

    fn gradient_computations(&self) -> usize {
        self.weighing.all_steps()
    }

    fn norms(&self) -> &'static [Norm] {
        &[Norm::L2]
    }

    fn check_inputs(&self, threat: &ThreatModel, _: &[usize]) -> Result<(), Error> {
        let infinite = match threat.bounds() {
            Bounds::PerFeature { low, high } => low.iter().chain(high).any(|b| !b.is_finite()),
            _ => false,
        };
        match infinite {
            false => Ok(()),
            true => Err(Error::Unsupported {
                attack: "C&W".into(),
                what: "bounds of which some are infinite".into(),
                instead: "give finite ones, or none, or use DDN or FMN".into(),
            }),
        }
    }
}

impl<const D: usize> Attack<D> for CwL2 {
    /// Of each sample an adversarial example within ε, or the input where none was found.
    fn run_once(&self, task: &AttackTask<D>, run: usize) -> Result<Tensor<D>, Error> {
        Ok(self.search(task, run, task.stops())?.0)
    }
}

impl<const D: usize> MinimalAttack<D> for CwL2 {
    fn search(
        &self,
        task: &AttackTask<D>,
        _: usize,
        leaves: bool,
    ) -> Result<(Tensor<D>, Closest<D>), Error> {
        self.check()?;
        let moved = task.inputs().zeros_like();
        let constants = Constants::new(task, self.weighing.first);
        let search = Bent { attack: self, taken: 0, adam: Adam::new(&moved), moved, constants };
        minimize(task, self.weighing.all_steps(), leaves, search)
    }
}
