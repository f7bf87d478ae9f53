//! Runs attacks on a model and counts what withstands them.

mod examples;
mod fingerprint;
mod measure;
mod plan;
mod record;
mod run;
mod samples;
mod sanity;
mod summary;
mod tally;

use std::path::PathBuf;
use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::module::Module;
use free_at_core::{Attack, Batch, Classifier, FrozenModel, Target, ThreatModel};

use crate::error::EvaluationError;
use crate::progress::Progress;
use crate::report::RobustnessReport;
use fingerprint::Fingerprint;
pub(crate) use measure::{exceeds, past_bounds, read_bools};
pub(crate) use plan::Plan;
use run::Run;
pub(crate) use samples::{Clean, Samples};

/// Clean accuracy, accuracy under some attacks, and the worst case over all of them.
///
/// The model is evaluated frozen: running statistics, no dropout, nothing in it changes. The data
/// are read once; a sample that is misclassified as it is counts as wrong and is not attacked. One
/// that an attack breaks leaves the batch: inside the attack, between its runs, and between attacks,
/// where the next one gets only what still stands ([`independently`](Self::independently) gives it
/// everything). Batches are filled up again, so that a GPU has work: between runs and attacks, and
/// inside BIM, MI-FGSM, PGD and CW-K; inside other attacks they shrink. Random draws are keyed by
/// (seed, sample, attack, restart), so a verdict depends neither on the batch size nor on the
/// neighbours.
///
/// What an attack returns is measured again, its norm and the model's answer; an example outside the
/// threat model ends the evaluation with an error.
///
/// ```
/// use burn::data::dataloader::{DataLoader, DataLoaderBuilder, batcher::Batcher};
/// # use burn::data::dataset::InMemDataset;
/// # use burn::module::Module;
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::tensor::{Device, Tensor};
/// # use free_at_core::{Batch, Bounds, Classifier};
/// use free_at_attacks::{Evaluation, Fgsm, Pgd};
/// use free_at_core::{Epsilon, ThreatModel};
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
/// let report = Evaluation::new(ThreatModel::linf(Epsilon::pixels(8.0)))
///     .attack(Fgsm::new())
///     .attack(Pgd::new(20).with_restarts(2))
///     .run(&model, &*test)?;
/// assert!(report.worst_case <= report.clean);
/// println!("{report}");
/// # Ok::<(), free_at_attacks::EvaluationError>(())
/// ```
#[derive(Clone)]
pub struct Evaluation<const D: usize> {
    plan: Plan<D>,
}

impl<const D: usize> Evaluation<D> {
    /// An evaluation without attacks yet: untargeted, a cascade, with seed 0.
    pub fn new(threat: ThreatModel) -> Self {
        Self { plan: Plan::new(threat) }
    }

    /// Adds an attack. Strong ones after cheap ones cost least: they get what is left.
    #[must_use]
    pub fn attack(mut self, attack: impl Attack<D> + 'static) -> Self {
        self.plan.attacks.push(Arc::new(attack));
        self
    }

    /// Adds several attacks: those of [`AutoAttack`](crate::AutoAttack), say.
    #[must_use]
    pub fn attacks(mut self, attacks: impl IntoIterator<Item = Arc<dyn Attack<D>>>) -> Self {
        self.plan.attacks.extend(attacks);
        self
    }

    /// Runs every attack on every sample that is right without one, so that their accuracies can be
    /// compared. The worst case is the same as that of a cascade, at a higher cost.
    #[must_use]
    pub fn independently(mut self) -> Self {
        self.plan.cascade = false;
        self
    }

    /// Targeted: a sample is broken when it is taken for its target. Default: untargeted.
    #[must_use]
    pub fn with_target(mut self, target: Target) -> Self {
        self.plan.target = Some(target);
        self
    }

    /// The seed of every random draw. Default: 0.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.plan.seed = seed;
        self
    }

    /// How many samples are attacked at a time; at least 1. Default: as many as the loader's first
    /// batch has.
    #[must_use]
    pub fn with_batch_size(mut self, batch_size: usize) -> Self {
        self.plan.batch_size = Some(batch_size);
        self
    }

    /// Also reports accuracies where inputs are stored with 8 bits, as n/255: under the same examples,
    /// rounded, and under every attack again with all that the model sees quantized onto that
    /// lattice. About doubles the cost. For images in [0, 1].
    #[must_use]
    pub fn with_quantized(mut self) -> Self {
        self.plan.quantized = true;
        self
    }

    /// Tells `progress` how far it is as work is finished.
    #[must_use]
    pub fn with_progress(mut self, progress: impl Progress + 'static) -> Self {
        self.plan.progress = Some(Arc::new(progress));
        self
    }

    /// Keeps a record of finished work in this file and, if it is there already, goes on from it. The
    /// verdicts are those of an evaluation that was never stopped.
    #[must_use]
    pub fn with_record(mut self, path: impl Into<PathBuf>) -> Self {
        self.plan.record = Some(path.into());
        self
    }

    /// Writes the adversarial examples to this safetensors file at the end: `adversarial` `[n, …]`,
    /// where the sample itself stands for one that was not broken, `labels` `[n]` and `broken` `[n]`.
    #[must_use]
    pub fn with_examples(mut self, path: impl Into<PathBuf>) -> Self {
        self.plan.examples = Some(path.into());
        self
    }

    /// Attacks the model on the data of `test`.
    ///
    /// # Errors
    /// [`EvaluationError::NoAttack`], [`EvaluationError::DuplicateAttack`]; [`EvaluationError::OutsideThreatModel`] if
    /// an attack returned what it must not; [`EvaluationError::OtherEvaluation`] for the record of another one;
    /// [`EvaluationError::Stopped`] if the progress said so; [`EvaluationError::Shuffled`] for data in another order each
    /// time. As [`EvaluationError::Core`]: [`Error::BatchSize`],
    /// [`Error::Unsupported`] for 8 bits and other bounds than [0, 1]; those of the threat model and of the attacks'
    /// parameters, of [`Attack`]s that do not support the threat model, the shape of the data or the number of
    /// classes, and of the [`Target`]; the loader's own error or [`Error::Data`] if it fails, [`Error::EmptyBatch`] if
    /// it is empty; [`Error::Device`] for data on another device than the model, [`Error::Precision`] for data that
    /// are not f32, [`Error::Classes`] for a model with too few logits, [`Error::Label`], [`Error::InputOutOfBounds`]
    /// or [`Error::InputNotFinite`] for data that are wrong; [`Error::DamagedFile`] and [`Error::File`] for a record;
    /// [`Error::Read`] if the device fails.
    ///
    /// [`Error::BatchSize`]: free_at_core::Error::BatchSize
    /// [`Error::Unsupported`]: free_at_core::Error::Unsupported
    /// [`Error::Data`]: free_at_core::Error::Data
    /// [`Error::EmptyBatch`]: free_at_core::Error::EmptyBatch
    /// [`Error::Device`]: free_at_core::Error::Device
    /// [`Error::Precision`]: free_at_core::Error::Precision
    /// [`Error::Classes`]: free_at_core::Error::Classes
    /// [`Error::Label`]: free_at_core::Error::Label
    /// [`Error::InputOutOfBounds`]: free_at_core::Error::InputOutOfBounds
    /// [`Error::InputNotFinite`]: free_at_core::Error::InputNotFinite
    /// [`Error::DamagedFile`]: free_at_core::Error::DamagedFile
    /// [`Error::File`]: free_at_core::Error::File
    /// [`Error::Read`]: free_at_core::Error::Read
    pub fn run<C: Classifier<D> + Module + 'static>(
        &self,
        model: &C,
        test: &dyn DataLoader<Batch<D>>,
    ) -> Result<RobustnessReport, EvaluationError> {
        let plan = &self.plan;
        plan.check()?;
        let devices = model.devices();
        let frozen = FrozenModel::new(model);
        let samples = Samples::read(&frozen, test, plan, &devices)?;
        let (plan, fewer) = &plan.for_classes(samples.classes);
        let fingerprint = Fingerprint::of(plan, (model, &frozen), &samples)?;
        let mut run = Run::new(plan, &frozen, &samples, &fingerprint)?;
        run.attack()?;
        run.warnings.extend_from_slice(fewer);
        let report = run.report(fingerprint.hash());
        run.save_examples()?;
        Ok(report)
    }
}

impl<const D: usize> std::fmt::Debug for Evaluation<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Evaluation")
            .field("threat", &self.plan.threat)
            .field("attacks", &self.plan.attacks)
            .field("target", &self.plan.target)
            .field("seed", &self.plan.seed)
            .finish_non_exhaustive()
    }
}
