//! Writing weights.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use burn::store::{
    BurnToPyTorchAdapter, ModuleAdapter, ModuleContext, ModuleSnapshot, SafetensorsStore, burn_pack,
};
use free_at_core::files;

use super::names::{PyTorchNames, named};
use crate::ModelError;

/// Writes a model's weights and running statistics as safetensors, in PyTorch's names and layout:
///
/// ```python
/// model.load_state_dict(safetensors.torch.load_file("model.safetensors"), strict=True)
/// ```
///
/// The file is whole or not there; one that is there already is replaced. A link stays, and the file that it leads to
/// is replaced.
///
/// # Errors
/// [`ModelError::File`] if it cannot be written, and for a folder, a device or a pipe.
pub fn save<M: PyTorchNames>(model: &M, path: impl AsRef<Path>) -> Result<(), ModelError> {
    let path = path.as_ref();
    let target = files::target(path).map_err(|error| ModelError::file(path, error))?;
    // Only `valid` brings running statistics up to date.
    let model = model.valid();
    let names = named(&model).into_iter().map(|named| (named.tensor.name, named.pytorch)).collect();
    let mut store = SafetensorsStore::from_file(target)
        .overwrite(true)
        .skip_enum_variants(true)
        .metadata("format", "pt")
        .with_to_adapter(BurnToPyTorchAdapter.chain(Rename(Arc::new(names))));
    model.save_into(&mut store).map_err(|error| ModelError::file(path, error))
}

/// Gives each tensor its name in PyTorch.
#[derive(Clone)]
struct Rename(Arc<HashMap<String, String>>);

impl ModuleAdapter for Rename {
    fn adapt(&self, mut tensor: burn_pack::Tensor, _: ModuleContext<'_>) -> burn_pack::Tensor {
        if let Some(name) = self.0.get(&tensor.name) {
            tensor.name.clone_from(name);
        }
        tensor
    }

    fn clone_box(&self) -> Box<dyn ModuleAdapter> {
        Box::new(self.clone())
    }
}
