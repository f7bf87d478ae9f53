//! Weights of the small network as safetensors, named as PyTorch names them.

use std::path::Path;

use burn::store::{BurnToPyTorchAdapter, ModuleSnapshot, PyTorchToBurnAdapter, SafetensorsStore};
use burn::tensor::Device;
use free_at::prelude::*;
use safetensors::SafeTensors;

/// Saves the network; the file is whole or not there.
///
/// # Errors
/// What the system says, with the file's name.
pub fn save(model: &SmallCnn, path: &Path) -> Result<(), String> {
    let mut store = SafetensorsStore::from_bytes(None).with_to_adapter(BurnToPyTorchAdapter);
    let failed = |error: String| format!("{} cannot be written: {error}", path.display());
    model.save_into(&mut store).map_err(|error| failed(error.to_string()))?;
    let bytes = store.get_bytes().map_err(|error| failed(error.to_string()))?;
    crate::files::write(path, &bytes)
}

/// Loads a network; its width, channels and classes are those of the weights.
///
/// # Errors
/// What is wrong with the file, with its name.
pub fn load(path: &Path, device: &Device) -> Result<SmallCnn, String> {
    let wrong = |what: String| format!("{}: {what}", path.display());
    let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let shape = |name: &str| -> Result<Vec<usize>, String> {
        let tensors = SafeTensors::deserialize(&bytes).map_err(|e| wrong(e.to_string()))?;
        let missing = |_| wrong(format!("no `{name}`: these are not the weights of a SmallCnn"));
        Ok(tensors.tensor(name).map_err(missing)?.shape().to_vec())
    };
    let (first, output) = (shape("first.conv.weight")?, shape("output.bias")?);
    let (&[width, channels, ..], &[classes]) = (first.as_slice(), output.as_slice()) else {
        return Err(wrong("its tensors have another shape than those of a SmallCnn".into()));
    };
    let mut model = SmallCnnConfig::new(channels, classes).with_width(width).init(device);
    let mut store =
        SafetensorsStore::from_bytes(Some(bytes.clone())).with_from_adapter(PyTorchToBurnAdapter);
    let result = model.load_from(&mut store).map_err(|error| wrong(error.to_string()))?;
    match result.missing.is_empty() && result.errors.is_empty() {
        true => Ok(model),
        false => Err(wrong(result.to_string())),
    }
}
