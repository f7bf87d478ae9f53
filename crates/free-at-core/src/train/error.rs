//! What keeps a model from being trained, or a training from going on.

use std::error::Error as StdError;

use burn::data::dataset::DatasetError;

use crate::error::Error;

/// Why a training was refused or ended early. Inputs, models and attacks that are wrong are [`Core`](Self::Core).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// Free-m with m = 0.
    #[error("Free-m replays each minibatch m times, so m must be at least 1, found 0")]
    Replays,

    /// A batch with more samples than the carried perturbation has rows.
    #[error(
        "the carried perturbation has {allowed} rows, set by the first batch, but this batch has {found} samples: only smaller batches may follow"
    )]
    BatchTooLarge {
        /// Rows of the perturbation.
        allowed: usize,
        /// Samples of the batch.
        found: usize,
    },

    /// A minibatch too small for the batch norm of the model.
    #[error(
        "a minibatch of {found} sample, and the model needs {expected}: a batch norm in it would see a single value of each channel, which has no variance. Leave the last minibatch out (`Loading::dropping_last`), or choose another batch size"
    )]
    BatchTooSmall {
        /// The smallest minibatch.
        expected: usize,
        /// Samples found.
        found: usize,
    },

    /// A pass over the data without a minibatch.
    #[error(
        "there is no minibatch to train on: the data set is empty, or smaller than a minibatch and the last one is left out, or all of it was held out"
    )]
    NoData,

    /// A learning rate that is no number, below 0, or 0 at every step that was looked at before the first.
    #[error(
        "the learning rate is {value} at optimiser step {step}: it must be finite, at least 0, and above 0 at some steps"
    )]
    LearningRate {
        /// The rate found.
        value: f64,
        /// The optimiser step, from 1.
        step: u64,
    },

    /// A parameter or a running statistic that is NaN or infinite after a pass over the data.
    #[error(
        "`{tensor}` is no longer finite: lower the learning rate, or check the data with `Batch::check`. What was saved before is as it was"
    )]
    ParameterNotFinite {
        /// Its name in the model.
        tensor: String,
    },

    /// A model none of whose parameters can be trained.
    #[error(
        "no parameter of the model requires a gradient: create it on `trainer.device()`, or call `train()` after `valid()` and `unfreeze()` after `freeze()`"
    )]
    NotTrainable,

    /// The training loss became NaN or infinite.
    #[error(
        "the training loss was {value} at optimiser step {step}: lower the learning rate, or check the data with `Batch::check`"
    )]
    LossNotFinite {
        /// The optimiser step, from 1, at which it was seen.
        step: u64,
        /// The loss found.
        value: f32,
    },

    /// The interval at which the loss is looked at is zero.
    #[error("the loss is looked at every n steps, so n must be at least 1, found 0")]
    WatchInterval,

    /// A tensor on another backend than the one the trainer is pinned to.
    #[error("the {what} is on {found}, the trainer is pinned to the backend of {expected}")]
    Backend {
        /// "model" or "batch".
        what: &'static str,
        /// A device of the pinned backend.
        expected: String,
        /// The device found.
        found: String,
    },

    /// A step size for a method whose attack has one of its own.
    #[error(
        "{method} takes its steps from its attack: give the step size to that, and leave it out of the `Adversary`"
    )]
    StepSizeOfAttack {
        /// The method's name.
        method: String,
    },

    /// The weight of a penalty on the input gradient is no positive, finite number.
    #[error("the weight of a penalty must be finite and above 0, found {value}")]
    PenaltyWeight {
        /// The weight found.
        value: f64,
    },

    /// A penalty on the input gradient of a model in half precision.
    #[error(
        "a penalty on the input gradient needs a model in single precision: in half precision its small step is rounded away"
    )]
    PenaltyPrecision,

    /// A parameter of a method, or of what happens after its steps, out of its range.
    #[error("{what}: {parameter} must be {allowed}, found {value}")]
    Parameter {
        /// What it is of.
        what: &'static str,
        /// The parameter's name.
        parameter: &'static str,
        /// The range allowed.
        allowed: &'static str,
        /// The value found.
        value: f64,
    },

    /// A method that remembers samples, and a batch that does not say which it has.
    #[error(
        "the method remembers each sample, but the batch does not say which samples it has: load data with the loaders of free-at-data, or give `Batch::with_indices`"
    )]
    NoIndices,

    /// What is remembered of samples has another size than is asked for.
    #[error(
        "what is remembered as `{name}` is {found:?}, and {expected:?} is needed (samples and numbers for each): a training goes on with the samples and features it was begun with, and `remembered` comes before `remember`"
    )]
    Remembered {
        /// Under which name.
        name: &'static str,
        /// Rows and columns that are needed.
        expected: [usize; 2],
        /// Those found.
        found: [usize; 2],
    },

    /// A name that is empty or too long to be recorded.
    #[error("a tensor is kept under a name of 1 to {most} bytes, not `{name}`")]
    KeptName {
        /// The name found.
        name: &'static str,
        /// Bytes that a name may have.
        most: usize,
    },

    /// A sample beyond those that a method remembers.
    #[error(
        "a sample has the index {index} in its data set, and {samples} samples are remembered: give the method the size of the whole data set"
    )]
    SampleIndex {
        /// The sample's index.
        index: usize,
        /// How many are remembered.
        samples: usize,
    },

    /// The newest checkpoint is of a model with other tensors.
    #[error(
        "{path} is a checkpoint of another model: its tensors have other names or shapes. Train the model it is of, or begin anew in another folder"
    )]
    OtherModel {
        /// The checkpoint.
        path: String,
    },

    /// Training on several devices, without one.
    #[error("training needs at least one device, found none")]
    NoDevice,

    /// The same device twice, which would share one perturbation between two halves of a minibatch.
    #[error("each device can be used once, but {device} is there twice")]
    SameDevice {
        /// The device.
        device: String,
    },

    /// The first device is not the trainer's.
    #[error(
        "the first device holds the model and must be the trainer's, {expected}, found {found}: make the trainer on it"
    )]
    MainDevice {
        /// The trainer's.
        expected: String,
        /// The first one given.
        found: String,
    },

    /// Distributed data parallel training on devices that cannot reduce gradients among themselves.
    #[error(
        "{device} does not support distributed data parallel training, which is for CubeCL devices (cuda, rocm, wgpu, vulkan, metal, cpu): use `Trainer::multi_device`"
    )]
    NotDistributed {
        /// The first device that does not.
        device: String,
    },

    /// The newest checkpoint was made with something else after each step than this run has.
    #[error(
        "{path} was made {found} after each step, and this run is {expected}: go on as it was begun, or begin anew in another folder"
    )]
    OtherAfterStep {
        /// The checkpoint.
        path: String,
        /// What this run does.
        expected: String,
        /// What the checkpoint was made with.
        found: String,
    },

    /// What Burn's training loop says that ended without an error of ours.
    #[error("the training ended early: {reason}")]
    Loop {
        /// What it said.
        reason: String,
    },

    /// Inputs, a model, a threat model or an attack that is wrong, and what a foreign method or observer says.
    #[error(transparent)]
    Core(#[from] Error),
}

impl From<DatasetError> for TrainError {
    /// The error that a loader of ours wrapped for Burn, or [`Error::Data`] with what another's says.
    fn from(error: DatasetError) -> Self {
        let ours = StdError::source(&error).and_then(|inner| inner.downcast_ref::<Self>()).cloned();
        ours.unwrap_or_else(|| Error::from(error).into())
    }
}
