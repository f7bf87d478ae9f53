//! Weights in and out of PyTorch.

mod archive;
mod detach;
mod fit;
mod names;
mod normalization;
mod numbers;
mod reading;
mod save;
mod state_dict;
mod weight_file;

pub use names::PyTorchNames;
pub use save::save;
pub use weight_file::Weights;

pub(crate) use names::renumber;
