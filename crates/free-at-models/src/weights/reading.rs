//! The tensors of a file, whatever its format.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use burn::store::pytorch_reader::{PickleError, PytorchError, PytorchReader};
use burn::store::{ModuleStore, SafetensorsStore, bridge};

use super::archive;
use super::state_dict::Tensors;
use crate::ModelError;

/// Reads what is in a file, not yet the numbers.
pub(super) fn tensors(path: &Path) -> Result<Tensors, ModelError> {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(9).read_to_end(&mut start))
        .map_err(|error| ModelError::file(path, error))?;
    // Safetensors begin with the length of a JSON object, eight bytes, and the object.
    match start.get(8) == Some(&b'{') {
        true => safetensors(path),
        false => pytorch(path),
    }
}

fn safetensors(path: &Path) -> Result<Tensors, ModelError> {
    let mut store = SafetensorsStore::from_file(path);
    store.get_all_tensors().cloned().map_err(|error| ModelError::damaged(path, error))
}

fn pytorch(path: &Path) -> Result<Tensors, ModelError> {
    let copy = archive::mended(path).map_err(|error| {
        ModelError::file(path, format!("a copy of it is needed and cannot be made: {error}"))
    })?;
    // The reader holds the file open, so that the copy need not stay.
    let reader = PytorchReader::new(copy.as_ref().map_or(path, |copy| copy.path()));
    let tensors = reader.map_err(|error| refused(path, &error))?.into_tensors();
    let tensors = tensors.into_iter();
    Ok(tensors.map(|(name, tensor)| (name, bridge::from_pytorch(tensor))).collect())
}

/// An object beside the weights that the reader stops at does not make the file a damaged one.
fn refused(path: &Path, error: &PytorchError) -> ModelError {
    match error {
        PytorchError::Pickle(
            reason @ (PickleError::UnexpectedOpCode(_)
            | PickleError::UnsupportedOpCode(_)
            | PickleError::UnsupportedType(_)
            | PickleError::InvalidData(_)),
        ) => ModelError::Object { path: path.display().to_string(), reason: reason.to_string() },
        _ => ModelError::damaged(path, error),
    }
}
