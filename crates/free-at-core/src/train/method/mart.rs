//! MART: "Improving adversarial robustness requires revisiting misclassified examples", Wang et al., ICLR 2020.

use burn::tensor::activation::{log_softmax, softmax};
use serde::{Deserialize, Serialize};

use super::adversary::{Adversary, ModelMode};
use super::interface::{Descend, Method};
use super::noisy_ascent;
use super::step::{Descent, Step};
use crate::error::Error;
use crate::model::classifier::Trainable;
use crate::rows::{class_mask, of_class};
use crate::threat::objective::Objective;
use crate::threat::threat_model::ThreatModel;
use crate::train::TrainError;

/// What the program adds to a probability before it takes its logarithm.
const TINY: f64 = 1e-12;
/// What it takes a probability from, for a logarithm and for a weight.
const ABOVE_ONE: f64 = 1.0001;
const JUST_ABOVE_ONE: f64 = 1.000_000_1;

/// Configuration of MART: at x′, which PGD finds, cross-entropy of the true class and of the likeliest wrong one ruled
/// out, and λ · KL(p(x) ‖ p(x′)) · (1 − p_y(x)), which counts samples more that the model gets wrong.
///
/// As the authors' program, `YisenWang/MART`, which attacks the model in evaluation mode; the start is limited to the
/// input bounds. Label smoothing of the trainer is of the first of the three terms.
///
/// ```
/// use burn::tensor::Device;
/// use free_at_core::train::{MartConfig, MartTrainer};
/// use free_at_core::{Epsilon, ThreatModel};
///
/// let config = MartConfig::new(ThreatModel::linf(Epsilon::unit(0.031)));
/// let trainer = MartTrainer::new(config, Device::flex())?;
/// assert_eq!((trainer.name().as_str(), trainer.gradient_computations()), ("mart-5", 12));
/// # Ok::<(), free_at_core::train::TrainError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MartConfig {
    #[serde(flatten)]
    adversary: Adversary,
    lambda: f64,
    steps: usize,
}

impl MartConfig {
    /// The published values: λ = 5 and ten steps. (The program has 6 for WRN-34-10.)
    pub fn new(adversary: impl Into<Adversary>) -> Self {
        Self { adversary: adversary.into(), lambda: 5.0, steps: 10 }
    }

    /// λ, the weight of the divergence, not below 0. Default: 5.
    #[must_use]
    pub fn with_lambda(mut self, lambda: f64) -> Self {
        self.lambda = lambda;
        self
    }

    /// How many steps of ascent, at least 1. Default: 10.
    #[must_use]
    pub fn with_steps(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }
}

impl Method for MartConfig {
    fn name(&self) -> String {
        format!("mart-{}", self.lambda)
    }

    fn check(&self) -> Result<(), TrainError> {
        self.adversary.check()?;
        if !(self.lambda.is_finite() && self.lambda >= 0.0) {
            return Err(TrainError::Parameter {
                what: "MART",
                parameter: "λ",
                allowed: "finite and not below 0",
                value: self.lambda,
            });
        }
        match self.steps {
            0 => Err(Error::Steps { attack: "MART".into() }.into()),
            _ => Ok(()),
        }
    }

    fn threat(&self) -> Option<&ThreatModel> {
        Some(self.adversary.threat())
    }

    fn gradient_computations(&self) -> usize {
        self.steps + 2 // the last backward pass goes through two forward passes
    }

    fn answers(&self) -> usize {
        2
    }
}

impl<const D: usize> Descend<D> for MartConfig {
    fn descend<C: Trainable<D>>(&self, step: &mut Step<'_, C, D>) -> Result<Descent, TrainError> {
        step.of_classes("MART")?;
        let frozen = step.frozen(&self.adversary, ModelMode::Evaluation);
        let task = step.task(&self.adversary, &frozen)?;
        let adversarial =
            noisy_ascent::climb(step, &task, (&self.adversary, self.steps), |logits| {
                Objective::CrossEntropy.values(logits, task.goal())
            })?;
        step.descend_on([step.inputs(), adversarial], |[natural, adversarial]| {
            let labels = step.batch().labels();
            let (p, log_p) = (softmax(natural.clone(), 1), log_softmax(natural, 1));
            let q = softmax(adversarial.clone(), 1);
            let wrong = q.clone().mask_fill(class_mask(&q, &labels), 0.0).max_dim(1);
            let ruled_out = wrong.neg().add_scalar(ABOVE_ONE).log().squeeze_dim::<1>(1).neg();
            let log_q = q.add_scalar(TINY).log();
            let apart = (p.clone() * (log_p - log_q)).sum_dim(1).squeeze_dim::<1>(1);
            let missed = of_class(p, &labels).neg().add_scalar(JUST_ABOVE_ONE);
            Ok(step.cross_entropy(adversarial)?
                + ruled_out
                + apart * missed.mul_scalar(self.lambda))
        })
    }
}
