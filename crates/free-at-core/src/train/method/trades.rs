//! TRADES: "Theoretically principled trade-off between robustness and accuracy", Zhang et al., ICML 2019.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_softmax, softmax};
use serde::{Deserialize, Serialize};

use super::adversary::{Adversary, ModelMode};
use super::interface::{Descend, Method};
use super::noisy_ascent;
use super::step::{Descent, Step};
use crate::error::Error;
use crate::model::classifier::Trainable;
use crate::threat::threat_model::ThreatModel;
use crate::train::TrainError;

/// Configuration of TRADES: cross-entropy at the input and β · KL(p(x) ‖ p(x′)), where x′ comes from steps of ascent on
/// that divergence.
///
/// As the authors' program, `yaodongyu/TRADES`, which attacks the model in evaluation mode; it asks it in training mode
/// once more at x, and the start here is limited to the input bounds.
///
/// ```
/// use burn::tensor::Device;
/// use free_at_core::train::{TradesConfig, TradesTrainer};
/// use free_at_core::{Epsilon, ThreatModel};
///
/// let config = TradesConfig::new(ThreatModel::linf(Epsilon::unit(0.031)));
/// let trainer = TradesTrainer::new(config, Device::flex())?;
/// assert_eq!((trainer.name().as_str(), trainer.gradient_computations()), ("trades-6", 12));
/// # Ok::<(), free_at_core::train::TrainError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TradesConfig {
    #[serde(flatten)]
    adversary: Adversary,
    beta: f64,
    steps: usize,
}

impl TradesConfig {
    /// The published values: β = 6 and ten steps.
    pub fn new(adversary: impl Into<Adversary>) -> Self {
        Self { adversary: adversary.into(), beta: 6.0, steps: 10 }
    }

    /// β, the weight of the divergence, not below 0. Default: 6 (1/λ in the paper).
    #[must_use]
    pub fn with_beta(mut self, beta: f64) -> Self {
        self.beta = beta;
        self
    }

    /// How many steps of ascent, at least 1. Default: 10.
    #[must_use]
    pub fn with_steps(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }
}

impl Method for TradesConfig {
    fn name(&self) -> String {
        format!("trades-{}", self.beta)
    }

    fn check(&self) -> Result<(), TrainError> {
        self.adversary.check()?;
        if !(self.beta.is_finite() && self.beta >= 0.0) {
            return Err(TrainError::Parameter {
                what: "TRADES",
                parameter: "β",
                allowed: "finite and not below 0",
                value: self.beta,
            });
        }
        match self.steps {
            0 => Err(Error::Steps { attack: "TRADES".into() }.into()),
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

impl<const D: usize> Descend<D> for TradesConfig {
    fn descend<C: Trainable<D>>(&self, step: &mut Step<'_, C, D>) -> Result<Descent, TrainError> {
        step.of_classes("TRADES")?;
        let frozen = step.frozen(&self.adversary, ModelMode::Evaluation);
        let task = step.task(&self.adversary, &frozen)?;
        let natural = task.logits(step.inputs())?;
        let adversarial =
            noisy_ascent::climb(step, &task, (&self.adversary, self.steps), |logits| {
                Ok(divergence(step.constant(natural.clone(), &logits), logits))
            })?;
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
