//! The walk along the boundary that FAB and FAB-T share.

use burn::tensor::{Int, Tensor};
use free_at_core::rows::{column, dot, for_each_feature, of_class};
use free_at_core::{
    Approach, AttackTask, Closest, Error, InputGradient, Objective, Turn, minimize,
};
use serde::{Deserialize, Serialize};

use super::hyperplane::step_onto;
use crate::dual::duals;
use crate::likely_classes::{TARGETS, check_targets};
use crate::parameters::{check_counts, for_norm};

/// How to walk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Walk {
    pub(crate) steps: usize,
    pub(crate) restarts: usize,
    pub(crate) targets: usize,
    pub(crate) alpha_max: f64,
    pub(crate) eta: f64,
    pub(crate) beta: f64,
}

impl Default for Walk {
    fn default() -> Self {
        let (alpha_max, eta, beta) = (0.1, 1.05, 0.9);
        Self { steps: 100, restarts: 1, targets: TARGETS, alpha_max, eta, beta }
    }
}

impl Walk {
    pub(crate) fn name(&self, attack: &str, restarts: usize) -> String {
        match (self.steps, self.restarts) {
            (100, of) if of == restarts => attack.into(),
            (steps, 1) => format!("{attack}-{steps}"),
            (steps, restarts) => format!("{attack}-{steps}x{restarts}"),
        }
    }

    pub(crate) fn check(&self, attack: &'static str) -> Result<(), Error> {
        check_counts(attack, self.steps, self.restarts)?;
        check_targets(attack, self.targets)
    }

    /// The result within ε, and the closest examples of the samples that did not leave: across the boundary to the
    /// nearest of these classes, `[n]` each, where each step looks at all of them.
    pub(crate) fn towards<const D: usize>(
        &self,
        task: &AttackTask<D>,
        aims: Vec<Tensor<1, Int>>,
        run: usize,
        leaves: bool,
    ) -> Result<(Tensor<D>, Closest<D>), Error> {
        let point = self.start(task, run);
        minimize(task, self.steps, leaves, Walking { walk: self, aims, point })
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

/// One run at work: where each sample is, and the classes it is driven towards.
struct Walking<'a, const D: usize> {
    walk: &'a Walk,
    aims: Vec<Tensor<1, Int>>,
    point: Tensor<D>,
}

impl<const D: usize> Walking<'_, D> {
    /// The boundary that is nearest if the model is linear.
    fn nearest_boundary(&self, task: &AttackTask<D>) -> Result<InputGradient<D>, Error> {
        const SMALLEST: f64 = 1e-12; // keeps the distance to a plane without a slope defined
        let dual = for_norm("FAB", &duals::<D>(), task.allowed().norm())?;
        let distance = |found: &InputGradient<D>| {
            let slope = dual(task.allowed().from_units(found.gradient.clone()));
            column::<D>(found.values.clone().abs()) / slope.add_scalar(SMALLEST)
        };
        let mut nearest: Option<InputGradient<D>> = None;
        for aim in &self.aims {
            let found =
                task.gradient_of(self.point.clone(), |logits| match task.goal().target() {
                    // Taken for the target means above every other class, not above the true one alone.
                    Some(_) => Objective::Margin.values(logits, task.goal()),
                    None => {
                        Ok(of_class(logits.clone(), aim) - of_class(logits, &task.goal().truth()))
                    }
                })?;
            nearest = Some(match nearest {
                None => found,
                Some(best) => {
                    let nearer = distance(&found).lower(distance(&best));
                    let each = nearer.clone().flatten::<1>(0, D - 1);
                    let rows = nearer.expand(found.gradient.dims());
                    InputGradient {
                        gradient: best.gradient.mask_where(rows, found.gradient),
                        values: best.values.mask_where(each, found.values),
                        logits: found.logits,
                    }
                }
            });
        }
        nearest.ok_or(Error::EmptyBatch)
    }

    /// One step: both projections onto the linearised boundary, and the point between them.
    fn next_point(&self, task: &AttackTask<D>) -> Result<Tensor<D>, Error> {
        const SMALLEST: f64 = 1e-8; // keeps α defined where both projections are zero
        let (allowed, inputs) = (task.allowed(), task.inputs());
        let Walk { alpha_max, eta, .. } = *self.walk;
        let point = self.point.clone();
        let found = self.nearest_boundary(task)?;
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

impl<const D: usize> Approach<D> for Walking<'_, D> {
    /// A point across the boundary moves back towards the input.
    fn step(&mut self, task: &AttackTask<'_, D>, closest: &mut Closest<D>) -> Result<(), Error> {
        let (inputs, point) = (task.inputs(), self.next_point(task)?);
        let fooled = task.fooled_by(point.clone())?;
        closest.offer(task, task.seen(point.clone()), fooled.clone());
        let back = inputs.clone() + (point.clone() - inputs.clone()).mul_scalar(self.walk.beta);
        self.point = point.mask_where(for_each_feature(fooled, inputs), back);
        Ok(())
    }

    fn turn(&mut self, turn: &Turn) {
        if let Some(stay) = turn.positions() {
            self.aims.iter_mut().for_each(|aim| *aim = aim.clone().select(0, stay.clone()));
        }
        self.point = turn.staying(self.point.clone());
    }
}
