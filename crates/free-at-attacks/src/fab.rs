//! The fast adaptive boundary attack.

mod hyperplane;

use burn::tensor::{Int, Tensor};
use free_at_core::rows::{dot, for_each_feature, of_class};
use free_at_core::{
    Attack, AttackParameters, AttackTask, Closest, Error, Norm, Objective, Pace, Search, Turn,
    Visit, drive,
};
use serde::{Deserialize, Serialize};

use crate::likely_classes::{TARGETS, aim, check_targets, enough_classes, runs};
use crate::parameters::check_counts;
use hyperplane::{NORMS, step_onto};

/// FAB-T: looks for the closest adversarial example, along the boundary towards each of the most
/// likely wrong classes in turn.
///
/// Croce and Hein, "Minimally distorted adversarial examples with a fast adaptive boundary attack",
/// 2020, in the targeted form of AutoAttack: at each step the boundary between the true class and
/// the target (in a targeted evaluation, between the target and the best other class) is
/// linearised; the point and the input are both projected onto it within the bounds,
/// and the next point lies between the two, overshooting by η; a point across the boundary moves
/// back towards the input by β. It minimises the norm, so ε only decides which results count;
/// [`FabT::closest`] has them all.
///
/// ```
/// use free_at_attacks::FabT;
/// use free_at_core::AttackParameters;
///
/// assert_eq!((FabT::new().name().as_str(), FabT::new().runs(false)), ("fab-t", 9));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FabT {
    steps: usize,
    restarts: usize,
    targets: usize,
    alpha_max: f64,
    eta: f64,
    beta: f64,
}

impl Default for FabT {
    fn default() -> Self {
        let (alpha_max, eta, beta) = (0.1, 1.05, 0.9);
        Self { steps: 100, restarts: 1, targets: TARGETS, alpha_max, eta, beta }
    }
}

impl FabT {
    /// The published defaults: 100 steps towards each of the 9 most likely wrong classes, α at most
    /// 0.1, η = 1.05, β = 0.9, the first run from the input.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many steps for each target and restart; at least 1. Default: 100.
    #[must_use]
    pub fn with_steps(self, steps: usize) -> Self {
        Self { steps, ..self }
    }

    /// How many runs for each target: one from the input, the others half-way from it to random points on the edge of the ball;
    /// at least 1. Default: 1.
    #[must_use]
    pub fn with_restarts(self, restarts: usize) -> Self {
        Self { restarts, ..self }
    }

    /// How many of the most likely wrong classes to aim at; at least 1 and below the number of
    /// classes. Default: 9.
    #[must_use]
    pub fn with_targets(self, targets: usize) -> Self {
        Self { targets, ..self }
    }

    /// The adversarial examples closest to the inputs that run `run` finds, at whatever distance.
    ///
    /// # Errors
    /// Those of [`run_once`](Attack::run_once).
    pub fn closest<const D: usize>(
        &self,
        task: &AttackTask<D>,
        run: usize,
    ) -> Result<Closest<D>, Error> {
        Ok(self.walk(task, run, false)?.1)
    }

    /// The result within ε, and the closest examples of the samples that did not leave.
    fn walk<const D: usize>(
        &self,
        task: &AttackTask<D>,
        run: usize,
        leaves: bool,
    ) -> Result<(Tensor<D>, Closest<D>), Error> {
        self.check()?;
        let walk = Walk {
            attack: self,
            aim: aim(task, run, self.restarts)?,
            point: self.start(task, run),
            closest: Closest::new(task),
        };
        let pace = Pace { steps: self.steps, leaves, refills: false };
        let (adversarial, walk) = drive(task, pace, walk)?;
        Ok((adversarial, walk.closest))
    }

    fn start<const D: usize>(&self, task: &AttackTask<D>, run: usize) -> Tensor<D> {
        if run.is_multiple_of(self.restarts) {
            return task.inputs().clone();
        }
        let (allowed, inputs) = (task.allowed(), task.inputs());
        let edge = allowed.random_edge(inputs, &task.draws().for_restart(run));
        allowed.clamp(inputs.clone() + edge.mul_scalar(0.5))
    }
}

/// One run at work: where each sample is, the class it is driven towards, and the closest adversarial
/// example so far.
struct Walk<'a, const D: usize> {
    attack: &'a FabT,
    aim: Tensor<1, Int>,
    point: Tensor<D>,
    closest: Closest<D>,
}

impl<const D: usize> Walk<'_, D> {
    /// One step: both projections onto the linearised boundary, and the point between them.
    fn next_point(&self, task: &AttackTask<D>) -> Result<Tensor<D>, Error> {
        const SMALLEST: f64 = 1e-8; // keeps α defined where both projections are zero
        let (allowed, inputs) = (task.allowed(), task.inputs());
        let FabT { alpha_max, eta, .. } = *self.attack;
        let point = self.point.clone();
        let found = task.gradient_of(point.clone(), |logits| match task.goal().target() {
            // Taken for the target means above every other class, not above the true one alone.
            Some(_) => Objective::Margin.values(logits, task.goal()),
            None => {
                Ok(of_class(logits.clone(), &self.aim) - of_class(logits, &task.goal().truth()))
            }
        })?;
        let n = inputs.dims()[0];
        let delta = point.clone() - inputs.clone();
        let slope = dot(found.gradient.clone(), delta.clone().neg());
        let steps = step_onto(
            allowed,
            &Tensor::cat(vec![point, inputs.clone()], 0),
            Tensor::cat(vec![found.values.clone(), found.values + slope], 0),
            Tensor::cat(vec![found.gradient.clone(), found.gradient], 0),
        )?;
        let from_point = steps.clone().slice_dim(0, 0..n);
        let from_input = steps.slice_dim(0, n..2 * n);
        let length = |step: &Tensor<D>| allowed.measure(step.clone()).clamp_min(SMALLEST);
        let (far, near) = (length(&from_point), length(&from_input));
        let alpha = (far.clone() / (far + near)).clamp_max(alpha_max);
        // As perturbations, so that a feature that may not move does not, not even by rounding.
        let ahead = delta + from_point.mul_scalar(eta);
        let beside = from_input.mul_scalar(eta);
        let delta = ahead * alpha.clone().neg().add_scalar(1.0) + beside * alpha;
        let delta = allowed.one_way(delta);
        Ok(allowed.clamp(inputs.clone() + delta))
    }
}

impl<const D: usize> Search<D> for Walk<'_, D> {
    /// A point across the boundary moves back towards the input.
    fn step(&mut self, task: &AttackTask<'_, D>) -> Result<Option<Visit<D>>, Error> {
        let (inputs, point) = (task.inputs(), self.next_point(task)?);
        let fooled = task.goal().fooled(task.logits(point.clone())?);
        self.closest.offer(task, task.seen(point.clone()), fooled.clone());
        let back = inputs.clone() + (point.clone() - inputs.clone()).mul_scalar(self.attack.beta);
        self.point = point.mask_where(for_each_feature(fooled, inputs), back);
        Ok(Some(self.closest.visit(task)))
    }

    fn turn(&mut self, turn: &Turn) {
        if let Some(stay) = turn.positions() {
            self.aim = self.aim.clone().select(0, stay.clone());
        }
        self.point = turn.staying(self.point.clone());
        self.closest.turn(turn);
    }

    fn last(&self, task: &AttackTask<'_, D>) -> Tensor<D> {
        task.inputs().clone()
    }
}

impl AttackParameters for FabT {
    fn name(&self) -> String {
        match (self.steps, self.restarts) {
            (100, 1) => "fab-t".into(),
            (steps, 1) => format!("fab-t-{steps}"),
            (steps, restarts) => format!("fab-t-{steps}x{restarts}"),
        }
    }

    fn check(&self) -> Result<(), Error> {
        check_counts("FAB-T", self.steps, self.restarts)?;
        check_targets("FAB-T", self.targets)
    }

    fn gradient_computations(&self) -> usize {
        self.steps
    }

    fn norms(&self) -> &'static [Norm] {
        &NORMS
    }

    fn runs(&self, targeted: bool) -> usize {
        runs(self.targets, self.restarts, targeted)
    }

    fn check_classes(&self, classes: usize, targeted: bool) -> Result<(), Error> {
        enough_classes(self.targets, classes, targeted)
    }
}

impl<const D: usize> Attack<D> for FabT {
    /// Of each sample an adversarial example within ε, or the input where none was found.
    fn run_once(&self, task: &AttackTask<D>, run: usize) -> Result<Tensor<D>, Error> {
        Ok(self.walk(task, run, task.stops())?.0)
    }
}
