//! The ascent that TRADES and MART share.

use burn::tensor::Tensor;

use super::adversary::Adversary;
use super::observer::Phase;
use super::step::Step;
use crate::attack::ascent::Ascent;
use crate::attack::task::AttackTask;
use crate::error::Error;
use crate::model::classifier::Trainable;

/// The length of a step, unless the adversary says so: 0.007 at ε = 0.031, as in both authors' programs.
const STEP_OF_EPSILON: f64 = 0.007 / 0.031;
/// The start is this times a normal number: at the input itself the gradient of TRADES's divergence is zero.
const NOISE: f64 = 0.001;

/// The adversarial examples, `[n, …]`, after so many steps of ascent on `values` of the logits, from a little noise.
pub(super) fn climb<C: Trainable<D>, const D: usize>(
    step: &Step<'_, C, D>,
    task: &AttackTask<'_, D>,
    (adversary, steps): (&Adversary, usize),
    values: impl Fn(Tensor<2>) -> Result<Tensor<1>, Error>,
) -> Result<Tensor<D>, Error> {
    let noise = task.draws().normal(task.inputs().dims(), &task.inputs().device());
    let start = task.allowed().project(task.inputs(), noise.mul_scalar(NOISE));
    let ascent = Ascent::new(steps, step.step_size(adversary, STEP_OF_EPSILON));
    ascent.climb(task, Some(start), values, |seen, found| {
        step.show(Phase::Ascent, (seen, &found.gradient, &found.logits))
    })
}
