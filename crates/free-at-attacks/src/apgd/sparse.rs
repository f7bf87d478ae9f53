//! APGD in L1: sparse steps, within a ball that shrinks to ε.

use burn::tensor::{Int, Tensor};
use free_at_core::rows::{count, for_each_feature, kth_largest};
use free_at_core::{
    AttackTask, Error, Goal, InputGradient, Objective, Radius, Search, Turn, Visit,
};

/// The balls one after the other: the share of ε, and that of the steps; the last one has the rest.
const BALLS: [(f64, f64); 3] = [(3.0, 0.3), (2.0, 0.3), (1.0, 1.0)];
/// How much sparser a step is than the best perturbation.
const SPARSER: f64 = 1.5;
/// What the step size is divided by where that has not become sparser, and at most in all.
const SHORTER: f64 = 1.5;
const SHORTEST: f64 = 10.0;
/// Below this share of the features before, it has become sparser.
const FEWER: f64 = 0.95;
/// How often that is looked at, as a share of the steps in a ball.
const LOOK_EVERY: f64 = 0.04;

/// The radii for so many steps, each with the steps in it.
pub(super) fn schedule(epsilon: f64, steps: usize) -> Vec<(f64, usize)> {
    let mut left = steps;
    let all = BALLS.map(|(radius, share)| {
        let steps = if share < 1.0 { (share * steps as f64) as usize } else { left };
        left -= steps;
        (radius * epsilon, steps)
    });
    all.into_iter().filter(|(_, steps)| *steps > 0).collect()
}

/// One run at work. Values are `[n]`, perturbations `[n, …]`, numbers of features `[n, 1, …]`.
pub(super) struct SparseClimb<W, const D: usize> {
    objective: Objective,
    goal: Goal,
    /// The balls to come, the next one last, and of the one of now the steps, all and taken, and the radius.
    balls: Vec<(f64, usize)>,
    steps: usize,
    taken: usize,
    size: f64,
    delta: Tensor<D>,
    at: Option<State<D>>,
    watch: W,
}

/// What is known of the samples once the model has been asked.
struct State<const D: usize> {
    gradient: Tensor<D>,
    step_size: Tensor<D>,
    /// The features that the next step changes, as a share of all.
    share: Tensor<D>,
    /// Those that the best perturbation had changed at the last look.
    features: Tensor<D>,
    best: Tensor<D>,
    best_gradient: Tensor<D>,
    best_value: Tensor<1>,
}

impl<W: FnMut([Tensor<1>; 2]), const D: usize> SparseClimb<W, D> {
    /// From a perturbation, through these balls.
    pub(super) fn new(
        objective: Objective,
        goal: Goal,
        start: Tensor<D>,
        mut balls: Vec<(f64, usize)>,
        watch: W,
    ) -> Self {
        balls.reverse();
        let (steps, taken, size) = (0, 0, 0.0);
        Self { objective, goal, balls, steps, taken, size, delta: start, at: None, watch }
    }

    /// The largest value of each sample in the last ball.
    pub(super) fn best_value(self) -> Option<Tensor<1>> {
        self.at.map(|at| at.best_value)
    }

    fn is_last_ball(&self) -> bool {
        self.balls.is_empty()
    }

    fn ask(
        &self,
        task: &AttackTask<'_, D>,
        delta: &Tensor<D>,
    ) -> Result<(InputGradient<D>, Option<Visit<D>>), Error> {
        let adversarial = task.moved(delta);
        let found = task.gradient(adversarial.clone(), &self.goal, self.objective)?;
        let fooled = task.goal().fooled(found.logits.clone());
        // What is beyond ε counts for nothing, and training asks for the best, whether it fools or not.
        let counts = self.is_last_ball() && !task.trains();
        Ok((found, counts.then_some(Visit { adversarial, fooled })))
    }

    /// Begins the next ball where the last one was best.
    fn enter(&mut self, task: &AttackTask<'_, D>) -> Result<Option<Visit<D>>, Error> {
        let Some((radius, steps)) = self.balls.pop() else { return Ok(None) };
        (self.steps, self.taken, self.size) = (steps, 0, radius);
        let from = self.at.take().map_or(self.delta.clone(), |at| at.best);
        self.delta = self.project(task, from);
        let (found, visit) = self.ask(task, &self.delta)?;
        let features = changed(&self.delta);
        self.at = Some(State {
            share: share_of(&features, task),
            step_size: features.ones_like().mul_scalar(self.size),
            features,
            best: self.delta.clone(),
            best_gradient: found.gradient.clone(),
            gradient: found.gradient,
            best_value: found.values,
        });
        Ok(visit)
    }

    /// A step of the size of now, spread evenly over the features with the largest gradients.
    fn next_delta(&self, task: &AttackTask<'_, D>, at: &State<D>) -> Tensor<D> {
        let (allowed, inputs) = (task.allowed(), task.inputs());
        let gradient = allowed.from_units(at.gradient.clone());
        let all = task.features();
        let others = at.share.clone().neg().add_scalar(1.0).mul_scalar(all as f64);
        let others = others.clamp(0.0, (all - 1) as f64).floor();
        let few = others.neg().add_scalar(all as f64);
        let sizes = gradient.clone().abs();
        let [below, _] = kth_largest(&sizes, &few);
        let larger = sizes.greater(below.expand(inputs.dims()));
        let signs = gradient.sign().mask_fill(larger.clone().bool_not(), 0.0);
        let each = at.step_size.clone() / count(larger).clamp_min(1.0);
        let step = allowed.from_units(signs * each);
        self.project(task, self.delta.clone() + step)
    }

    /// Onto the ball of now.
    fn project(&self, task: &AttackTask<'_, D>, delta: Tensor<D>) -> Tensor<D> {
        task.allowed().project_within(task.inputs(), delta, &Radius::All(self.size))
    }
}

/// How many features of each sample are changed by more than a projection leaves by rounding: steps are alike in many of
/// them, which it brings to 0 together. (In the reference rounding counts.)
fn changed<const D: usize>(delta: &Tensor<D>) -> Tensor<D> {
    const ROUNDING: f64 = 1e-6;
    count(delta.clone().abs().greater_scalar(ROUNDING))
}

/// How much of all features the next step changes.
fn share_of<const D: usize>(features: &Tensor<D>, task: &AttackTask<'_, D>) -> Tensor<D> {
    features.clone().div_scalar(task.features() as f64).div_scalar(SPARSER)
}

impl<const D: usize> State<D> {
    /// Where the best perturbation has become sparser, steps get their full size again and start from there; elsewhere
    /// they get shorter. `delta` is where the samples are.
    fn look(&mut self, task: &AttackTask<'_, D>, delta: &Tensor<D>, full: f64) -> Tensor<D> {
        let features = changed(&self.best);
        let sparser = features.clone().lower(self.features.clone().mul_scalar(FEWER));
        self.share = share_of(&features, task);
        let shorter = self.step_size.clone().div_scalar(SHORTER).clamp_min(full / SHORTEST);
        self.step_size = shorter.mask_fill(sparser.clone(), full);
        self.features = features;
        let rows = sparser.expand(delta.dims());
        self.gradient = self.gradient.clone().mask_where(rows.clone(), self.best_gradient.clone());
        delta.clone().mask_where(rows, self.best.clone())
    }
}

impl<W: FnMut([Tensor<1>; 2]), const D: usize> Search<D> for SparseClimb<W, D> {
    fn begin(&mut self, task: &AttackTask<'_, D>) -> Result<Option<Visit<D>>, Error> {
        self.enter(task)
    }

    fn step(&mut self, task: &AttackTask<'_, D>) -> Result<Option<Visit<D>>, Error> {
        // Of two visits in one step the first would be lost: a ball's start is told with its first step.
        let entered = if self.taken == self.steps { self.enter(task)? } else { None };
        let Some(mut at) = self.at.take() else { return Ok(None) };
        let next = self.next_delta(task, &at);
        let (found, visit) = self.ask(task, &next)?;
        self.delta = next;
        let better = found.values.clone().greater(at.best_value.clone());
        let rows = for_each_feature(better.clone(), &self.delta);
        at.best = at.best.mask_where(rows.clone(), self.delta.clone());
        at.best_gradient = at.best_gradient.mask_where(rows, found.gradient.clone());
        at.best_value = at.best_value.mask_where(better, found.values.clone());
        at.gradient = found.gradient;
        self.taken += 1;
        let every = ((LOOK_EVERY * self.steps as f64) as usize).max(1);
        if self.taken.is_multiple_of(every) {
            self.delta = at.look(task, &self.delta, self.size);
        }
        (self.watch)([found.values, at.step_size.clone().flatten(0, D - 1)]);
        self.at = Some(at);
        Ok(first_of(entered, visit))
    }

    fn turn(&mut self, turn: &Turn) {
        let Some(stay) = turn.positions() else { return };
        self.goal = self.goal.select(stay);
        self.delta = turn.staying(self.delta.clone());
        self.at = self.at.take().map(|at| at.select(stay));
    }

    fn last(&self, task: &AttackTask<'_, D>) -> Tensor<D> {
        task.moved(self.at.as_ref().map_or(&self.delta, |at| &at.best))
    }
}

/// Of each sample the first of two visits that fooled the model.
fn first_of<const D: usize>(first: Option<Visit<D>>, then: Option<Visit<D>>) -> Option<Visit<D>> {
    let (Some(first), Some(then)) = (&first, &then) else { return then.or(first) };
    let rows = for_each_feature(first.fooled.clone(), &then.adversarial);
    Some(Visit {
        adversarial: then.adversarial.clone().mask_where(rows, first.adversarial.clone()),
        fooled: first.fooled.clone().bool_or(then.fooled.clone()),
    })
}

impl<const D: usize> State<D> {
    fn select(self, stay: &Tensor<1, Int>) -> Self {
        let rows = |tensor: Tensor<D>| tensor.select(0, stay.clone());
        Self {
            gradient: rows(self.gradient),
            step_size: rows(self.step_size),
            share: rows(self.share),
            features: rows(self.features),
            best: rows(self.best),
            best_gradient: rows(self.best_gradient),
            best_value: self.best_value.select(0, stay.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_balls_shrink_to_epsilon_and_share_out_the_steps() {
        assert_eq!(schedule(4.0, 100), [(12.0, 30), (8.0, 30), (4.0, 40)]);
        assert_eq!(schedule(4.0, 10), [(12.0, 3), (8.0, 3), (4.0, 4)]);
        assert_eq!(schedule(4.0, 1), [(4.0, 1)]);
    }
}
