use super::*;

use std::fs::{self, File};
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

fn header(sizes: &[u32]) -> Vec<u8> {
    let magic = vec![0, 0, 8, sizes.len() as u8];
    [magic, sizes.iter().flat_map(|size| size.to_be_bytes()).collect()].concat()
}

/// Three images of 2×2 with the labels 0, 9, 4.
fn files() -> [Vec<u8>; 2] {
    let images = [header(&[3, 2, 2]), (0..12).collect()].concat();
    [images, [header(&[3]), vec![0, 9, 4]].concat()]
}

#[test]
fn reads_plain_and_packed_files_of_either_spelling() {
    let [images, labels] = files();
    let plain = tempfile::tempdir().unwrap();
    fs::write(plain.path().join("t10k-images.idx3-ubyte"), &images).unwrap();
    fs::write(plain.path().join("t10k-labels.idx1-ubyte"), &labels).unwrap();
    let packed = tempfile::tempdir().unwrap();
    for (name, bytes) in [("images-idx3", &images), ("labels-idx1", &labels)] {
        let file = File::create(packed.path().join(format!("t10k-{name}-ubyte.gz"))).unwrap();
        GzEncoder::new(file, Compression::default()).write_all(bytes).unwrap();
    }
    for folder in [plain, packed] {
        let set = test(folder.path()).unwrap();
        assert_eq!((set.len(), set.shape(), set.classes()), (3, [1, 2, 2], 10));
        assert_eq!((set.label(1), set.label(3)), (Some(9), None));
        assert_eq!(set.image(2).unwrap().pixels, [8.0, 9.0, 10.0, 11.0].map(|v: f32| v / 255.0));
        assert!(matches!(train(folder.path()), Err(DataError::NoFile { .. })));
    }
}

#[test]
fn reads_files_that_were_packed_in_parts_and_unpacked_ones_that_kept_their_name() {
    let [images, labels] = files();
    let folder = tempfile::tempdir().unwrap();
    let of_images = folder.path().join("train-images-idx3-ubyte.gz");
    for part in images.chunks(10) {
        let file = File::options().create(true).append(true).open(&of_images).unwrap();
        GzEncoder::new(file, Compression::default()).write_all(part).unwrap();
    }
    fs::write(folder.path().join("train-labels-idx1-ubyte.gz"), labels).unwrap();
    let set = train(folder.path()).unwrap();
    assert_eq!((set.len(), set.label(1)), (3, Some(9)));
    assert_eq!(set.image(2).unwrap().pixels, [8.0, 9.0, 10.0, 11.0].map(|v: f32| v / 255.0));
}

#[test]
fn files_that_are_wrong_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (images, labels) = (folder.path().join("images"), folder.path().join("labels"));
    let read = |of_images: &[u8], of_labels: &[u8]| {
        fs::write(&images, of_images).unwrap();
        fs::write(&labels, of_labels).unwrap();
        super::images(&images, &labels, numbered(10)).unwrap_err()
    };
    let [good, numbers] = files();
    let short = &good[..good.len() - 1];
    assert!(matches!(read(short, &numbers), DataError::Length { .. }));
    assert!(matches!(read(&[&good[..], &[0]].concat(), &numbers), DataError::Length { .. }));
    assert!(matches!(read(&numbers, &numbers), DataError::Format { .. }));
    assert!(matches!(read(&good[..9], &numbers), DataError::Format { .. }));
    let huge = header(&[u32::MAX, u32::MAX, u32::MAX]);
    assert!(matches!(read(&huge, &numbers), DataError::Length { .. }));
    let two = [header(&[2]), vec![0, 1]].concat();
    assert!(matches!(read(&good, &two), DataError::Count { images: 3, labels: 2, .. }));
    let beyond = [header(&[3]), vec![0, 10, 1]].concat();
    assert!(matches!(read(&good, &beyond), DataError::Label { record: 1, label: 10, .. }));
    let packed = folder.path().join("images.gz");
    fs::write(&packed, b"no gzip").unwrap();
    let error = super::images(&packed, &labels, numbered(10)).unwrap_err();
    assert!(matches!(error, DataError::Format { .. }));
}
