//! Weights of the small network as safetensors, named as PyTorch names them.

use std::path::Path;

use burn::store::{BurnToPyTorchAdapter, ModuleSnapshot, PyTorchToBurnAdapter, SafetensorsStore};
use burn::tensor::Device;
use free_at::prelude::*;
use safetensors::{Dtype, SafeTensors};

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

/// Loads a network; its width, channels and classes are those of the weights. Its normalisation is no
/// part of them and is the default one.
///
/// # Errors
/// What is wrong with the file, with its name.
pub fn load(path: &Path, device: &Device) -> Result<Loaded, String> {
    let wrong = |what: String| format!("{}: {what}", path.display());
    let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| wrong(error.to_string()))?;
    if let Some((name, tensor)) = tensors.iter().find(|(_, tensor)| tensor.dtype() != Dtype::F32) {
        return Err(wrong(format!("`{name}` is {:?}: weights must be F32", tensor.dtype())));
    }
    let shape = |name: &str| -> Result<Vec<usize>, String> {
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
    model.load_from(&mut store).map_err(|error| wrong(error.to_string()))?;
    Ok(Loaded { model, channels, classes })
}

/// A network with what its inputs and outputs are.
pub struct Loaded {
    /// The network.
    pub model: SmallCnn,
    /// Channels of an image.
    pub channels: usize,
    /// Number of classes.
    pub classes: usize,
}
