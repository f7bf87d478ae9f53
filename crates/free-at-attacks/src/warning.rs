//! What speaks against trusting a robustness number.

use std::fmt;

use free_at_core::Objective;
use serde::{Deserialize, Serialize};

/// A sign that an evaluation overestimates robustness. `docs/checks.md` says of each what it means
/// and what to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Warning {
    /// The outputs are in [0, 1] and each row adds up to 1: a softmax, not logits.
    Probabilities,
    /// The model answers the same inputs differently from call to call.
    Randomized {
        /// The largest distance between two answers to a sample, each scaled to length 1.
        difference: f64,
    },
    /// The gradient of an objective is exactly zero for some samples that are right.
    ZeroGradients {
        /// The objective.
        objective: Objective,
        /// Their share among the samples looked at, from 0 to 1.
        share: f64,
    },
    /// The gradient of an objective is no finite number for some samples that are right.
    NonFiniteGradients {
        /// The objective.
        objective: Objective,
        /// Their share among the samples looked at, from 0 to 1.
        share: f64,
    },
    /// The model's answer to some clean samples is no finite number.
    NonFiniteLogits {
        /// How many.
        samples: usize,
    },
    /// An attack without gradients breaks samples that no attack with gradients does.
    BlackBoxStronger {
        /// The attack.
        attack: String,
        /// How many.
        samples: usize,
    },
    /// The attack aims at all wrong classes of the model, which are fewer than it would aim at.
    FewerTargets {
        /// The attack.
        attack: String,
        /// Classes of the model.
        classes: usize,
    },
    /// ε reaches from one input bound to the other, so any input may become any other.
    EpsilonCoversBounds,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: &f64| format!("{:.1} %", 100.0 * share);
        match self {
            Self::Probabilities => write!(
                f,
                "the outputs look like probabilities: return logits, or gradients vanish where the model is sure"
            ),
            Self::Randomized { difference } => write!(
                f,
                "the model answers differently from call to call (by {difference:.1e}): attack it with `AutoAttack::rand`, which averages over its randomness, or with `Eot`"
            ),
            Self::ZeroGradients { objective, share } => write!(
                f,
                "the gradient of {objective} is zero for {} of the samples: attacks that ascend it cannot move them",
                percent(share)
            ),
            Self::NonFiniteGradients { objective, share } => write!(
                f,
                "the gradient of {objective} is no finite number for {} of the samples: attacks take it for zero there",
                percent(share)
            ),
            Self::NonFiniteLogits { samples } => write!(
                f,
                "the model's answer to {samples} clean samples is no finite number: they count as wrong"
            ),
            Self::BlackBoxStronger { attack, samples } => write!(
                f,
                "{attack}, which uses no gradient, breaks {samples} samples that no attack with gradients breaks: the gradients mislead"
            ),
            Self::FewerTargets { attack, classes } => write!(
                f,
                "{attack} aims at {} wrong classes, all that a model of {classes} has",
                classes.saturating_sub(1)
            ),
            Self::EpsilonCoversBounds => write!(
                f,
                "epsilon covers the whole range of the inputs: check its unit (`Epsilon::pixels(8.0)` is 8/255)"
            ),
        }
    }
}
