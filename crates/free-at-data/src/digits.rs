//! The UCI handwritten digits: 1,797 real images of 8×8 grey levels, embedded.
//!
//! "Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak, UCI Machine Learning
//! Repository, 1998, <https://doi.org/10.24432/C50P49>, licensed under
//! [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/); the order of the images was changed.
//!
//! The split is fixed: [`train()`] has 1,437 images, [`test()`] the other 360. Pixels, 0 to 16 in the
//! data, are divided by 16.

use std::io::Read;

use flate2::read::GzDecoder;
use free_at_core::Error;

use crate::{Image, ImageDataset};

/// Number of classes: the digits 0 to 9.
pub const CLASSES: usize = 10;

/// The shape of an image: channels, height, width.
pub const SHAPE: [usize; 3] = [1, 8, 8];

const EMBEDDED: &[u8] = include_bytes!("../data/digits.bin.gz");
const TRAIN: usize = 1_437;
const PIXELS: usize = 64;
const WHITE: f32 = 16.0;

/// The 1,437 training images.
///
/// ```
/// use burn::data::dataset::Dataset;
///
/// assert_eq!(free_at_data::digits::train().len(), 1_437);
/// ```
pub fn train() -> ImageDataset {
    let mut images = decode();
    images.truncate(TRAIN);
    dataset(images)
}

/// The 360 test images.
///
/// ```
/// use burn::data::dataset::Dataset;
///
/// assert_eq!(free_at_data::digits::test().len(), 360);
/// ```
pub fn test() -> ImageDataset {
    dataset(decode().split_off(TRAIN))
}

fn dataset(images: Vec<Image>) -> ImageDataset {
    ImageDataset::embedded(images, SHAPE, CLASSES)
}

fn decode() -> Vec<Image> {
    let mut records = Vec::new();
    // The bytes are part of the program and a test decodes them, so this cannot fail.
    let read: Result<usize, Error> = GzDecoder::new(EMBEDDED)
        .read_to_end(&mut records)
        .map_err(|error| Error::Data { reason: error.to_string() });
    debug_assert!(read.is_ok());
    let image = |record: &[u8]| Image {
        pixels: record[1..].iter().map(|&level| f32::from(level) / WHITE).collect(),
        label: record[0].into(),
    };
    records.chunks_exact(1 + PIXELS).map(image).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::data::dataset::Dataset;

    #[test]
    fn the_embedded_file_holds_every_digit_in_both_splits() {
        for (split, size) in [(train(), 1_437), (test(), 360)] {
            assert_eq!(split.len(), size);
            let mut counts = [0; CLASSES];
            for image in split.iter().map(Result::unwrap) {
                counts[image.label] += 1;
                assert!(image.pixels.iter().any(|&pixel| pixel > 0.5));
                assert!(image.pixels.iter().all(|pixel| (0.0..=1.0).contains(pixel)));
            }
            assert!(counts.iter().all(|&count| count > size / 20), "{counts:?}");
        }
    }
}
