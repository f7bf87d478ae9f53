//! Weights as safetensors: this library's own file, and one in half precision behind a wrapper's names.

use std::path::Path;

use ::safetensors::tensor::{Dtype, TensorView, serialize};
use burn::tensor::Device;
use free_at::models::{MlpConfig, Weights, save};

use crate::inside::of_safetensors;
use crate::limits::{Limit, MIB, PATIENCE};
use crate::target::{Files, Target, files_of, fuzz};

/// The network and its tensors, and the file, which is mapped, once more.
const LIMIT: Limit = Limit { floor: 4 * MIB, of_each: 8 };

const FILE: &str = "model.safetensors";

/// The network of `seeds/weights.py`.
pub(crate) fn network() -> MlpConfig {
    MlpConfig::new(4, 3).with_hidden(vec![5])
}

/// Reads a file of weights into that network.
pub(crate) fn load(path: &Path) -> Result<(), String> {
    let weights = Weights::open(path).map_err(|error| error.to_string())?;
    std::hint::black_box(weights.tensors().count());
    let model = network().init(&Device::flex());
    weights.load(model).map(drop).map_err(|error| error.to_string())
}

fn own() -> Files {
    let folder = tempfile::tempdir().unwrap();
    save(&network().init(&Device::flex()), folder.path().join(FILE)).unwrap();
    files_of(folder.path())
}

fn half() -> Files {
    let shapes: [(&str, &[usize]); 4] =
        [("0.weight", &[5, 4]), ("0.bias", &[5]), ("2.weight", &[3, 5]), ("2.bias", &[3])];
    let zeros = [0u8; 2 * 20];
    let views = shapes.map(|(name, shape)| {
        let bytes = &zeros[..2 * shape.iter().product::<usize>()];
        (format!("module.{name}"), TensorView::new(Dtype::F16, shape.to_vec(), bytes).unwrap())
    });
    vec![(FILE.into(), serialize(views, None).unwrap())]
}

#[test]
fn weights_as_safetensors() {
    fuzz(|| Target {
        name: "safetensors",
        inputs: 400,
        limit: LIMIT,
        patience: PATIENCE,
        seeds: vec![own(), half()],
        inside: of_safetensors,
        read: |folder| load(&folder.join(FILE)),
    });
}
