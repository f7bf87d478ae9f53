//! What was certified.

use std::fmt;
use std::path::Path;

use free_at_core::{Error, files};
use serde::{Deserialize, Serialize};

use super::smoothing::Smoothing;
use crate::report::wilson_interval;

/// The certificate of a sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CertifiedSample {
    /// Its position in the data.
    pub sample: usize,
    /// Its class.
    pub label: usize,
    /// What the smoothed classifier says; nothing where it abstains.
    pub class: Option<usize>,
    /// The L2 radius, in the unit of the inputs, within which it says so of every input; 0 where it abstains.
    pub radius: f64,
}

/// The certificates of [`Smoothing`], with what they took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SmoothingReport {
    /// How they were made.
    pub settings: Smoothing,
    /// One for each sample, in the order of the data.
    pub samples: Vec<CertifiedSample>,
    /// Forward passes, counted in samples.
    pub forward_passes: u64,
    /// Wall-clock seconds.
    pub seconds: f64,
}

impl SmoothingReport {
    /// The share of samples, from 0 to 1, of which the smoothed classifier says the right class.
    pub fn accuracy(&self) -> f64 {
        self.certified_at(0.0)
    }

    /// The share of samples, from 0 to 1, that are right whatever is done to them within this L2 radius.
    pub fn certified_at(&self, radius: f64) -> f64 {
        self.count(radius) as f64 / self.samples.len().max(1) as f64
    }

    /// The share of samples, from 0 to 1, on which it abstains.
    pub fn abstained(&self) -> f64 {
        let abstained = self.samples.iter().filter(|sample| sample.class.is_none()).count();
        abstained as f64 / self.samples.len().max(1) as f64
    }

    /// The median radius over all samples, wrong ones counting 0.
    pub fn median_radius(&self) -> f64 {
        let mut radii: Vec<f64> = self.samples.iter().map(CertifiedSample::right_within).collect();
        radii.sort_by(f64::total_cmp);
        radii.get(radii.len() / 2).copied().unwrap_or_default()
    }

    /// Pairs of a radius and the share that is [certified](Self::certified_at) there, from 0 to the largest radius, in
    /// so many equal steps.
    pub fn curve(&self, steps: usize) -> Vec<(f64, f64)> {
        let widest = self.samples.iter().map(CertifiedSample::right_within).fold(0.0, f64::max);
        let at = |step: usize| widest * step as f64 / steps.max(1) as f64;
        (0..=steps).map(|step| (at(step), self.certified_at(at(step)))).collect()
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

    fn count(&self, radius: f64) -> usize {
        let holds = |sample: &&CertifiedSample| sample.is_right() && sample.radius >= radius;
        self.samples.iter().filter(holds).count()
    }
}

impl CertifiedSample {
    fn is_right(&self) -> bool {
        self.class == Some(self.label)
    }

    /// Its radius if it is right, or else 0.
    fn right_within(&self) -> f64 {
        if self.is_right() { self.radius } else { 0.0 }
    }
}

impl fmt::Display for SmoothingReport {
    /// Accuracy, and what is certified at a quarter, a half and the whole of σ and at twice as much.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHARES: [f64; 5] = [0.0, 0.25, 0.5, 1.0, 2.0];
        let (sigma, n) = (self.settings.sigma(), self.samples.len());
        writeln!(f, "randomised smoothing, σ = {sigma}, {n} samples (L2)")?;
        for share in SHARES {
            let radius = share * sigma;
            let count = self.count(radius);
            let [low, high] = wilson_interval(count, n).map(|end| 100.0 * end);
            let percent = 100.0 * self.certified_at(radius);
            writeln!(
                f,
                "  within {radius:<8.4} {percent:5.1} %  [{low:5.1}, {high:5.1}]  {count}/{n}"
            )?;
        }
        write!(
            f,
            "  abstains on {:.1} %, median radius {:.4} ({} forward passes, {:.1} s)",
            100.0 * self.abstained(),
            self.median_radius(),
            self.forward_passes,
            self.seconds
        )
    }
}
