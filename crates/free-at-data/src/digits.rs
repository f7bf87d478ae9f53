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

use crate::ImageDataset;
use crate::dataset::numbered;
use crate::source::{Memory, Pixels};

/// Number of classes: the digits 0 to 9.
pub const CLASSES: usize = 10;

/// The shape of an image: channels, height, width.
pub const SHAPE: [usize; 3] = [1, 8, 8];

const EMBEDDED: &[u8] = include_bytes!("../data/digits.bin.gz");
const TRAIN: usize = 1_437;
/// A label and 64 pixels.
const RECORD: usize = 65;
const WHITE: u8 = 16;

/// The 1,437 training images.
///
/// ```
/// assert_eq!(free_at_data::digits::train().len(), 1_437);
/// ```
pub fn train() -> ImageDataset {
    dataset(|records| &records[..TRAIN * RECORD])
}

/// The 360 test images.
///
/// ```
/// assert_eq!(free_at_data::digits::test().len(), 360);
/// ```
pub fn test() -> ImageDataset {
    dataset(|records| &records[TRAIN * RECORD..])
}

fn dataset(part: impl Fn(&[u8]) -> &[u8]) -> ImageDataset {
    let records = decode();
    let records = part(&records).chunks_exact(RECORD);
    let labels = records.clone().map(|record| record[0].into()).collect();
    let pixels = Pixels::Bytes(records.flat_map(|record| &record[1..]).copied().collect());
    let memory = Memory { pixels, labels, shape: SHAPE, white: WHITE };
    ImageDataset::in_memory(memory, numbered(CLASSES))
}

fn decode() -> Vec<u8> {
    let mut records = Vec::new();
    // The bytes are part of the program and a test decodes them, so this cannot fail.
    let read = GzDecoder::new(EMBEDDED).read_to_end(&mut records);
    debug_assert!(read.is_ok());
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_file_holds_every_digit_in_both_splits() {
        for (split, size) in [(train(), 1_437), (test(), 360)] {
            assert_eq!(split.len(), size);
            let mut counts = [0; CLASSES];
            for image in (0..size).map(|at| split.image(at).unwrap()) {
                counts[image.label] += 1;
                assert!(image.pixels.iter().any(|&pixel| pixel > 0.5));
                assert!(image.pixels.iter().all(|pixel| (0.0..=1.0).contains(pixel)));
            }
            assert!(counts.iter().all(|&count| count > size / 20), "{counts:?}");
        }
    }
}
