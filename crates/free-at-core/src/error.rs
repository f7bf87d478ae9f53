//! What can go wrong with inputs, models, threat models and attacks: one variant per cause.

pub(crate) mod convert;

use std::error::Error as StdError;
use std::sync::Arc;

use crate::threat::rule_error::RuleError;

/// Every way in which input or a configuration can be refused. Each message says what was expected,
/// what was found and what to do.
///
/// Training has [`TrainError`](crate::train::TrainError), and each crate above this one its own, which
/// hold this one for what is wrong below them.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The budget of a threat model is no positive, finite number.
    #[error(
        "epsilon must be finite and above 0, found {value}: use `Epsilon::pixels(8.0)` or `Epsilon::unit(0.1)`"
    )]
    Epsilon {
        /// The epsilon found.
        value: f64,
    },

    /// The text is no epsilon.
    #[error("epsilon must be a number such as `0.1` or a fraction such as `8/255`, found `{text}`")]
    EpsilonText {
        /// The text found.
        text: String,
    },

    /// The text is no norm.
    #[error("a norm must be one of {known}, found `{text}`")]
    NormText {
        /// The text found.
        text: String,
        /// The norms that there are.
        known: String,
    },

    /// The step size of an attack or a trainer is no positive, finite number.
    #[error("a step size must be finite and above 0, found {value}: leave it out for the default")]
    StepSize {
        /// The step size found.
        value: f64,
    },

    /// A step that crosses the whole range of the inputs: a mistake of its unit.
    #[error(
        "a step of {step} crosses the whole range of the inputs, [{low}, {high}]: a step size has the unit of epsilon, so `Epsilon::pixels(2.0)` is 2/255"
    )]
    StepSizeUnit {
        /// The step size found.
        step: f64,
        /// The lower input bound.
        low: f32,
        /// The upper input bound.
        high: f32,
    },

    /// A parameter of an attack out of its range.
    #[error("{attack}: {parameter} must be {allowed}, found {value}")]
    AttackParameter {
        /// The attack's name.
        attack: &'static str,
        /// The parameter's name.
        parameter: &'static str,
        /// The range allowed.
        allowed: &'static str,
        /// The value found.
        value: f64,
    },

    /// A model with several outputs, or none, for numbers in place of classes.
    #[error("a model that answers with a number has one output, found {found}")]
    Answers {
        /// Its outputs.
        found: usize,
    },

    /// Batches of classes and of numbers, or of several tolerances, in one data set.
    #[error(
        "all batches of an evaluation must be of classes, or all of numbers with one tolerance"
    )]
    OtherNumbers,

    /// A device that computes something else than what is known.
    #[error(
        "this device computes {what} of a linear model wrongly, by {apart:.1e}: nothing that it counts can be trusted; clear the cache of tuned kernels, update the driver or use another backend"
    )]
    Miscomputes {
        /// What was computed.
        what: &'static str,
        /// How far it is off at most.
        apart: f64,
    },

    /// A tolerance that is no positive, finite number.
    #[error(
        "the tolerance of a number must be finite and above 0, in the unit of the model's answers, found {value}"
    )]
    Tolerance {
        /// The value found.
        value: f64,
    },

    /// An attack on inputs, or within a threat model, that it is not defined for.
    #[error("{attack} does not support {what}: {instead}")]
    Unsupported {
        /// The attack's name.
        attack: String,
        /// What was asked for.
        what: String,
        /// What to use in its place.
        instead: String,
    },

    /// A target, or the k of a k-th most likely one, that names no wrong class.
    #[error(
        "target {class} does not exist: the model has {classes} classes, 0 to {}, so k is 1 to {0}, and an attack takes {0} targets at most (`with_targets`)",
        classes.saturating_sub(1)
    )]
    TargetClass {
        /// The class or the k found.
        class: usize,
        /// Classes of the model.
        classes: usize,
    },

    /// A target that is the sample's true class.
    #[error("sample {sample} has class {class}, which is also its target: aim at another class")]
    TargetIsTruth {
        /// The sample's index in the data set.
        sample: usize,
        /// The class.
        class: usize,
    },

    /// Fewer targets than samples.
    #[error("one target for each sample: at least {expected} expected, found {found}")]
    TargetCount {
        /// Samples seen.
        expected: usize,
        /// Targets given.
        found: usize,
    },

    /// An iterative attack with K = 0.
    #[error("{attack} takes K ascent steps, so K must be at least 1, found 0")]
    Steps {
        /// The attack's name.
        attack: String,
    },

    /// An attack with no restart, that is, one that never runs.
    #[error("{attack} runs once per restart, so restarts must be at least 1, found 0")]
    Restarts {
        /// The attack's name.
        attack: String,
    },

    /// A lower input bound that is not below its upper one, or no number.
    #[error(
        "input bounds must be numbers with low < high, found low {low} and high {high}{}",
        feature.map(|i| format!(" for feature {i}")).unwrap_or_default()
    )]
    Bounds {
        /// The lower bound found.
        low: f32,
        /// The upper bound found.
        high: f32,
        /// The feature, for bounds per feature.
        feature: Option<usize>,
    },

    /// A per-feature scale that is negative, or no number, or zero everywhere.
    #[error(
        "the scale of feature {feature} must be finite and at least 0 (0 freezes it), and one feature's above 0, found {value}"
    )]
    Scale {
        /// The feature's index.
        feature: usize,
        /// The scale found.
        value: f32,
    },

    /// Per-feature bounds or scales whose number is not the number of features of a sample.
    #[error(
        "{what} has {found} values but a sample has {expected} features: give one per feature, row-major"
    )]
    FeatureCount {
        /// What has one value per feature: "the lower bound", say.
        what: &'static str,
        /// Features of one sample.
        expected: usize,
        /// Values given.
        found: usize,
    },

    /// A data loader with batches of no samples.
    #[error("a batch size must be at least 1, found 0")]
    BatchSize,

    /// A batch without samples.
    #[error("a batch needs at least one sample, found none")]
    EmptyBatch,

    /// Inputs and labels that do not belong together.
    #[error("a batch needs one label per input, found {inputs} inputs and {labels} labels")]
    BatchLength {
        /// Number of inputs.
        inputs: usize,
        /// Number of labels.
        labels: usize,
    },

    /// Samples of different sizes in one batch.
    #[error(
        "every sample of a batch has the same size: sample {sample} has {found} values, expected {expected}"
    )]
    RaggedBatch {
        /// The first sample of another size.
        sample: usize,
        /// Values per sample.
        expected: usize,
        /// Values of that sample.
        found: usize,
    },

    /// A label that names no class.
    #[error("sample {sample} has label {label}, but the classes are 0 to {}", classes.saturating_sub(1))]
    Label {
        /// The sample's index in the data set, or its position in a batch that is checked by itself.
        sample: usize,
        /// The label found.
        label: i64,
        /// Number of classes.
        classes: usize,
    },

    /// A second class that counts less than nothing, or more than the label.
    #[error(
        "a second class counts from 0 to 1/2 of a sample, found {share}: the label is that of the larger part"
    )]
    Share {
        /// The share found.
        share: f32,
    },

    /// An attack that moved samples further than it may: no robust accuracy is counted on such a device.
    #[error(
        "the attack moved {samples} samples further than epsilon or the input bounds allow: either it is wrong, or the device computes wrongly. Run it on another device or another version of its driver"
    )]
    BeyondBudget {
        /// Samples moved too far.
        samples: usize,
    },

    /// An input that is NaN or infinite.
    #[error("sample {sample} holds {value}: inputs must be finite numbers")]
    InputNotFinite {
        /// The sample's index in the data set, or its position in a batch that is checked by itself.
        sample: usize,
        /// The value found.
        value: f32,
    },

    /// An input outside the threat model's input bounds.
    #[error(
        "sample {sample} holds {value}, outside the input bounds [{low}, {high}]: keep inputs in their own units and put normalisation inside the model"
    )]
    InputOutOfBounds {
        /// The sample's index in the data set, or its position in a batch that is checked by itself.
        sample: usize,
        /// The value found.
        value: f32,
        /// Lower bound.
        low: f32,
        /// Upper bound.
        high: f32,
    },

    /// Inputs to attack that are not in single precision.
    #[error("attacks take inputs in single precision (F32), not {found}: cast them and the model")]
    Precision {
        /// The type found.
        found: String,
    },

    /// A batch whose samples have another shape than those before.
    #[error("the samples so far have shape {expected:?}, this batch's have {found:?}")]
    SampleShape {
        /// Shape of one sample so far.
        expected: Vec<usize>,
        /// Shape of one sample now.
        found: Vec<usize>,
    },

    /// Samples of a shape that the model does not take.
    #[error("{model} does not take samples of shape {found:?}: {reason}")]
    InputShape {
        /// The model's name.
        model: String,
        /// The shape found, without the batch.
        found: Vec<usize>,
        /// What it takes.
        reason: String,
    },

    /// A model with fewer outputs than the labels have classes.
    #[error(
        "the labels have {classes} classes, but the model returns {logits} logits: give it one per class"
    )]
    Classes {
        /// Classes of the labels.
        classes: usize,
        /// Logits of the model.
        logits: usize,
    },

    /// A model whose output is not one row of logits per sample.
    #[error(
        "a classifier returns one row of logits per sample: {expected} rows expected, found {found}"
    )]
    Logits {
        /// Samples given.
        expected: usize,
        /// Rows returned.
        found: usize,
    },

    /// An objective that compares more logits than there are.
    #[error(
        "{expected} classes are needed, but the model has {found}: where the DLR objective is the cause, use `Objective::Margin`, which needs two (`AutoAttack::with_margin`)"
    )]
    TooFewClasses {
        /// Classes needed.
        expected: usize,
        /// Classes of the model.
        found: usize,
    },

    /// A gradient asked of a model that answers with labels alone.
    #[error(
        "the model answers with labels alone, so there is no gradient, and no logit but the label's: attack it with `HopSkipJump` or `Boundary`"
    )]
    LabelsAlone,

    /// A model that answers with labels alone, and may not be asked any more.
    #[error(
        "all {budget} queries are spent: what was found so far stands; allow more (`LabelOnly::with_budget`), or attack fewer samples"
    )]
    QueriesSpent {
        /// The queries that were allowed.
        budget: u64,
    },

    /// A tensor on another device than the trainer or the model it is for.
    #[error(
        "the {what} is on {found}, not on {expected}: create it there, or move it with `to_device`"
    )]
    Device {
        /// "model" or "batch".
        what: &'static str,
        /// The device it should be on.
        expected: String,
        /// The device found.
        found: String,
    },

    /// A file could not be read or written.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },

    /// A report or record that is no longer what was written.
    #[error("{path} is damaged, {reason}: delete it to start again")]
    DamagedFile {
        /// The file.
        path: String,
        /// What is wrong, and where.
        reason: String,
    },

    /// Rules for the features of a table that cannot be kept.
    #[error(transparent)]
    Rules(#[from] RuleError),

    /// The data could not be loaded.
    #[error("the data could not be loaded: {source}")]
    Data {
        /// What the loader said.
        source: Arc<dyn StdError + Send + Sync>,
    },

    /// A tensor could not be read back from its device.
    #[error("a tensor could not be read from its device: {reason}")]
    Read {
        /// What the backend said.
        reason: String,
    },

    /// What an attack, method or observer of another crate says, with its source.
    #[error(transparent)]
    Other(Arc<dyn StdError + Send + Sync>),
}

/// Two errors are equal where all that they hold prints alike: what a foreign crate says cannot be
/// compared otherwise.
impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}
