//! The state of an APGD run, sample by sample, and its step-size rule.

use burn::tensor::{Bool, FloatDType, Int, Tensor};
use free_at_core::rows::{column, for_each_feature};
use free_at_core::{InputGradient, PerturbationSet};

/// How much of a step follows the gradient; the rest follows the step before.
const ALONG_GRADIENT: f64 = 0.75;

/// Where each sample is, has been, and was best. Values are `[n]`, perturbations `[n, …]`.
pub(crate) struct Climb<const D: usize> {
    delta: Tensor<D>,
    before: Tensor<D>,
    gradient: Tensor<D>,
    value: Tensor<1>,
    /// The value that the next one is compared with to count a rise.
    compared: Tensor<1>,
    step_size: Tensor<1>,
    steps: usize,
    best: Tensor<D>,
    best_gradient: Tensor<D>,
    best_value: Tensor<1>,
    /// Rising steps since the last checkpoint.
    rises: Tensor<1>,
    /// At the last checkpoint: whether the step size was halved, and the best value.
    halved: Tensor<1, Bool>,
    best_at_check: Tensor<1>,
}

impl<const D: usize> Climb<D> {
    /// At the start, with what the model says there.
    pub(crate) fn from(start: Tensor<D>, found: InputGradient<D>, step_size: f64) -> Self {
        let value = found.values;
        Self {
            before: start.clone(),
            gradient: found.gradient.clone(),
            // The reference compares the first step's value with 0, and not with the start's.
            compared: value.zeros_like(),
            step_size: value.ones_like().mul_scalar(step_size),
            steps: 0,
            best: start.clone(),
            best_gradient: found.gradient,
            best_value: value.clone(),
            rises: value.zeros_like(),
            halved: value.ones_like().bool(), // the first checkpoint has none before it
            best_at_check: value.clone(),
            value,
            delta: start,
        }
    }

    /// The next perturbation: ¾ of the way to the projected gradient step, and a quarter of the
    /// last step's way on.
    pub(crate) fn step(&mut self, allowed: &PerturbationSet<D>, inputs: &Tensor<D>) -> Tensor<D> {
        let inertia = self.delta.clone() - self.before.clone();
        self.before = self.delta.clone();
        let step =
            allowed.steepest_step(self.gradient.clone(), 1.0) * column::<D>(self.step_size.clone());
        let ascended = allowed.project(inputs, self.delta.clone() + step);
        if self.steps == 0 {
            // There is no step before the first. Projected again, as the reference does.
            return allowed.project(inputs, ascended);
        }
        let along = (ascended - self.delta.clone()).mul_scalar(ALONG_GRADIENT);
        let next = self.delta.clone() + along + inertia.mul_scalar(1.0 - ALONG_GRADIENT);
        allowed.project(inputs, next)
    }

    /// Takes note of the point that a step led to.
    pub(crate) fn arrive(&mut self, delta: Tensor<D>, found: InputGradient<D>) {
        self.steps += 1;
        self.delta = delta;
        self.gradient = found.gradient;
        self.value = found.values;
        let rose = self.value.clone().greater(self.compared.clone());
        self.rises = self.rises.clone() + rose.cast(FloatDType::F32);
        self.compared = self.value.clone();

        let better = self.value.clone().greater(self.best_value.clone());
        let rows = for_each_feature(better.clone(), &self.delta);
        self.best = self.best.clone().mask_where(rows.clone(), self.delta.clone());
        self.best_gradient = self.best_gradient.clone().mask_where(rows, self.gradient.clone());
        self.best_value = self.best_value.clone().mask_where(better, self.value.clone());
    }

    /// A checkpoint: halves the step size, and goes back to the best point, where at most `few`
    /// steps rose since the last one, or where neither step size nor best value changed since.
    pub(crate) fn check(&mut self, few: f64) {
        let oscillates = self.rises.clone().lower_equal_scalar(few);
        let unimproved = self.best_at_check.clone().greater_equal(self.best_value.clone());
        let stuck = self.halved.clone().bool_not().bool_and(unimproved);
        self.halved = oscillates.bool_or(stuck);
        self.best_at_check = self.best_value.clone();
        self.rises = self.rises.zeros_like();

        let half = self.step_size.clone().mul_scalar(0.5);
        self.step_size = self.step_size.clone().mask_where(self.halved.clone(), half);
        let rows = for_each_feature(self.halved.clone(), &self.delta);
        self.delta = self.delta.clone().mask_where(rows.clone(), self.best.clone());
        self.gradient = self.gradient.clone().mask_where(rows, self.best_gradient.clone());
    }

    /// The climb of some of the samples.
    pub(crate) fn select(self, stay: &Tensor<1, Int>) -> Self {
        let rows = |tensor: Tensor<D>| tensor.select(0, stay.clone());
        let values = |tensor: Tensor<1>| tensor.select(0, stay.clone());
        Self {
            delta: rows(self.delta),
            before: rows(self.before),
            gradient: rows(self.gradient),
            value: values(self.value),
            compared: values(self.compared),
            step_size: values(self.step_size),
            steps: self.steps,
            best: rows(self.best),
            best_gradient: rows(self.best_gradient),
            best_value: values(self.best_value),
            rises: values(self.rises),
            halved: self.halved.select(0, stay.clone()),
            best_at_check: values(self.best_at_check),
        }
    }

    /// The perturbation with the largest value so far.
    pub(crate) fn best(&self) -> &Tensor<D> {
        &self.best
    }

    /// The largest value so far.
    pub(crate) fn best_value(&self) -> Tensor<1> {
        self.best_value.clone()
    }

    /// The value and the step size now.
    pub(crate) fn now(&self) -> [Tensor<1>; 2] {
        [self.value.clone(), self.step_size.clone()]
    }
}

/// When the step size is looked at: after 22% of the steps, then at intervals that shrink by 3% of
/// them to no less than 6%.
pub(crate) struct Checkpoints {
    interval: usize,
    shrink: usize,
    least: usize,
    since: usize,
}

impl Checkpoints {
    pub(crate) fn new(steps: usize) -> Self {
        let share = |share: f64| ((share * steps as f64) as usize).max(1);
        Self { interval: share(0.22), shrink: share(0.03), least: share(0.06), since: 0 }
    }

    /// Counts a step; at a checkpoint, the number of steps since the last one.
    pub(crate) fn pass(&mut self) -> Option<usize> {
        self.since += 1;
        if self.since < self.interval {
            return None;
        }
        self.interval = self.interval.saturating_sub(self.shrink).max(self.least);
        Some(std::mem::take(&mut self.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_those_of_the_paper() {
        let mut checkpoints = Checkpoints::new(100);
        let at: Vec<usize> = (1..=100).filter(|_| checkpoints.pass().is_some()).collect();
        assert_eq!(at, [22, 41, 57, 70, 80, 87, 93, 99]);
    }
}
