//! How far the closest adversarial examples are.

mod curve;
mod report;
mod search;

use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::module::Module;
use free_at_core::{
    Batch, Bounds, Classifier, Epsilon, Error, FrozenModel, LabelOnly, MinimalAttack, Norm, Target,
    ThreatModel,
};

use crate::error::EvaluationError;
use crate::evaluation::{Plan, Samples};
use crate::progress::Progress;
pub use report::{AttackDistances, DistanceReport, SampleDistance};

/// How far the closest adversarial example of each sample is, by attacks that look for the smallest perturbation: the
/// median distance, and the whole curve of robust accuracy over ε from one run.
///
/// Every attack gets every sample that is right without one. What it returns is measured again, its norm and the model's answer,
/// and the closest over all attacks and their runs counts. Attacks only bound the distance from above: what lies closer they may
/// have missed, so the curve is an upper bound of robust accuracy at each ε, as every attack's is.
///
/// ```
/// use burn::data::dataloader::{DataLoader, DataLoaderBuilder, batcher::Batcher};
/// # use burn::data::dataset::InMemDataset;
/// # use burn::module::Module;
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::tensor::{Device, Tensor};
/// # use free_at_core::{Batch, Bounds, Classifier};
/// use free_at_attacks::{Ddn, Distances, Fmn};
/// use free_at_core::Norm;
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
/// let report = Distances::new(Norm::L2)
///     .attack(Ddn::new(100))
///     .attack(Fmn::new(100))
///     .run(&model, &*test)?;
/// assert!(report.accuracy_at(0.0) == report.clean && report.accuracy_at(0.5) <= report.clean);
/// println!("{report}");
/// # Ok::<(), free_at_attacks::EvaluationError>(())
/// ```
#[derive(Clone)]
pub struct Distances<const D: usize> {
    plan: Plan<D>,
    attacks: Vec<Arc<dyn MinimalAttack<D>>>,
}

impl<const D: usize> Distances<D> {
    /// Distances in this norm, of inputs in [0, 1]; without attacks yet, untargeted, with seed 0.
    pub fn new(norm: Norm) -> Self {
        // It has no part in a search for the smallest perturbation.
        let any = Epsilon::unit(1.0);
        Self::within(ThreatModel::new(norm, any))
    }

    /// Distances as this threat model measures them, within its bounds and rules; its ε has no part in that.
    pub fn within(threat: ThreatModel) -> Self {
        Self { plan: Plan::new(threat), attacks: Vec::new() }
    }

    /// The same with other input bounds. Default: [0, 1].
    #[must_use]
    pub fn with_bounds(mut self, bounds: Bounds) -> Self {
        self.plan.threat = self.plan.threat.with_bounds(bounds);
        self
    }

    /// Adds an attack.
    #[must_use]
    pub fn attack(mut self, attack: impl MinimalAttack<D> + 'static) -> Self {
        let attack: Arc<dyn MinimalAttack<D>> = Arc::new(attack);
        self.plan.attacks.push(attack.clone());
        self.attacks.push(attack);
        self
    }

    /// Targeted: the distance to an example that is taken for its target. Default: untargeted.
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

    /// How many samples are attacked at a time; at least 1. Default: as many as the loader's first batch has.
    #[must_use]
    pub fn with_batch_size(mut self, batch_size: usize) -> Self {
        self.plan.batch_size = Some(batch_size);
        self
    }

    /// Tells `progress` how far it is after each batch.
    #[must_use]
    pub fn with_progress(mut self, progress: impl Progress + 'static) -> Self {
        self.plan.progress = Some(Arc::new(progress));
        self
    }

    /// The distances of the samples of `test`.
    ///
    /// # Errors
    /// Those of [`Evaluation::run`](crate::Evaluation::run), but for what a record and 8 bits have to do with.
    pub fn run<C: Classifier<D> + Module + 'static>(
        &self,
        model: &C,
        test: &dyn DataLoader<Batch<D>>,
    ) -> Result<DistanceReport, EvaluationError> {
        self.plan.check()?;
        let frozen = FrozenModel::new(model);
        let samples = Samples::read(&frozen, test, &self.plan, &model.devices())?;
        self.check_classes(&samples)?;
        search::search(&self.plan, &self.attacks, &frozen, &samples)
    }

    /// Accepts as many classes as each attack aims at: here none aims at fewer than it was told to.
    fn check_classes(&self, samples: &Samples) -> Result<(), Error> {
        let targeted = self.plan.is_targeted();
        self.attacks.iter().try_for_each(|attack| attack.check_classes(samples.classes, targeted))
    }

    /// The same of a model of which nothing is known but its labels, by attacks that need no more. Where its queries are spent
    /// the report has what was found before, and [says so](DistanceReport::is_cut_short).
    ///
    /// # Errors
    /// Those of [`run`](Self::run); [`Error::LabelsAlone`](free_at_core::Error::LabelsAlone) for an attack that needs more;
    /// [`Error::QueriesSpent`](free_at_core::Error::QueriesSpent) if not even the clean labels can be asked for.
    pub fn run_on_labels(
        &self,
        model: LabelOnly<D>,
        test: &dyn DataLoader<Batch<D>>,
    ) -> Result<DistanceReport, EvaluationError> {
        self.plan.check()?;
        let frozen = FrozenModel::of_labels(model);
        let samples = Samples::read(&frozen, test, &self.plan, &[])?;
        self.check_classes(&samples)?;
        search::search(&self.plan, &self.attacks, &frozen, &samples)
    }
}

impl<const D: usize> std::fmt::Debug for Distances<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Distances")
            .field("threat", &self.plan.threat)
            .field("attacks", &self.attacks)
            .field("target", &self.plan.target)
            .field("seed", &self.plan.seed)
            .finish_non_exhaustive()
    }
}
