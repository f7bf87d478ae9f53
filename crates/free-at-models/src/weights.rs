//! Weights in and out of PyTorch.

mod checkpoint;
mod detach;
mod names;
mod save;

pub use checkpoint::Checkpoint;
pub use names::PyTorchNames;
pub use save::save;

pub(crate) use names::renumber;
