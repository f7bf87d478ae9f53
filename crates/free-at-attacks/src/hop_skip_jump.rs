//! HopSkipJump.

use burn::tensor::{Bool, FloatDType, Tensor};
use free_at_core::rows::{column, for_each_feature, nobody, unit_length};
use free_at_core::{
    Access, Approach, Attack, AttackParameters, AttackTask, Closest, Draws, Error, MinimalAttack,
    Norm, Radius, Turn, minimize,
};
use serde::{Deserialize, Serialize};

use crate::first_example::FirstExample;
use crate::parameters::{check_counts, check_range};

/// HopSkipJump: looks for the closest adversarial example knowing nothing but the labels that the model gives. From a point on
/// its side of the boundary it estimates the boundary's direction by asking about random points around, jumps along it as far as
/// the side holds, and halves its way back to the boundary.
///
/// Chen, Jordan, Wainwright, "HopSkipJumpAttack: a query-efficient decision-based attack", IEEE S&P 2020, as Foolbox has it:
/// 64 steps, 100 √t points in step t (at most 10,000), γ = 1, jumps by geometric progression. It starts at noise that fools the
/// model. Queries are forward passes; in all there are some 35,000 a sample.
///
/// For a model that is no Burn module see [`LabelOnly`](free_at_core::LabelOnly).
///
/// ```
/// use free_at_attacks::HopSkipJump;
/// use free_at_core::{Access, AttackParameters};
///
/// let attack = HopSkipJump::new();
/// assert_eq!((attack.name().as_str(), attack.access()), ("hop-skip-jump", Access::Labels));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HopSkipJump {
    steps: usize,
    first_points: usize,
    most_points: usize,
}

const STEPS: usize = 64;

impl Default for HopSkipJump {
    fn default() -> Self {
        Self { steps: STEPS, first_points: 100, most_points: 10_000 }
    }
}

impl HopSkipJump {
    /// The published defaults: 64 steps, 100 points around the first.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many steps; at least 1. Default: 64.
    #[must_use]
    pub fn with_steps(self, steps: usize) -> Self {
        Self { steps, ..self }
    }

    /// How many points to ask about in the first step; at least 2. Default: 100.
    #[must_use]
    pub fn with_points(self, points: usize) -> Self {
        Self { first_points: points, ..self }
    }
}

struct Jumping<'a, const D: usize> {
    attack: &'a HopSkipJump,
    taken: usize,
    /// Where each sample is: on the boundary, on the far side.
    point: Tensor<D>,
    /// Of which samples there is such a point.
    found: Tensor<1, Bool>,
}

impl<const D: usize> Jumping<'_, D> {
    /// Between the input and a point that fools the model, the nearest one that does, by halving: for L2 on the line
    /// between them, for L∞ in the box around the input.
    fn to_boundary(&self, task: &AttackTask<D>, far: Tensor<D>) -> Result<Tensor<D>, Error> {
        let (allowed, inputs) = (task.allowed(), task.inputs());
        let delta = far - inputs.clone();
        let linf = allowed.norm() == Norm::Linf;
        let features = task.features();
        let whole = allowed.measure(delta.clone());
        let (mut high, precision) = match linf {
            true => (whole.clone(), 2.0 * (features as f64).log2()),
            false => (whole.ones_like(), 1.5 * (features as f64).log2()),
        };
        let at = |share: &Tensor<D>| match linf {
            true => {
                let radius = Radius::Each(share.clone());
                inputs.clone() + allowed.project_within(inputs, delta.clone(), &radius)
            }
            false => inputs.clone() + delta.clone() * share.clone(),
        };
        let mut low = high.zeros_like();
        for _ in 0..(precision.ceil() as usize).max(1) {
            let middle = (low.clone() + high.clone()).mul_scalar(0.5);
            let fooled = for_each_feature(task.fooled_by(at(&middle))?, &high);
            high = high.mask_where(fooled.clone(), middle.clone());
            low = middle.mask_where(fooled, low);
        }
        Ok(at(&high))
    }

    /// The direction away from the boundary, of length 1: the mean of random ones, each for or against as the model is fooled
    /// `reach` along it.
    fn direction(
        &self,
        task: &AttackTask<D>,
        reach: &Tensor<D>,
        draws: &Draws,
    ) -> Result<Tensor<D>, Error> {
        let (allowed, shape) = (task.allowed(), self.point.dims());
        let device = self.point.device();
        let growth = ((self.taken + 1) as f64).sqrt();
        let points = (self.attack.first_points as f64 * growth) as usize;
        let points = points.min(self.attack.most_points);
        let nothing = self.point.zeros_like();
        let (mut signed, mut all) = (nothing.clone(), nothing);
        let mut votes = reach.zeros_like();
        for point in 0..points {
            let draws = draws.for_step(point);
            let drawn = match allowed.norm() {
                Norm::Linf => draws.uniform(shape, &device),
                _ => draws.normal(shape, &device),
            };
            let step = allowed.from_units(unit_length(drawn)) * reach.clone();
            let there = allowed.clamp(self.point.clone() + allowed.one_way(step));
            let way = (there.clone() - self.point.clone()) / reach.clone();
            let vote = task.fooled_by(there)?.cast(FloatDType::F32);
            let vote = column::<D>(vote.mul_scalar(2.0).sub_scalar(1.0));
            signed = signed + way.clone() * vote.clone();
            (all, votes) = (all + way, votes + vote);
        }
        let mean = votes.div_scalar(points as f64);
        let unanimous = mean.clone().abs().greater_equal_scalar(1.0);
        let baseline = mean.mask_fill(unanimous, 0.0);
        Ok(unit_length(signed - all * baseline))
    }

    /// From the boundary along the direction, half as far until the model is still fooled there; at the boundary itself
    /// where it never is.
    fn jump(
        &self,
        task: &AttackTask<D>,
        direction: Tensor<D>,
        mut size: Tensor<D>,
    ) -> Result<Tensor<D>, Error> {
        const HALVINGS: usize = 24; // leave nothing of the step in single precision
        let allowed = task.allowed();
        let step = allowed.from_units(match allowed.norm() {
            Norm::Linf => direction.sign(),
            _ => direction,
        });
        let mut landed = self.point.clone();
        let mut waits = self.found.clone();
        for _ in 0..HALVINGS {
            let there = self.point.clone() + allowed.one_way(step.clone() * size.clone());
            let there = allowed.clamp(there);
            let lands = task.fooled_by(there.clone())?.bool_and(waits.clone());
            let rows = for_each_feature(lands.clone(), &there);
            landed = landed.mask_where(rows, there);
            waits = waits.bool_and(lands.bool_not());
            let any = waits.clone().any().int().try_into_scalar::<i64>();
            if any.map_err(Error::unreadable)? == 0 {
                break;
            }
            size = size.mul_scalar(0.5);
        }
        Ok(landed)
    }
}

impl<const D: usize> Approach<D> for Jumping<'_, D> {
    fn step(&mut self, task: &AttackTask<'_, D>, closest: &mut Closest<D>) -> Result<(), Error> {
        const FIRST_REACH: f64 = 0.1;
        let (allowed, inputs) = (task.allowed(), task.inputs());
        if self.taken == 0 {
            let first = FirstExample::find(task)?;
            self.found = first.found;
            self.point = self.to_boundary(task, first.point)?;
            closest.offer(task, task.seen(self.point.clone()), self.found.clone());
        }
        let size = allowed.measure(self.point.clone() - inputs.clone());
        let reach = match self.taken {
            0 => size.ones_like().mul_scalar(FIRST_REACH),
            _ => size.clone().div_scalar(task.features() as f64).clamp_min(f32::MIN_POSITIVE),
        };
        let draws = task.draws().for_restart(self.taken + 1);
        let direction = self.direction(task, &reach, &draws)?;
        self.taken += 1;
        let jump = size.div_scalar((self.taken as f64).sqrt());
        let landed = self.jump(task, direction, jump)?;
        self.point = self.to_boundary(task, landed)?;
        closest.offer(task, task.seen(self.point.clone()), self.found.clone());
        Ok(())
    }

    fn turn(&mut self, turn: &Turn) {
        self.point = turn.staying(self.point.clone());
        self.found = turn.staying_flags(self.found.clone());
    }
}

impl AttackParameters for HopSkipJump {
    fn name(&self) -> String {
        match self.steps {
            STEPS => "hop-skip-jump".into(),
            steps => format!("hop-skip-jump-{steps}"),
        }
    }

    fn check(&self) -> Result<(), Error> {
        check_counts("HopSkipJump", self.steps, 1)?;
        let (kept, points) = (self.first_points >= 2, self.first_points as f64);
        check_range(kept, "HopSkipJump", "the number of points", "at least 2", points)
    }

    fn gradient_computations(&self) -> usize {
        0
    }

    fn takes_numbers(&self) -> bool {
        true
    }

    fn norms(&self) -> &'static [Norm] {
        &[Norm::Linf, Norm::L2]
    }

    fn access(&self) -> Access {
        Access::Labels
    }
}

impl<const D: usize> Attack<D> for HopSkipJump {
    /// Of each sample an adversarial example within ε, or the input where none was found.
    fn run_once(&self, task: &AttackTask<D>, run: usize) -> Result<Tensor<D>, Error> {
        Ok(self.search(task, run, task.stops())?.0)
    }
}

impl<const D: usize> MinimalAttack<D> for HopSkipJump {
    fn search(
        &self,
        task: &AttackTask<D>,
        _: usize,
        leaves: bool,
    ) -> Result<(Tensor<D>, Closest<D>), Error> {
        self.check()?;
        let found = nobody(task.inputs());
        let jumping = Jumping { attack: self, taken: 0, point: task.inputs().clone(), found };
        minimize(task, self.steps, leaves, jumping)
    }
}
