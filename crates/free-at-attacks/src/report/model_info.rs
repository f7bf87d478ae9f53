//! A report as RobustBench lists it.

use std::path::Path;

use free_at_core::{Error, Norm, files};
use serde::{Deserialize, Serialize};

use super::RobustnessReport;
use crate::error::EvaluationError;

/// An entry of RobustBench, `model_info/<data set>/<threat model>/<identifier>.json`: what a model is, and its accuracies in per cent,
/// written with two digits.
///
/// ```
/// use free_at_attacks::ModelInfo;
///
/// let info = ModelInfo::new("Free-8, narrow", "PreActResNet-18", "cifar10")
///     .by("A. Author, B. Author")
///     .published_at("Unpublished", "https://example.org");
/// assert!(serde_json::to_string(&info)?.contains("\"architecture\":\"PreActResNet-18\""));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    link: String,
    name: String,
    authors: String,
    additional_data: bool,
    number_forward_passes: usize,
    dataset: String,
    venue: String,
    architecture: String,
    eps: String,
    clean_acc: String,
    reported: String,
    autoattack_acc: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    footnote: Option<String>,
    unreliable: bool,
}

/// The samples that RobustBench evaluates CIFAR models on.
const ALL_OF_THE_TEST_SET: usize = 10_000;

impl ModelInfo {
    /// A model without accuracies yet: its name or title, architecture, and data set as RobustBench calls it (`cifar10`,
    /// `cifar100`, `imagenet`).
    pub fn new(
        name: impl Into<String>,
        architecture: impl Into<String>,
        dataset: impl Into<String>,
    ) -> Self {
        let nothing = String::new;
        Self {
            link: nothing(),
            name: name.into(),
            authors: nothing(),
            additional_data: false,
            number_forward_passes: 1,
            dataset: dataset.into(),
            venue: "Unpublished".into(),
            architecture: architecture.into(),
            eps: nothing(),
            clean_acc: nothing(),
            reported: nothing(),
            autoattack_acc: nothing(),
            footnote: None,
            unreliable: false,
        }
    }

    /// Whose model it is.
    #[must_use]
    pub fn by(self, authors: impl Into<String>) -> Self {
        Self { authors: authors.into(), ..self }
    }

    /// Where it was published, and where that can be read.
    #[must_use]
    pub fn published_at(self, venue: impl Into<String>, link: impl Into<String>) -> Self {
        Self { venue: venue.into(), link: link.into(), ..self }
    }

    /// It was trained with other data than the data set's.
    #[must_use]
    pub fn with_additional_data(self) -> Self {
        Self { additional_data: true, ..self }
    }

    /// What else is to be known.
    #[must_use]
    pub fn with_footnote(self, footnote: impl Into<String>) -> Self {
        Self { footnote: Some(footnote.into()), ..self }
    }

    /// With the accuracies of an untargeted evaluation by [`AutoAttack::standard`](crate::AutoAttack::standard). One with warnings is marked
    /// unreliable; where it is not of all 10,000 test images a footnote says so.
    ///
    /// # Errors
    /// [`EvaluationError::NotStandard`] for other attacks.
    pub fn measured(self, report: &RobustnessReport) -> Result<Self, EvaluationError> {
        const STANDARD: [&str; 4] = ["apgd-ce", "apgd-t", "fab-t", "square"];
        let names: Vec<&str> = report.attacks.iter().map(|attack| attack.name.as_str()).collect();
        if names != STANDARD || report.target.is_some() || report.threat.norm() == Norm::L0 {
            let found = names.join(", ");
            let targeted = if report.target.is_some() { ", targeted" } else { "" };
            return Err(EvaluationError::NotStandard { found: found + targeted });
        }
        let percent = |share: f64| format!("{:.2}", 100.0 * share);
        let n = report.samples.len();
        let part = (n != ALL_OF_THE_TEST_SET).then(|| format!("Evaluated on {n} samples."));
        let footnote = [self.footnote.clone(), part].into_iter().flatten().collect::<Vec<_>>();
        Ok(Self {
            eps: report.threat.epsilon().to_string(),
            clean_acc: percent(report.clean),
            reported: percent(report.worst_case),
            autoattack_acc: percent(report.worst_case),
            footnote: (!footnote.is_empty()).then(|| footnote.join(" ")),
            unreliable: !report.warnings.is_empty(),
            ..self
        })
    }

    /// Writes the entry as JSON: to a temporary name beside `path`, then renamed.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        files::write_json(path.as_ref(), self)
    }
}
