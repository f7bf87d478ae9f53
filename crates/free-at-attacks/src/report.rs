//! What an evaluation found.

pub(crate) mod card;
mod file;
pub(crate) mod model_info;
mod table;
pub(crate) mod union;
mod wilson;

use burn::tensor::Device;
use free_at_core::{Target, ThreatModel};
use serde::{Deserialize, Serialize};

use crate::warning::Warning;
pub use wilson::wilson_interval;

/// What became of one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The model gets it wrong without any attack.
    Misclassified,
    /// The model's answer to it, without any attack, is no number; it counts as wrong.
    NotFinite,
    /// Right without an attack, broken by one; in a targeted evaluation, taken for the target.
    Broken,
    /// Right, and right under every attack.
    Robust,
}

/// One sample of a [`RobustnessReport`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampleReport {
    /// What became of it.
    pub verdict: Verdict,
    /// The first attack that broke it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attack: Option<String>,
    /// The norm of that attack's perturbation, as the evaluation measured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norm: Option<f64>,
}

/// Accuracies, from 0 to 1, where images are stored with 8 bits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct QuantizedAccuracy {
    /// Under the attack that ignores rounding: its adversarial examples, rounded to n/255, which may
    /// take them up to half a level further.
    pub rounded: f64,
    /// Under the attack that knows of it: whatever the model sees is n/255 already, and within ε. The report's
    /// costs are those without it.
    #[serde(alias = "projected")]
    pub quantized: f64,
}

/// One attack's share of a [`RobustnessReport`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttackReport {
    /// The attack's name.
    pub name: String,
    /// Its parameters.
    pub parameters: String,
    /// The share of all samples, from 0 to 1, that are right under this attack; in a cascade, under
    /// this attack and those before it.
    pub accuracy: f64,
    /// The 95% Wilson interval of the accuracy.
    pub interval: [f64; 2],
    /// The samples it was run on, and of these the ones it broke.
    pub attacked: usize,
    /// See [`attacked`](Self::attacked).
    pub broken: usize,
    /// Gradient computations, counted in samples.
    pub gradient_computations: u64,
    /// Forward passes without a gradient, counted in samples.
    pub forward_passes: u64,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// The accuracies with 8 bits, if they were asked for.
    #[serde(default, alias = "eight_bit", skip_serializing_if = "Option::is_none")]
    pub quantized: Option<QuantizedAccuracy>,
}

/// What computed a [`RobustnessReport`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// The version of free-at.
    pub free_at: String,
    /// The version of Burn that it was written for.
    pub burn: String,
    /// The device that the model was on.
    pub device: String,
}

impl Versions {
    /// Of what is running, with a model on this device.
    pub(crate) fn here(device: &Device) -> Self {
        /// The version of Burn that this version of free-at is written for.
        const BURN: &str = "0.22";
        Self {
            free_at: env!("CARGO_PKG_VERSION").into(),
            burn: BURN.into(),
            device: format!("{device:?}"),
        }
    }
}

/// Clean accuracy, accuracy under each attack, and the worst case over all of them.
///
/// Prints as a table; [`save`](Self::save) writes JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RobustnessReport {
    /// What the attacks were allowed.
    pub threat: ThreatModel,
    /// What a targeted evaluation aimed at.
    pub target: Option<Target>,
    /// Whether each attack was run on what the ones before had left standing, or on every sample
    /// that is right without an attack.
    pub cascade: bool,
    /// The seed of every random draw.
    pub seed: u64,
    /// What computed it.
    pub versions: Versions,
    /// SHA-256 of what the verdicts depend on: attacks, threat model, seed, data, the model's
    /// parameters, and what it says of the data without an attack: of the first eight samples to the last bit (but for a model that
    /// draws), of all whether it is right.
    pub hash: String,
    /// Accuracy without an attack, from 0 to 1.
    pub clean: f64,
    /// Its 95% Wilson interval.
    pub clean_interval: [f64; 2],
    /// Each attack, in the order in which they were added.
    pub attacks: Vec<AttackReport>,
    /// The share of samples that no attack breaks, from 0 to 1: the robust accuracy.
    pub worst_case: f64,
    /// Its 95% Wilson interval.
    pub worst_case_interval: [f64; 2],
    /// The worst case with 8 bits, if it was asked for.
    #[serde(default, alias = "eight_bit", skip_serializing_if = "Option::is_none")]
    pub quantized: Option<QuantizedAccuracy>,
    /// What speaks against trusting these numbers.
    pub warnings: Vec<Warning>,
    /// Each sample, in the order of the data.
    pub samples: Vec<SampleReport>,
}

impl RobustnessReport {
    /// The accuracy under the attack of this name, if it was run.
    pub fn under(&self, attack: &str) -> Option<f64> {
        self.attacks.iter().find(|report| report.name == attack).map(|report| report.accuracy)
    }

    /// The verdicts, in the order of the data.
    pub fn verdicts(&self) -> Vec<Verdict> {
        self.samples.iter().map(|sample| sample.verdict).collect()
    }
}
