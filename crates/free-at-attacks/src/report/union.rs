//! Several threat models at once.

use std::fmt;
use std::path::Path;

use free_at_core::{Error, ThreatModel, files};
use serde::{Deserialize, Serialize};

use super::{RobustnessReport, Verdict, wilson_interval};
use crate::error::EvaluationError;

/// What withstands several threat models, each of which the adversary may choose sample by sample: the union of their
/// perturbations, L∞, L2 and L1 together, say (Tramèr and Boneh 2019; Maini et al. 2020).
///
/// ```
/// # use burn::data::dataloader::{DataLoader, DataLoaderBuilder, batcher::Batcher};
/// # use burn::data::dataset::InMemDataset;
/// # use burn::module::Module;
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::tensor::{Device, Tensor};
/// # use free_at_core::{Batch, Bounds, Classifier};
/// use free_at_attacks::{Apgd, Evaluation, UnionReport};
/// use free_at_core::{Epsilon, Norm, ThreatModel};
/// # #[derive(Module, Debug)]
/// # struct Model { linear: Linear }
/// # impl Classifier<2> for Model {
/// #     fn logits(&self, inputs: Tensor<2>) -> Tensor<2> { self.linear.forward(inputs) }
/// # }
/// # struct Rows;
/// # impl Batcher<[f32; 4], Batch<2>> for Rows {
/// #     fn batch(&self, rows: Vec<[f32; 4]>, device: &Device) -> Batch<2> {
/// #         let labels = vec![0; rows.len()];
/// #         Batch::from_samples(&rows, &[4], &labels, 3, &Bounds::default(), device).unwrap()
/// #     }
/// # }
/// # let model = Model { linear: LinearConfig::new(4, 3).init(&Device::flex()) };
/// # let test = DataLoaderBuilder::new(Rows).batch_size(2).set_device(Device::flex())
/// #     .build(InMemDataset::new(vec![[0.5; 4]; 5]));
/// let threats = [(Norm::Linf, 0.03), (Norm::L2, 0.5), (Norm::L1, 1.0)]
///     .map(|(norm, epsilon)| ThreatModel::new(norm, Epsilon::unit(epsilon)));
/// let reports = threats.map(|threat| Evaluation::new(threat).attack(Apgd::ce()).run(&model, &*test));
/// let reports = reports.into_iter().collect::<Result<Vec<_>, _>>()?;
/// let union = UnionReport::of(&reports)?;
/// assert!(reports.iter().all(|report| union.worst_case <= report.worst_case));
/// # Ok::<(), free_at_attacks::EvaluationError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnionReport {
    /// Each threat model, with the robust accuracy in it alone, from 0 to 1.
    pub threats: Vec<(ThreatModel, f64)>,
    /// Accuracy without an attack, from 0 to 1.
    pub clean: f64,
    /// The share of samples that no attack breaks in any of the threat models.
    pub worst_case: f64,
    /// Its 95% Wilson interval.
    pub worst_case_interval: [f64; 2],
    /// What became of each sample, in the order of the data.
    pub verdicts: Vec<Verdict>,
}

impl UnionReport {
    /// Of reports of one model on the same data.
    ///
    /// # Errors
    /// [`EvaluationError::NoAttack`] for none, [`EvaluationError::OtherData`] where the model's clean answers differ.
    pub fn of(reports: &[RobustnessReport]) -> Result<Self, EvaluationError> {
        let first = reports.first().ok_or(EvaluationError::NoAttack)?;
        let clean = |report: &RobustnessReport| -> Vec<bool> {
            let right = |v: Verdict| matches!(v, Verdict::Broken | Verdict::Robust);
            report.verdicts().into_iter().map(right).collect()
        };
        let expected = clean(first);
        if let Some(other) = reports.iter().find(|report| clean(report) != expected) {
            let (first, other) = (first.threat.to_string(), other.threat.to_string());
            return Err(EvaluationError::OtherData { first, other });
        }
        let all: Vec<Vec<Verdict>> = reports.iter().map(RobustnessReport::verdicts).collect();
        let of_sample = |sample: usize| {
            let breaks = |verdicts: &&Vec<Verdict>| verdicts[sample] == Verdict::Broken;
            all.iter().find(breaks).map_or(all[0][sample], |verdicts| verdicts[sample])
        };
        let verdicts: Vec<Verdict> = (0..expected.len()).map(of_sample).collect();
        let robust = verdicts.iter().filter(|verdict| **verdict == Verdict::Robust).count();
        Ok(Self {
            threats: reports.iter().map(|of| (of.threat.clone(), of.worst_case)).collect(),
            clean: first.clean,
            worst_case: robust as f64 / verdicts.len().max(1) as f64,
            worst_case_interval: wilson_interval(robust, verdicts.len()),
            verdicts,
        })
    }

    /// Writes the report as JSON: to a temporary name beside `path`, then renamed.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        files::write_json(path.as_ref(), self)
    }
}

impl fmt::Display for UnionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "union of {} threat models, {} samples",
            self.threats.len(),
            self.verdicts.len()
        )?;
        let names: Vec<String> =
            self.threats.iter().map(|(threat, _)| threat.to_string()).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(5);
        writeln!(f, "  {:width$}  {:5.1} %", "clean", 100.0 * self.clean)?;
        for (name, (_, accuracy)) in names.iter().zip(&self.threats) {
            writeln!(f, "  {name:width$}  {:5.1} %", 100.0 * accuracy)?;
        }
        let [low, high] = self.worst_case_interval.map(|end| 100.0 * end);
        let worst = 100.0 * self.worst_case;
        writeln!(f, "  {:width$}  {worst:5.1} %  [{low:5.1}, {high:5.1}]", "union")
    }
}
