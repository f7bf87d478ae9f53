//! Weights from PyTorch, in both of its formats: `seeds/weights.py` wrote them.

use crate::inside::of_zip;
use crate::limits::{Limit, MIB, PATIENCE};
use crate::safetensors::load;
use crate::target::{Target, fuzz};

/// Burn's reader keeps up to 64 MiB of copies and a million of objects; then the network.
const LIMIT: Limit = Limit { floor: 160 * MIB, of_each: 8 };

const FILE: &str = "model.pt";

#[test]
fn weights_from_pytorch() {
    fuzz(|| Target {
        name: "pytorch",
        inputs: 400,
        limit: LIMIT,
        patience: PATIENCE,
        seeds: vec![
            vec![(FILE.into(), include_bytes!("seeds/zip.pt").to_vec())],
            vec![(FILE.into(), include_bytes!("seeds/legacy.pth").to_vec())],
        ],
        inside: of_zip,
        read: |folder| load(&folder.join(FILE)),
    });
}
