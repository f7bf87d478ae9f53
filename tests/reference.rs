//! The models and numbers of `fixtures/attacks.py`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::tensor::{Device, Tensor, TensorData};
use free_at::Norm;
use free_at::models::{SmallCnn, Weights};
use free_at::prelude::*;
use safetensors::SafeTensors;
use serde::Deserialize;

/// The first of the 360 test digits, as in the script.
pub(crate) const SAMPLES: usize = 200;
const WIDTH: usize = 8;

/// What the script wrote in `attacks.json`.
#[derive(Deserialize)]
pub(crate) struct Summary {
    epsilon: BTreeMap<String, f64>,
    pub(crate) square_broken: BTreeMap<String, BTreeMap<String, Vec<usize>>>,
}

pub(crate) struct Reference {
    tensors: Tensors,
    pub(crate) summary: Summary,
}

impl Reference {
    pub(crate) fn load() -> Self {
        Self {
            tensors: Tensors::read(include_bytes!("fixtures/attacks.safetensors")),
            summary: serde_json::from_str(include_str!("fixtures/attacks.json")).unwrap(),
        }
    }

    pub(crate) fn threat(&self, norm: &str) -> ThreatModel {
        let kind = if norm == "l2" { Norm::L2 } else { Norm::Linf };
        ThreatModel::new(kind, Epsilon::unit(self.summary.epsilon[norm]))
    }
}

impl std::ops::Deref for Reference {
    type Target = Tensors;

    fn deref(&self) -> &Tensors {
        &self.tensors
    }
}

/// The tensors of a script.
pub(crate) struct Tensors(SafeTensors<'static>);

impl Tensors {
    pub(crate) fn read(bytes: &'static [u8]) -> Self {
        Self(SafeTensors::deserialize(bytes).unwrap())
    }

    /// The values of a float tensor.
    pub(crate) fn floats(&self, name: &str) -> Vec<f32> {
        let bytes = self.0.tensor(name).unwrap().data();
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    }

    /// The values of a tensor of flags.
    pub(crate) fn flags(&self, name: &str) -> Vec<bool> {
        self.0.tensor(name).unwrap().data().iter().map(|&byte| byte != 0).collect()
    }

    /// The values of an integer tensor.
    pub(crate) fn integers(&self, name: &str) -> Vec<i64> {
        let bytes = self.0.tensor(name).unwrap().data();
        let eight = |b: &[u8]| i64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]);
        bytes.chunks_exact(8).map(eight).collect()
    }

    /// A tensor of images.
    pub(crate) fn images(&self, name: &str) -> Tensor<4> {
        let data = TensorData::new(self.floats(name), [SAMPLES, 1, 8, 8]);
        Tensor::from_data(data, &Device::flex())
    }
}

/// A file beside the tests.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// A network trained by the script, with PyTorch's weights.
pub(crate) fn model(name: &str) -> SmallCnn {
    let config = SmallCnnConfig::new(1, digits::CLASSES).with_width(WIDTH);
    let weights = Weights::open(fixture(&format!("{name}.safetensors"))).unwrap();
    weights.load(config.init(&Device::flex())).unwrap()
}

/// The images, with their labels.
pub(crate) fn batch() -> Batch<4> {
    digits::test().take(SAMPLES).batch(&Device::flex()).unwrap()
}

/// The first `n` of them, in batches.
pub(crate) fn loader(n: usize, batch: usize) -> Arc<dyn DataLoader<Batch<4>>> {
    digits::test().take(n).loader(batch, None, &Device::flex()).unwrap()
}
