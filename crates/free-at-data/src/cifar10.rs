//! CIFAR-10: 50,000 and 10,000 colour images of 32×32 in ten classes (Krizhevsky 2009).
//!
//! The files are those of the "binary version" of <https://www.cs.toronto.edu/~kriz/cifar.html>, in the
//! folder that is given or in `cifar-10-batches-bin` inside it.

use std::path::Path;

use crate::cifar::Version;
use crate::{DataError, ImageDataset};

/// What the classes are called.
pub const CLASS_NAMES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

const CIFAR10: Version = Version { labels: 1, folder: "cifar-10-batches-bin", names: &CLASS_NAMES };

/// The training images, from `data_batch_1.bin` to `data_batch_5.bin`.
///
/// ```no_run
/// use free_at_data::{Transform, cifar10};
///
/// let transforms = vec![Transform::PadCrop { pad: 4 }, Transform::Flip];
/// let train = cifar10::train("data".as_ref())?.with_transforms(transforms)?;
/// # Ok::<(), free_at_data::DataError>(())
/// ```
///
/// # Errors
/// [`DataError::NoFolder`], [`DataError::NoFile`], [`DataError::File`], [`DataError::Length`],
/// [`DataError::Label`].
pub fn train(folder: &Path) -> Result<ImageDataset, DataError> {
    let files = [1, 2, 3, 4, 5].map(|number| format!("data_batch_{number}.bin"));
    CIFAR10.read(folder, &files.each_ref().map(String::as_str), 10_000)
}

/// The test images, from `test_batch.bin`.
///
/// # Errors
/// Those of [`train`].
pub fn test(folder: &Path) -> Result<ImageDataset, DataError> {
    CIFAR10.read(folder, &["test_batch.bin"], 10_000)
}
