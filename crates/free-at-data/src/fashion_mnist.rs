//! Fashion-MNIST: 60,000 and 10,000 grey images of 28×28 in ten classes (Xiao et al. 2017), from its IDX
//! files: see [`idx`].

use std::path::Path;

use crate::{DataError, ImageDataset, idx};

/// What the classes are called.
#[rustfmt::skip]
pub const CLASS_NAMES: [&str; 10] = [
    "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
];

/// The training images.
///
/// # Errors
/// Those of [`idx::train`].
pub fn train(folder: &Path) -> Result<ImageDataset, DataError> {
    idx::split(folder, "train", CLASS_NAMES.map(String::from).to_vec())
}

/// The test images.
///
/// # Errors
/// Those of [`idx::train`].
pub fn test(folder: &Path) -> Result<ImageDataset, DataError> {
    idx::split(folder, "t10k", CLASS_NAMES.map(String::from).to_vec())
}
