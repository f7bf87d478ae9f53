//! What an evaluation found.

use std::fmt;

use free_at_core::ThreatModel;
use serde::{Deserialize, Serialize};

/// What became of one sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The model gets it wrong without any attack.
    Misclassified,
    /// Broken by this attack, the first of the evaluation's that did.
    Broken(String),
    /// Right, and right under every attack.
    Robust,
}

/// One attack's share of a [`RobustnessReport`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttackReport {
    /// The attack's name.
    pub name: String,
    /// The share of all samples that are right under this attack, from 0 to 1.
    pub accuracy: f64,
    /// Gradient computations, counted in samples.
    pub gradient_computations: u64,
    /// Forward passes without a gradient, counted in samples.
    pub forward_passes: u64,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// Clean accuracy, accuracy under each attack, and the worst case over all of them.
///
/// Prints as a table; serialises as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RobustnessReport {
    /// What the attacks were allowed.
    pub threat: ThreatModel,
    /// The seed of every random draw.
    pub seed: u64,
    /// Accuracy without an attack, from 0 to 1.
    pub clean: f64,
    /// Each attack, in the order in which they were added.
    pub attacks: Vec<AttackReport>,
    /// The share of samples that no attack breaks, from 0 to 1: the robust accuracy.
    pub worst_case: f64,
    /// Each sample, in the order of the data.
    pub verdicts: Vec<Verdict>,
}

impl RobustnessReport {
    /// The number of samples.
    pub fn samples(&self) -> usize {
        self.verdicts.len()
    }

    /// The accuracy under the attack of this name, if it was run.
    pub fn under(&self, attack: &str) -> Option<f64> {
        self.attacks.iter().find(|report| report.name == attack).map(|report| report.accuracy)
    }
}

impl fmt::Display for RobustnessReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.samples();
        writeln!(f, "{}, {n} samples, seed {}", self.threat, self.seed)?;
        let widest = self.attacks.iter().map(|attack| attack.name.len()).max().unwrap_or(0);
        let width = widest.max("worst case".len());
        let mut line = |name: &str, accuracy: f64, note: String| {
            let right = (accuracy * n as f64).round();
            writeln!(f, "  {name:width$}  {:5.1} %  {right}/{n}{note}", 100.0 * accuracy)
        };
        line("clean", self.clean, String::new())?;
        for attack in &self.attacks {
            let cost = attack.gradient_computations;
            let note = format!("  ({cost} gradients, {:.1} s)", attack.seconds);
            line(&attack.name, attack.accuracy, note)?;
        }
        line("worst case", self.worst_case, String::new())
    }
}
