//! What was found of distances.

use std::path::Path;

use free_at_core::{Error, Target, ThreatModel, files};
use serde::{Deserialize, Serialize};

use crate::report::{Verdict, Versions};

/// How far the closest adversarial example of a sample is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampleDistance {
    /// [`Broken`](Verdict::Broken) where an example was found, at whatever distance, and
    /// [`Robust`](Verdict::Robust) where none was.
    pub verdict: Verdict,
    /// Its norm, measured again; nothing where none was found or looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance: Option<f64>,
    /// The attack that found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attack: Option<String>,
}

/// One attack's share of a [`DistanceReport`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttackDistances {
    /// The attack's name.
    pub name: String,
    /// Its parameters.
    pub parameters: String,
    /// The samples it was run on, and of these the ones it found an example for.
    pub attacked: usize,
    /// See [`attacked`](Self::attacked).
    pub found: usize,
    /// The median distance of what it was run on; nothing where it found no example for half of them.
    pub median: Option<f64>,
    /// Gradient computations, counted in samples.
    pub gradient_computations: u64,
    /// Forward passes without a gradient, counted in samples: for a model that gives labels alone, its queries.
    pub forward_passes: u64,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// The distances of the closest adversarial examples, and the robust accuracy at every ε that follows from them.
///
/// Prints as a table; [`save`](Self::save) writes JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DistanceReport {
    /// In what the distances are measured; its ε has no part in them.
    pub threat: ThreatModel,
    /// What was aimed at.
    pub target: Option<Target>,
    /// The seed of every random draw.
    pub seed: u64,
    /// What computed it.
    pub versions: Versions,
    /// Accuracy without an attack, from 0 to 1.
    pub clean: f64,
    /// Each attack, in the order in which they were added.
    pub attacks: Vec<AttackDistances>,
    /// Each sample, in the order of the data.
    pub samples: Vec<SampleDistance>,
    /// Whether the model's queries were spent before every attack was through.
    pub is_cut_short: bool,
}

impl DistanceReport {
    /// The share of samples, from 0 to 1, that are right and of which no example within ε was found. At 0 it is the clean
    /// accuracy.
    pub fn accuracy_at(&self, epsilon: f64) -> f64 {
        self.count_at(epsilon) as f64 / self.samples.len().max(1) as f64
    }

    pub(super) fn count_at(&self, epsilon: f64) -> usize {
        let stands = |sample: &&SampleDistance| match sample.verdict {
            Verdict::Robust => true,
            // Of x + δ − x the last bits are lost, and an ε is met if it is met but for these.
            Verdict::Broken => sample.distance.is_none_or(|at| at > epsilon * (1.0 + 1e-6)),
            Verdict::Misclassified | Verdict::NotFinite => false,
        };
        self.samples.iter().filter(stands).count()
    }

    /// The median distance of the samples that are right without an attack; nothing where no example was found for half of
    /// them.
    pub fn median(&self) -> Option<f64> {
        let right = |verdict| matches!(verdict, Verdict::Broken | Verdict::Robust);
        let right = self.samples.iter().filter(|sample| right(sample.verdict));
        median(right.map(|sample| sample.distance))
    }

    /// Writes the report as JSON: to a temporary name beside `path`, then renamed.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        files::write_json(path.as_ref(), self)
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read, [`Error::DamagedFile`] if it is no such report.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        files::read_json(path.as_ref())
    }
}

/// The middle one of some distances, of which those that are missing are infinite; of an even number the lower of the two in
/// the middle.
pub(super) fn median(distances: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let mut all: Vec<f64> = distances.map(|at| at.unwrap_or(f64::INFINITY)).collect();
    all.sort_by(f64::total_cmp);
    let middle = all.len().checked_sub(1)? / 2;
    Some(all[middle]).filter(|at| at.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_found_is_far_away() {
        let of = |distances: &[Option<f64>]| median(distances.iter().copied());
        assert_eq!(of(&[Some(3.0), None, Some(1.0)]), Some(3.0));
        assert_eq!(of(&[Some(3.0), None]), Some(3.0));
        assert_eq!(of(&[None, None, Some(1.0)]), None);
        assert_eq!(of(&[]), None);
    }
}
