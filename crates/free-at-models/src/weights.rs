//! Weights in and out of PyTorch.

mod detach;
mod names;
mod save;
mod weight_file;

pub use names::PyTorchNames;
pub use save::save;
pub use weight_file::Weights;

pub(crate) use names::renumber;
