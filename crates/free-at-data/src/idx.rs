//! IDX files: MNIST, and whatever has its form.
//!
//! `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`, `t10k-…` for testing, with a dot in place of the
//! hyphen before `idx` too, plain or with `.gz`.

use std::path::Path;

use crate::dataset::numbered;
use crate::reading::{find, read};
use crate::source::{Memory, Pixels};
use crate::{DataError, ImageDataset};

/// The training images of MNIST: ten classes, the digits.
///
/// ```no_run
/// let train = free_at_data::idx::train("data/mnist".as_ref())?;
/// assert_eq!(train.shape(), [1, 28, 28]);
/// # Ok::<(), free_at_data::DataError>(())
/// ```
///
/// # Errors
/// [`DataError::NoFolder`], [`DataError::NoFile`], and those of [`images`].
pub fn train(folder: &Path) -> Result<ImageDataset, DataError> {
    split(folder, "train", numbered(10))
}

/// The test images of MNIST.
///
/// # Errors
/// Those of [`train`].
pub fn test(folder: &Path) -> Result<ImageDataset, DataError> {
    split(folder, "t10k", numbered(10))
}

/// The images of a file of images and a file of labels, with classes of these names.
///
/// # Errors
/// [`DataError::File`], [`DataError::Format`] for another kind of file or one that does not unpack,
/// [`DataError::Length`] for one whose length is not what its header says, [`DataError::Count`],
/// [`DataError::Label`].
pub fn images(images: &Path, labels: &Path, names: Vec<String>) -> Result<ImageDataset, DataError> {
    let ([n, height, width], pixels) = values::<3>(images)?;
    let ([count], classes) = values::<1>(labels)?;
    if n != count {
        let path = labels.display().to_string();
        return Err(DataError::Count { images: n, labels: count, path });
    }
    let classes: Vec<usize> = classes.into_iter().map(usize::from).collect();
    if let Some((record, label)) = classes.iter().enumerate().find(|(_, l)| **l >= names.len()) {
        let (path, classes) = (labels.display().to_string(), names.len());
        return Err(DataError::Label { path, record, label: *label, classes });
    }
    if pixels.is_empty() {
        return Err(DataError::format(images, "it has no image"));
    }
    let (pixels, shape) = (Pixels::Bytes(pixels), [1, height, width]);
    Ok(ImageDataset::in_memory(Memory { pixels, labels: classes, shape, white: 255 }, names))
}

pub(crate) fn split(
    folder: &Path,
    part: &str,
    names: Vec<String>,
) -> Result<ImageDataset, DataError> {
    let file = |what: &str, kind: &str| {
        let forms = ["-", "."].into_iter().flat_map(|mark| {
            let plain = format!("{part}-{what}{mark}{kind}-ubyte");
            [format!("{plain}.gz"), plain]
        });
        find(folder, &forms.collect::<Vec<_>>())
    };
    images(&file("images", "idx3")?, &file("labels", "idx1")?, names)
}

/// The sizes and the bytes of a file with `D` dimensions.
fn values<const D: usize>(path: &Path) -> Result<([usize; D], Vec<u8>), DataError> {
    const WORD: usize = 4;
    let mut bytes = read(path)?;
    let header = WORD * (1 + D);
    let (words, _) = bytes[..header.min(bytes.len())].as_chunks::<WORD>();
    let magic = [0, 0, 8, D as u8]; // bytes, of D dimensions
    if words.len() != 1 + D || words[0] != magic {
        return Err(DataError::format(
            path,
            format!(
                "it does not begin as an IDX file of bytes with {D} dimensions does, {magic:?} and {D} sizes"
            ),
        ));
    }
    let sizes: [usize; D] = std::array::from_fn(|at| u32::from_be_bytes(words[at + 1]) as usize);
    let product = sizes.iter().try_fold(1usize, |all, size| all.checked_mul(*size));
    match product.and_then(|product| product.checked_add(header)) {
        Some(expected) if expected == bytes.len() => {
            bytes.drain(..header);
            Ok((sizes, bytes))
        }
        _ => Err(DataError::Length {
            path: path.display().to_string(),
            expected: format!("{header} and the product of {sizes:?} unpacked"),
            found: bytes.len() as u64,
        }),
    }
}

#[cfg(test)]
mod tests;
