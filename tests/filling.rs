//! Weights that are a hash of their tensors' names, as in `fixtures/models.py`, and files of weights.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use free_at::models::{PyTorchNames, Weights};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// Numbers in [0, 1), exact in f32.
pub(crate) fn uniform(name: &str, count: usize) -> Vec<f64> {
    let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let start = name.bytes().fold(0xcbf2_9ce4_8422_2325, hash);
    let number = |index: u64| {
        let z = start.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 24)
    };
    (0..count as u64).map(number).collect()
}

fn filling(name: &str, shape: &[usize]) -> Vec<f32> {
    let fan_in: usize = shape.iter().skip(1).product();
    let value = |u: f64| match shape.len() {
        _ if name.ends_with("running_var") => 0.5 + u,
        _ if name.ends_with("running_mean") || name.ends_with("bias") => 0.2 * (u - 0.5),
        1 => 0.25 + 0.5 * u,
        2 => (2.0 * u - 1.0) * (3.0 / fan_in as f64).sqrt(),
        _ => (2.0 * u - 1.0) * (6.0 / fan_in as f64).sqrt(),
    };
    uniform(name, shape.iter().product()).into_iter().map(|u| value(u) as f32).collect()
}

/// A tensor whose values the script has too.
pub(crate) fn inputs<const D: usize>(case: &str, shape: &[usize]) -> Tensor<D> {
    let values = uniform(&format!("{case}/inputs"), shape.iter().product());
    let values: Vec<f32> = values.into_iter().map(|u| u as f32).collect();
    Tensor::from_data(TensorData::new(values, shape.to_vec()), &Device::flex())
}

/// The model with hashed weights in tensors of these names and shapes, which it must all have.
pub(crate) fn filled<M: PyTorchNames>(model: M, state: &[(String, Vec<usize>)]) -> M {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("filled.safetensors");
    let tensors =
        state.iter().map(|(name, shape)| (name.clone(), shape.clone(), filling(name, shape)));
    write(&path, tensors);
    Weights::open(&path).unwrap().load(model).unwrap()
}

/// Writes a safetensors file of floats.
pub(crate) fn write(path: &Path, tensors: impl Iterator<Item = (String, Vec<usize>, Vec<f32>)>) {
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .map(|(name, shape, values)| {
            (name, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect())
        })
        .collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize_to_file(views, None, path).unwrap();
}

/// What [`free_at::models::save`] writes for a model: shapes and values by name.
pub(crate) fn saved<M: PyTorchNames>(model: &M) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved.safetensors");
    free_at::models::save(model, &path).unwrap();
    read(&path)
}

/// The tensors of a safetensors file of floats.
pub(crate) fn read(path: &Path) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let bytes = std::fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let values =
        |bytes: &[u8]| bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    tensors
        .iter()
        .map(|(name, view)| (name.into(), (view.shape().to_vec(), values(view.data()))))
        .collect()
}
