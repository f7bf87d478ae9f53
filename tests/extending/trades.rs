//! A new method: TRADES.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_softmax, softmax};
use free_at::Trainable;
use free_at::attacks::Ascent;
use free_at::prelude::*;
use free_at::train::{Descend, Descent, Method, Phase, Step, TrainError};

/// The length of a step, unless the adversary says so: 0.007 at ε = 0.031, as in the authors' program.
const STEP_OF_EPSILON: f64 = 0.007 / 0.031;
/// The start of the ascent is this times a normal number: at the input itself the gradient is zero.
const NOISE: f64 = 0.001;

/// TRADES: cross-entropy at the input and β · KL(p(x) ‖ p(x′)), where x′ comes from steps of ascent on that
/// divergence.
///
/// Zhang et al., "Theoretically principled trade-off between robustness and accuracy", ICML 2019. The ascent
/// sees the model in evaluation mode, as in the authors' program, which asks it in training mode once more
/// at x; the start is limited to the input bounds.
#[derive(Debug, Clone)]
pub(crate) struct Trades {
    adversary: Adversary,
    beta: f64,
    steps: usize,
}

impl Trades {
    /// The published values: β = 6 and ten steps.
    pub(crate) fn new(adversary: impl Into<Adversary>) -> Self {
        Self { adversary: adversary.into(), beta: 6.0, steps: 10 }
    }

    /// How many steps of ascent, at least 1. Default: 10.
    pub(crate) fn with_steps(self, steps: usize) -> Self {
        Self { steps, ..self }
    }
}

impl Method for Trades {
    fn name(&self) -> String {
        format!("trades-{}", self.beta)
    }

    fn check(&self) -> Result<(), TrainError> {
        self.adversary.check()?;
        match self.steps {
            0 => Err(Error::Steps { attack: "TRADES".into() }.into()),
            _ => Ok(()),
        }
    }

    fn gradient_computations(&self) -> usize {
        self.steps + 2 // the last backward pass goes through two forward passes
    }
}

impl<const D: usize> Descend<D> for Trades {
    fn descend<C: Trainable<D>>(&self, step: &mut Step<'_, C, D>) -> Result<Descent, TrainError> {
        let frozen = step.frozen();
        let task = step.task(&self.adversary, &frozen)?;
        let natural = task.logits(step.inputs())?;
        let noise = task.draws().normal(step.inputs().dims(), &step.inputs().device());
        let ascent = Ascent::new(self.steps, step.step_size(&self.adversary, STEP_OF_EPSILON));
        let adversarial = ascent.climb(
            &task,
            Some(task.allowed().project(task.inputs(), noise.mul_scalar(NOISE))),
            |logits| Ok(divergence(natural.clone().autodiff(), logits)),
            |seen, found| step.show(Phase::Ascent, (seen, &found.gradient, &found.logits)),
        )?;
        step.descend_on([step.inputs(), adversarial], |[natural, adversarial]| {
            let apart = divergence(natural.clone(), adversarial).mul_scalar(self.beta);
            Ok(step.cross_entropy(natural)? + apart)
        })
    }
}

/// KL(p ‖ q) of each sample, `[n]`, from the logits of p and q.
fn divergence(p: Tensor<2>, q: Tensor<2>) -> Tensor<1> {
    let apart = log_softmax(p.clone(), 1) - log_softmax(q, 1);
    (softmax(p, 1) * apart).sum_dim(1).squeeze_dim(1)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use free_at::train::{GradientObserver, Observation};
    use serde::Deserialize;

    use super::*;
    use crate::catalogue::trainer_of;
    use crate::nets::{linf, sgd};
    use crate::step_by_step::{State, assert_close, assert_state, batch, conv_net};

    #[derive(Deserialize)]
    struct Fixture {
        beta: f64,
        epsilon: f64,
        step_size: f64,
        perturb_steps: usize,
        seed: u64,
        learning_rate: f64,
        initial: State,
        inputs: Vec<Vec<f32>>,
        labels: Vec<Vec<i64>>,
        steps: Vec<Expected>,
    }

    #[derive(Deserialize)]
    struct Expected {
        start: Vec<f32>,
        adversarial: Vec<f32>,
        loss: f32,
        state: State,
    }

    /// Where the model was asked.
    #[derive(Debug, Clone, Default)]
    struct Seen(Arc<Mutex<Vec<Vec<f32>>>>);

    impl GradientObserver for Seen {
        fn observe(&self, seen: &Observation<'_>) -> Result<(), Error> {
            self.0.lock().unwrap().push(seen.seen().try_into_vec_as().unwrap());
            Ok(())
        }
    }

    #[test]
    fn three_steps_are_those_of_pytorch() {
        let fixture = include_str!("../fixtures/trades.json");
        let fixture: Fixture = serde_json::from_str(fixture).unwrap();
        let adversary = Adversary::new(linf(fixture.epsilon))
            .with_seed(fixture.seed)
            .with_step_size(Epsilon::unit(fixture.step_size));
        let method = Trades::new(adversary).with_steps(fixture.perturb_steps);
        assert_eq!(method.beta, fixture.beta);
        let seen = Seen::default();
        let trainer = trainer_of(method).observing(seen.clone());
        let device = trainer.device();
        let mut model = conv_net(&fixture.initial, device);
        let mut optimizer = sgd();
        let data = fixture.inputs.iter().zip(&fixture.labels).zip(&fixture.steps);
        for (at, ((inputs, labels), expected)) in data.enumerate() {
            let batch = batch(inputs, labels, device);
            let rate = fixture.learning_rate;
            let (next, output) = trainer.step(model, &mut optimizer, rate, &batch).unwrap();
            model = next;
            let seen = std::mem::take(&mut *seen.0.lock().unwrap());
            // Its noise is made by `fixtures/draws.py`, keyed by the device among other things.
            assert_close(&format!("{at} start"), &seen[0], &expected.start);
            assert_close(&format!("{at} x'"), seen.last().unwrap(), &expected.adversarial);
            assert_close(&format!("{at} loss"), &[output.loss.into_scalar()], &[expected.loss]);
            assert_state(&at.to_string(), &model, &expected.state);
        }
    }
}
