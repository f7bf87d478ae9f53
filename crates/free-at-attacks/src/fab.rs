//! The fast adaptive boundary attack.

mod hyperplane;

use burn::tensor::{Bool, DType, Int, Tensor};
use free_at_core::{Attack, AttackParameters, AttackTask, Error, Objective};
use serde::{Deserialize, Serialize};

use crate::ascent::check_counts;
use crate::standing::{Standing, Turn, per_sample};
use crate::towards::{TARGETS, aim, check_targets, enough_classes, runs};
use hyperplane::step_onto;

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

    /// The adversarial examples closest to the inputs that run `run` finds, at whatever distance:
    /// examples `[n, …]` and their norms as the threat model measures them, `[n]`; the input and an
    /// infinite norm where it finds none.
    ///
    /// # Errors
    /// Those of [`run_once`](Attack::run_once).
    pub fn closest<const D: usize>(
        &self,
        task: &AttackTask<D>,
        run: usize,
    ) -> Result<(Tensor<D>, Tensor<1>), Error> {
        let (within, search) = self.search(task, run, false)?;
        Ok(match search {
            Some(search) => (search.closest, search.norms),
            // Everybody has left, each with an example.
            None => {
                let norms = task.allowed().measure(within.clone() - task.inputs().clone());
                (within, norms.flatten::<1>(0, D - 1))
            }
        })
    }

    /// The result within ε, and the state of the samples that did not leave.
    fn search<const D: usize>(
        &self,
        task: &AttackTask<D>,
        run: usize,
        leaves: bool,
    ) -> Result<(Tensor<D>, Option<Search<D>>), Error> {
        self.check()?;
        let mut aim = aim(task, run, self.restarts)?;
        let mut standing = Standing::new(task, leaves);
        let mut search = Search {
            point: self.start(task, run),
            closest: task.inputs().clone(),
            norms: Tensor::full([task.len()], f32::INFINITY, (&task.inputs().device(), DType::F32)),
        };
        for _ in 0..self.steps {
            let here = standing.task();
            let point = self.next_point(here, &aim, search.point.clone())?;
            let fooled = here.labels().fooled(here.logits(point.clone())?);
            let within = search.arrive(here, point, fooled, self.beta);
            let closest = search.closest.clone();
            standing.observe(&closest, within);
            match standing.leave()? {
                // All are at work from the start, so nobody enters.
                Turn::Same | Turn::Changed { stay: None, .. } => {}
                Turn::Changed { stay: Some(stay), .. } => {
                    aim = aim.select(0, stay.clone());
                    search = Search {
                        point: search.point.select(0, stay.clone()),
                        closest: search.closest.select(0, stay.clone()),
                        norms: search.norms.select(0, stay),
                    };
                }
                Turn::Over => return Ok((standing.over(), None)),
            }
        }
        let inputs = standing.task().inputs().clone();
        Ok((standing.finish(inputs), Some(search)))
    }

    fn start<const D: usize>(&self, task: &AttackTask<D>, run: usize) -> Tensor<D> {
        if run.is_multiple_of(self.restarts) {
            return task.inputs().clone();
        }
        let (allowed, inputs) = (task.allowed(), task.inputs());
        let edge = allowed.random_edge(inputs, &task.draws().for_restart(run));
        allowed.clamp(inputs.clone() + edge.mul_scalar(0.5))
    }

    /// One step: both projections onto the linearised boundary, and the point between them.
    fn next_point<const D: usize>(
        &self,
        task: &AttackTask<D>,
        aim: &Tensor<1, Int>,
        point: Tensor<D>,
    ) -> Result<Tensor<D>, Error> {
        const SMALLEST: f64 = 1e-8; // keeps α defined where both projections are zero
        let (allowed, inputs) = (task.allowed(), task.inputs());
        let found = task.gradient_of(point.clone(), |logits| match task.labels().target() {
            // Taken for the target means above every other class, not above the true one alone.
            Some(_) => Objective::Margin.values(logits, task.labels()),
            None => Ok(of_class(&logits, aim) - of_class(&logits, &task.labels().truth())),
        })?;
        let n = inputs.dims()[0];
        let delta = point.clone() - inputs.clone();
        let slope = dot(found.gradient.clone(), delta.clone().neg());
        let steps = step_onto(
            allowed,
            &Tensor::cat(vec![point, inputs.clone()], 0),
            Tensor::cat(vec![found.values.clone(), found.values + slope], 0),
            Tensor::cat(vec![found.gradient.clone(), found.gradient], 0),
        );
        let from_point = steps.clone().slice_dim(0, 0..n);
        let from_input = steps.slice_dim(0, n..2 * n);
        let length = |step: &Tensor<D>| allowed.measure(step.clone()).clamp_min(SMALLEST);
        let (far, near) = (length(&from_point), length(&from_input));
        let alpha = (far.clone() / (far + near)).clamp_max(self.alpha_max);
        // As perturbations, so that a feature that may not move does not, not even by rounding.
        let ahead = delta + from_point.mul_scalar(self.eta);
        let beside = from_input.mul_scalar(self.eta);
        let delta = ahead * alpha.clone().neg().add_scalar(1.0) + beside * alpha;
        let delta = allowed.one_way(delta);
        Ok(allowed.clamp(inputs.clone() + delta))
    }
}

/// Where each sample is, and the closest adversarial example so far with its norm.
struct Search<const D: usize> {
    point: Tensor<D>,
    closest: Tensor<D>,
    norms: Tensor<1>,
}

impl<const D: usize> Search<D> {
    /// Takes note of the point and moves it back where it is across. Which samples have an example
    /// within ε.
    fn arrive(
        &mut self,
        task: &AttackTask<D>,
        point: Tensor<D>,
        fooled: Tensor<1, Bool>,
        beta: f64,
    ) -> Tensor<1, Bool> {
        let inputs = task.inputs();
        let seen = task.seen(point.clone());
        let norms = task.allowed().measure(seen.clone() - inputs.clone());
        let norms = norms.flatten::<1>(0, D - 1);
        let closer = fooled.clone().bool_and(norms.clone().lower(self.norms.clone()));
        self.norms = self.norms.clone().mask_where(closer.clone(), norms);
        let closest = self.closest.clone();
        self.closest = closest.mask_where(per_sample(closer, inputs), seen);
        let back = inputs.clone() + (point.clone() - inputs.clone()).mul_scalar(beta);
        self.point = point.mask_where(per_sample(fooled, inputs), back);
        // Eight grey levels, say, are a little above 8/255 for half of all pixels by rounding alone; the
        // evaluation allows ten times as much.
        const ROUNDING: f64 = 1e-5;
        self.norms.clone().lower_equal_scalar(task.allowed().epsilon() * (1.0 + ROUNDING))
    }
}

/// The logit of each sample's class, `[n]`.
fn of_class(logits: &Tensor<2>, class: &Tensor<1, Int>) -> Tensor<1> {
    logits.clone().gather(1, class.clone().unsqueeze_dim(1)).squeeze_dim(1)
}

/// The scalar product of each sample's features, `[n]`.
fn dot<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<1> {
    (a * b).flatten::<2>(1, D - 1).sum_dim(1).squeeze_dim(1)
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
        Ok(self.search(task, run, task.stops())?.0)
    }
}
