//! What interval bounds are made with.

use free_at_core::{Error, FeatureRules, Norm, ThreatModel};
use serde::{Deserialize, Serialize};

use super::report::{CertificateReport, Certifier};
use crate::report::{RobustnessReport, Verdict};

/// The certificates of [`Intervals`].
pub type IntervalReport = CertificateReport<Intervals>;

/// Interval bounds: certifies the classifier itself, by its answers to all inputs of a box at once. Of each sample the
/// largest radius, up to that of the threat model, is searched within which no other class can come first.
///
/// Gowal et al., "On the effectiveness of interval bound propagation for training verifiably robust models", 2018, with the
/// last linear layer taken together with the difference of two logits (their section 3). What a ball in L2 or L1 allows each
/// feature is a box, too, and a larger set: the certificate holds there, but is weak. Bounds are widened by what single
/// precision rounds, so they hold for the network as it would be without rounding: on the CPU. A GPU may take matrix products in
/// TF32, which rounds more than that.
///
/// Boxes grow with every layer, so of a network that was not trained for it (with this bound in its loss) little is certified,
/// and the deeper it is the less.
///
/// ```
/// # use burn::data::{dataloader::{DataLoaderBuilder, batcher::Batcher}, dataset::InMemDataset};
/// # use burn::module::Module;
/// # use burn::tensor::{Device, Int, Tensor};
/// use free_at_attacks::Intervals;
/// use free_at_core::{Batch, BoundedClassifier, Classifier, Epsilon, Interval, ThreatModel};
/// # #[derive(Clone)]
/// # struct Rows;
/// # impl Batcher<i32, Batch<2>> for Rows {
/// #     fn batch(&self, items: Vec<i32>, device: &Device) -> Batch<2> {
/// #         let labels = Tensor::<1, Int>::from_data(items.as_slice(), device);
/// #         Batch::new(Tensor::ones([items.len(), 2], device).mul_scalar(0.5), labels).unwrap()
/// #     }
/// # }
/// # let test = DataLoaderBuilder::new(Rows).batch_size(2).build(InMemDataset::new(vec![0, 1]));
/// /// Two logits: the first feature, and 0.4.
/// #[derive(Module, Debug)]
/// struct Step { height: f64 }
/// impl Classifier<2> for Step {
///     fn logits(&self, rows: Tensor<2>) -> Tensor<2> {
///         let first = rows.slice_dim(1, 0..1);
///         Tensor::cat(vec![first.clone(), first.zeros_like().add_scalar(self.height)], 1)
///     }
/// }
/// impl BoundedClassifier<2> for Step {
///     fn rise_bounds(&self, rows: Interval<2>, _of_class_0: &Tensor<1, Int>) -> Tensor<2> {
///         let fall = self.logits(rows.lower);
///         fall.clone() - fall.slice_dim(1, 0..1)
///     }
/// }
/// let threat = ThreatModel::linf(Epsilon::unit(0.3));
/// let certified = Intervals::new(threat).certify(&Step { height: 0.4 }, &*test)?;
/// assert!((certified.samples[0].radius - 0.1).abs() < 1e-3); // 0.5 falls to 0.4
/// # Ok::<(), free_at_attacks::EvaluationError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intervals {
    pub(super) threat: ThreatModel,
    pub(super) halvings: usize,
}

impl Intervals {
    /// Within this threat model, whose ε is the largest radius that is looked for; twelve halvings.
    pub fn new(threat: ThreatModel) -> Self {
        Self { threat, halvings: 12 }
    }

    /// How often the interval that the radius is in is halved: to ε / 2ⁿ exactly, from below. Each is a pass for the samples
    /// that are not certified at ε. Default: 12.
    #[must_use]
    pub fn with_halvings(mut self, halvings: usize) -> Self {
        self.halvings = halvings;
        self
    }

    /// Accepts a threat model whose balls are in boxes.
    ///
    /// # Errors
    /// Those of [`ThreatModel::check`]; [`Error::Unsupported`] in L0, and where features follow from others.
    pub fn check(&self) -> Result<(), Error> {
        self.threat.check()?;
        let follows =
            |rules: &FeatureRules| rules.relations().iter().any(|r| r.follows().is_some());
        match self.threat.norm() {
            _ if self.threat.rules().is_some_and(follows) => Err(Error::Unsupported {
                attack: "interval bounds".into(),
                what: "features that follow from others, which no box bounds".into(),
                instead: "leave those relations out: what is certified then holds with them, too"
                    .into(),
            }),
            Norm::L0 => Err(Error::Unsupported {
                attack: "interval bounds".into(),
                what:
                    "L0, in which a feature may become anything: there is no box around the input"
                        .into(),
                instead: "L∞, L2 or L1".into(),
            }),
            _ => Ok(()),
        }
    }
}

impl IntervalReport {
    /// The samples that are certified for a radius at which an attack broke them, by their positions in the data. There is
    /// none, or one of both is wrong: certified ≤ true ≤ attacked. The report is of the same data, in the same order, and of
    /// a threat model like that of the certificates, at any ε.
    pub fn contradicted_by(&self, report: &RobustnessReport) -> Vec<usize> {
        let epsilon = report.threat.epsilon().value();
        let both = self.samples.iter().zip(&report.samples);
        let contradicted = both.filter(|(certified, attacked)| {
            certified.class == Some(certified.label)
                && certified.radius >= epsilon
                && attacked.verdict != Verdict::Robust
        });
        contradicted.map(|(certified, _)| certified.sample).collect()
    }
}

impl Certifier for Intervals {
    fn heading(&self) -> String {
        format!("interval bounds up to ε = {}", self.threat.epsilon())
    }

    fn norm(&self) -> Norm {
        self.threat.norm()
    }

    fn shown(&self) -> Vec<f64> {
        [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| share * self.threat.epsilon().value()).to_vec()
    }
}
