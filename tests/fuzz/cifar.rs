//! CIFAR-10 and CIFAR-100, a file of two records each.

use std::path::Path;

use burn::tensor::Device;
use free_at::data::{cifar10, cifar100};

use crate::limits::{Limit, MIB, PATIENCE};
use crate::target::{Target, fuzz};

/// The file, its pixels while there come to be more, and a word for each label; then a batch of them.
const LIMIT: Limit = Limit { floor: MIB, of_each: 12 };

const TEN: &str = "test_batch.bin";
const HUNDRED: &str = "test.bin";

/// Records that begin with these labels.
fn records(labels: [&[u8]; 2]) -> Vec<u8> {
    const PIXELS: usize = 3 * 32 * 32;
    labels.into_iter().flat_map(|labels| [labels, &[99; PIXELS]].concat()).collect()
}

fn read(folder: &Path) -> Result<(), String> {
    let set = match folder.join(TEN).exists() {
        true => cifar10::test(folder),
        false => cifar100::test(folder),
    };
    let set = set.map_err(|error| error.to_string())?;
    for at in 0..set.len() {
        set.image(at).map_err(|error| error.to_string())?;
    }
    set.batch(&Device::flex()).map(drop).map_err(|error| error.to_string())
}

#[test]
fn cifar_files() {
    fuzz(|| Target {
        name: "cifar",
        inputs: 300,
        limit: LIMIT,
        patience: PATIENCE,
        seeds: vec![
            vec![(TEN.into(), records([&[3], &[9]]))],
            vec![(HUNDRED.into(), records([&[3, 99], &[1, 0]]))],
        ],
        inside: |_, _| None,
        read,
    });
}
