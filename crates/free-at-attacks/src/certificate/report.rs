//! What was certified.

use std::fmt;
use std::path::Path;

use free_at_core::{Error, Norm, files};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::report::wilson_interval;

/// How certificates are made.
pub trait Certifier {
    /// What a report begins with: the method, and what of.
    fn heading(&self) -> String;

    /// The norm of the radii.
    fn norm(&self) -> Norm;

    /// The radii that a report's table has.
    fn shown(&self) -> Vec<f64>;
}

/// The certificate of a sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CertifiedSample {
    /// Its position in the data.
    pub sample: usize,
    /// Its class.
    pub label: usize,
    /// What the classifier says; nothing where it abstains, or its answer is no number.
    pub class: Option<usize>,
    /// The radius, in the unit of the inputs, within which it says so of every input; 0 where it abstains.
    pub radius: f64,
}

/// The certificates that an `S` made, with what they took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CertificateReport<S> {
    /// How they were made.
    pub settings: S,
    /// One for each sample, in the order of the data.
    pub samples: Vec<CertifiedSample>,
    /// Forward passes, counted in samples.
    pub forward_passes: u64,
    /// Wall-clock seconds.
    pub seconds: f64,
}

impl<S> CertificateReport<S> {
    /// The share of samples, from 0 to 1, of which the classifier says the right class.
    pub fn accuracy(&self) -> f64 {
        self.certified_at(0.0)
    }

    /// The share of samples, from 0 to 1, that are right whatever is done to them within this radius.
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

    fn count(&self, radius: f64) -> usize {
        let holds = |sample: &&CertifiedSample| sample.is_right() && sample.radius >= radius;
        self.samples.iter().filter(holds).count()
    }
}

impl<S: Serialize + DeserializeOwned> CertificateReport<S> {
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

impl CertifiedSample {
    fn is_right(&self) -> bool {
        self.class == Some(self.label)
    }

    /// Its radius if it is right, or else 0.
    fn right_within(&self) -> f64 {
        if self.is_right() { self.radius } else { 0.0 }
    }
}

impl<S: Certifier> fmt::Display for CertificateReport<S> {
    /// Accuracy, and what is certified at some radii.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.samples.len();
        writeln!(f, "{}, {n} samples ({})", self.settings.heading(), self.settings.norm())?;
        for radius in self.settings.shown() {
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
