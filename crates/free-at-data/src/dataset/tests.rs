use super::*;

use burn::tensor::Device;
use free_at_core::Batch;

fn dataset(images: Vec<Image>) -> Result<ImageDataset, Error> {
    ImageDataset::new(images, [1, 2, 2], 3)
}

fn bytes(n: usize) -> ImageDataset {
    let pixels = (0..n * 4).map(|value| value as u8).collect();
    let labels = (0..n).map(|at| at % 3).collect();
    ImageDataset::from_bytes(pixels, labels, [1, 2, 2], numbered(3), 255).unwrap()
}

fn floats(batch: &Batch<4>) -> Vec<f32> {
    batch.inputs().try_into_vec_as().unwrap()
}

#[test]
fn refuses_images_that_are_not_of_the_set() {
    let image = |pixels: &[f32], label| Image { pixels: pixels.to_vec(), label };
    let good = image(&[0.0, 0.5, 1.0, 0.0], 1);
    let cases = [
        (vec![], Error::EmptyBatch),
        (
            vec![good.clone(), image(&[0.0; 3], 0)],
            Error::RaggedBatch { sample: 1, expected: 4, found: 3 },
        ),
        (
            vec![good.clone(), image(&[255.0; 4], 0)],
            Error::InputOutOfBounds { sample: 1, value: 255.0, low: 0.0, high: 1.0 },
        ),
        (vec![image(&[f32::NAN; 4], 0)], Error::InputNotFinite { sample: 0, value: f32::NAN }),
    ];
    for (images, expected) in cases {
        assert_eq!(dataset(images).unwrap_err().to_string(), expected.to_string());
    }
    let loader = dataset(vec![good]).unwrap().loader(0, None, &Device::flex());
    assert!(matches!(loader, Err(Error::BatchSize)));
}

#[test]
fn refuses_bytes_that_are_not_of_the_set() {
    let from = |bytes: Vec<u8>, labels: Vec<usize>, white| {
        ImageDataset::from_bytes(bytes, labels, [1, 2, 2], numbered(3), white).unwrap_err()
    };
    let core = |error| DataError::Core(error);
    assert_eq!(from(vec![], vec![], 255), core(Error::EmptyBatch));
    let ragged = Error::RaggedBatch { sample: 1, expected: 4, found: 1 };
    assert_eq!(from(vec![0; 5], vec![0, 1], 255), core(ragged));
    let label = Error::Label { sample: 0, label: 3, classes: 3 };
    assert_eq!(from(vec![0; 4], vec![3], 255), core(label));
    let high = Error::InputOutOfBounds { sample: 0, value: 17.0 / 16.0, low: 0.0, high: 1.0 };
    assert_eq!(from(vec![17; 4], vec![0], 16), core(high));
    assert!(matches!(from(vec![0; 4], vec![0], 0), DataError::Core(Error::Bounds { .. })));
}

#[test]
fn bytes_become_the_same_floats_on_the_device_as_on_the_host() {
    let set = bytes(64);
    let images = (0..64).map(|at| set.image(at).unwrap()).collect();
    let batch = |set: &ImageDataset| set.batch(&Device::flex()).unwrap();
    let (from_bytes, from_floats) = (batch(&set), batch(&dataset(images).unwrap()));
    assert_eq!(floats(&from_bytes), floats(&from_floats));
    assert_eq!(from_bytes.classes(), Some(3));
    assert_eq!(floats(&from_bytes)[255], 1.0);
}

#[test]
fn a_split_is_disjoint_complete_and_repeatable() {
    let set = bytes(50);
    let (train, held_out) = set.split(12, 5);
    assert_eq!((train.len(), held_out.len()), (38, 12));
    let pixels = |set: &ImageDataset| -> Vec<u32> {
        (0..set.len()).map(|at| (set.image(at).unwrap().pixels[0] * 255.0) as u32).collect()
    };
    let mut all = [pixels(&train), pixels(&held_out)].concat();
    assert!(pixels(&train).is_sorted() && pixels(&held_out).is_sorted());
    all.sort_unstable();
    assert_eq!(all, pixels(&set));
    assert_eq!(pixels(&set.split(12, 5).1), pixels(&held_out));
    assert_ne!(pixels(&set.split(12, 6).1), pixels(&held_out));
    assert_eq!((set.split(99, 0).0.len(), set.split(0, 0).1.len()), (0, 0));
}

#[test]
fn parts_keep_labels_and_leave_out_what_is_not_there() {
    let set = bytes(10);
    let part = set.subset(vec![7, 2, 99]).take(5);
    assert_eq!((part.len(), part.label(0), part.label(2)), (2, Some(1), None));
    assert_eq!(part.image(1).unwrap(), set.image(2).unwrap());
    assert!(part.image(2).is_err() && set.take(0).is_empty());
}
