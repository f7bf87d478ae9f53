//! IDX: a file of images and one of labels, plain and packed.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use free_at::data::idx;

use crate::inside::{gzip, of_gzip};
use crate::limits::{Limit, MIB, PATIENCE};
use crate::target::{Target, fuzz};

/// The bytes, and a word for each label.
const LIMIT: Limit = Limit { floor: MIB, of_each: 10 };

/// A header and the bytes that it announces.
fn file(sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
    let magic = vec![0, 0, 8, sizes.len() as u8];
    let sizes = sizes.iter().flat_map(|size| size.to_be_bytes()).collect();
    [magic, sizes, bytes.to_vec()].concat()
}

/// The file of this name, with the ending of a packed one if that is there.
fn found(folder: &Path, name: &str) -> PathBuf {
    let packed = folder.join(format!("{name}.gz"));
    if packed.exists() { packed } else { folder.join(name) }
}

fn read(folder: &Path) -> Result<(), String> {
    let names = (0..10).map(|class: u8| class.to_string()).collect();
    let set = idx::images(&found(folder, "images"), &found(folder, "labels"), names)
        .map_err(|error| error.to_string())?;
    for at in 0..set.len() {
        set.image(at).map_err(|error| error.to_string())?;
    }
    set.batch(&Device::flex()).map(drop).map_err(|error| error.to_string())
}

#[test]
fn idx_files() {
    fuzz(|| {
        let pixels: Vec<u8> = (0..36).map(|at| 7 * at).collect();
        let (images, labels) = (file(&[4, 3, 3], &pixels), file(&[4], &[0, 9, 4, 1]));
        let packed = |name: &str, bytes: &[u8]| (format!("{name}.gz"), gzip(bytes));
        Target {
            name: "idx",
            inputs: 400,
            limit: LIMIT,
            patience: PATIENCE,
            seeds: vec![
                vec![("images".into(), images.clone()), ("labels".into(), labels.clone())],
                vec![packed("images", &images), packed("labels", &labels)],
            ],
            inside: of_gzip,
            read,
        }
    });
}
