//! What keeps a training from being set up or resumed.

use crate::Error;

/// Why a run cannot begin, or go on from where it was.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
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

    /// Anything else that is wrong.
    #[error(transparent)]
    Core(#[from] Error),
}
