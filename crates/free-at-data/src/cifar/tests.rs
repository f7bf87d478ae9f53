use super::*;

use std::fs;

use crate::{cifar10, cifar100};

const RECORD: usize = 1 + PIXELS;

/// Records with these labels, whose pixels are their number.
fn records(labels: &[u8]) -> Vec<u8> {
    let record =
        |(number, label): (usize, &u8)| [vec![*label], vec![number as u8; PIXELS]].concat();
    labels.iter().enumerate().flat_map(record).collect()
}

fn training(folder: &Path) {
    for number in 1..=5 {
        fs::write(folder.join(format!("data_batch_{number}.bin")), records(&[number, 9])).unwrap();
    }
}

#[test]
fn reads_the_files_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    training(folder.path());
    let set = cifar10::train(folder.path()).unwrap();
    assert_eq!((set.len(), set.shape(), set.classes()), (10, [3, 32, 32], 10));
    let labels: Vec<_> = (0..10).filter_map(|at| set.label(at)).collect();
    assert_eq!(labels, [1, 9, 2, 9, 3, 9, 4, 9, 5, 9]);
    assert_eq!(set.image(1).unwrap().pixels, vec![1.0 / 255.0; PIXELS]);
    assert_eq!(set.class_names()[9], "truck");
}

#[test]
fn the_published_archives_folder_is_found_and_fine_labels_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("cifar-100-binary");
    fs::create_dir(&inside).unwrap();
    let record = [vec![3, 99], vec![255; PIXELS]].concat();
    fs::write(inside.join("test.bin"), record).unwrap();
    let set = cifar100::test(folder.path()).unwrap();
    assert_eq!((set.classes(), set.label(0)), (100, Some(99)));
    assert_eq!(set.image(0).unwrap().pixels[0], 1.0);
    let mut names = set.class_names().to_vec();
    names.sort();
    names.dedup();
    assert_eq!(names, set.class_names());
}

#[test]
fn files_that_are_wrong_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let test = |bytes: &[u8]| {
        fs::write(folder.path().join("test_batch.bin"), bytes).unwrap();
        cifar10::test(folder.path()).unwrap_err()
    };
    let good = records(&[1, 2]);
    for wrong in [&good[..RECORD + 7], &[], &vec![0; RECORD * 10_001]] {
        let error = test(wrong);
        let DataError::Length { found, .. } = &error else { panic!("{error}") };
        assert_eq!(*found, wrong.len() as u64);
    }
    let error = test(&records(&[1, 10]));
    assert!(matches!(error, DataError::Label { record: 1, label: 10, classes: 10, .. }));
    assert!(matches!(cifar10::train(folder.path()), Err(DataError::NoFile { .. })));
    let nowhere = folder.path().join("nowhere");
    assert!(matches!(cifar10::test(&nowhere), Err(DataError::NoFolder { .. })));
}
