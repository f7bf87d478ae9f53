//! Files of weights, and loading them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use burn::store::{
    FloatCastAdapter, ModuleAdapter, ModuleContext, ModuleSnapshot, ModuleStore,
    PyTorchToBurnAdapter, PytorchStore, SafetensorsStore, burn_pack,
};

use super::detach::detached;
use super::names::{Named, PyTorchNames, named};
use crate::error::{Mismatch, ModelError, WrongShape};

/// Keys under which training scripts keep the state dict; what is beside it is left alone.
const STATE_DICTS: [&str; 3] = ["state_dict.", "model_state_dict.", "model_state."];
/// What wrappers put before names: `DataParallel`, `torch.compile`, and modules that hold the network.
const WRAPPERS: [&str; 4] = ["module.", "_orig_mod.", "model.", "net."];
/// The counter of PyTorch's batch norm, which nothing here uses.
const COUNTER: &str = "num_batches_tracked";

/// A file of weights: PyTorch's `.pt` and `.pth` (a state dict, or a dict with one under `state_dict`,
/// `model_state_dict`, `model_state`, `model` or `net`), or safetensors. The format is told from the content,
/// not from the file's name.
///
/// Names may begin with `module.` (DataParallel), `_orig_mod.` (`torch.compile`), `model.` or `net.`;
/// [`PyTorchNames`] says which names a network has. Values of any float type are converted to the network's.
///
/// ```no_run
/// use burn::tensor::Device;
/// use free_at_models::{Weights, WideResNetConfig};
///
/// let model = WideResNetConfig::wrn_34_10(10).init(&Device::default());
/// let model = Weights::open("trades.pt")?.ignoring("sub_block1").load(model)?;
/// free_at_models::save(&model, "trades.safetensors")?;
/// # Ok::<(), free_at_models::ModelError>(())
/// ```
#[derive(Clone)]
pub struct Weights {
    path: PathBuf,
    tensors: BTreeMap<String, burn_pack::Tensor>,
    kept: Vec<String>,
}

impl Weights {
    /// Opens a file and reads what is in it, not yet the numbers.
    ///
    /// # Errors
    /// [`ModelError::File`] for one that cannot be read, [`ModelError::Damaged`] for one that is no
    /// checkpoint.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let path = path.as_ref();
        let mut start = Vec::new();
        File::open(path)
            .and_then(|file| file.take(9).read_to_end(&mut start))
            .map_err(|error| ModelError::file(path, error))?;
        // Safetensors begin with the length of a JSON object, eight bytes, and the object.
        let tensors = match start.get(8) == Some(&b'{') {
            true => tensors(SafetensorsStore::from_file(path)),
            false => tensors(PytorchStore::from_file(path).map_indices_contiguous(false)),
        };
        let tensors = tensors.map_err(|reason| ModelError::damaged(path, reason))?;
        Ok(Self { path: path.into(), tensors: state_dict(tensors), kept: Vec::new() })
    }

    /// The same without the tensors whose names begin with `prefix`, wrappers apart: statistics of a
    /// normalisation, say, or a branch that only training used.
    #[must_use]
    pub fn ignoring(mut self, prefix: &str) -> Self {
        self.tensors.retain(|name, _| !unwrapped(name).any(|rest| rest.starts_with(prefix)));
        self
    }

    /// The same for a network that keeps its own tensors whose names begin with `prefix`; the file's are
    /// passed over. For a new last layer on a pretrained body. A file that calls that layer otherwise needs
    /// `ignoring` for its own name too: `keeping("fc.").ignoring("linear.")`.
    #[must_use]
    pub fn keeping(mut self, prefix: &str) -> Self {
        self.kept.push(prefix.into());
        self.ignoring(prefix)
    }

    /// The names in the file, with each tensor's shape.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.shape.as_slice()))
    }

    /// The shape of the tensor with this name, after wrappers.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        let named = |found: &str| unwrapped(found).any(|rest| rest == name);
        self.tensors().find(|(found, _)| named(found)).map(|(_, shape)| shape)
    }

    /// The model with the file's weights and running statistics, on the device it is on. All of them, or
    /// none.
    ///
    /// # Errors
    /// [`ModelError::Mismatch`] with every tensor that is missing, not used, or of another shape or type;
    /// [`ModelError::Damaged`] for numbers that cannot be read.
    pub fn load<M: PyTorchNames>(&self, model: M) -> Result<M, ModelError> {
        let mut mismatch = Mismatch::default();
        let mut expected = BTreeMap::new();
        for Named { pytorch, tensor } in named(&model) {
            if expected.insert(pytorch.clone(), tensor).is_some() {
                mismatch.missing.push(format!("{pytorch} (the name of two tensors)"));
            }
        }
        let known: BTreeSet<String> = expected.keys().cloned().collect();
        let mut loaded = Vec::with_capacity(known.len());
        for (name, tensor) in &self.tensors {
            let place = unwrapped(name)
                .map(|rest| model.resolve_alias(rest))
                .find(|name| known.contains(name))
                .and_then(|name| expected.remove_entry(&name));
            match place {
                Some((name, place)) if place.shape != tensor.shape => {
                    let (expected, found) = (place.shape.to_vec(), tensor.shape.to_vec());
                    mismatch.wrong_shape.push(WrongShape { name, expected, found });
                }
                Some((name, place)) if place.dtype.is_float() != tensor.dtype.is_float() => {
                    mismatch.wrong_type.push(name);
                }
                Some((_, place)) => loaded.push(fitted(tensor, place)),
                None if name.ends_with(COUNTER) => {}
                None => mismatch.unused.push(name.clone()),
            }
        }
        let kept = |name: &String| self.kept.iter().any(|prefix| name.starts_with(prefix));
        mismatch.missing.extend(expected.into_keys().filter(|name| !kept(name)));
        if !mismatch.is_empty() {
            let (path, model) = (self.path.display().to_string(), model.model_name());
            return Err(ModelError::Mismatch { path, model, mismatch: mismatch.into() });
        }
        let mut model = detached(model);
        match model.apply(loaded, None, Some(Box::new(PyTorchToBurnAdapter)), true).errors.first() {
            None => Ok(model),
            Some(error) => Err(ModelError::damaged(&self.path, error)),
        }
    }
}

impl fmt::Debug for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Weights")
            .field("path", &self.path)
            .field("tensors", &self.tensors.len())
            .field("kept", &self.kept)
            .finish()
    }
}

fn tensors<S: ModuleStore>(mut store: S) -> Result<BTreeMap<String, burn_pack::Tensor>, String> {
    store.get_all_tensors().cloned().map_err(|error| error.to_string())
}

/// The state dict of what a training script saved.
fn state_dict(
    mut tensors: BTreeMap<String, burn_pack::Tensor>,
) -> BTreeMap<String, burn_pack::Tensor> {
    let holds = |key: &&&str| tensors.keys().any(|name| name.starts_with(**key));
    if let Some(key) = STATE_DICTS.iter().find(holds) {
        return tensors
            .into_iter()
            .filter_map(|(name, tensor)| Some((name.strip_prefix(key)?.to_string(), tensor)))
            .collect();
    }
    tensors.retain(|name, _| !name.starts_with("optimizer"));
    tensors
}

/// The tensor under its name in the network, as the float type that the network has there.
fn fitted(tensor: &burn_pack::Tensor, place: burn_pack::Tensor) -> burn_pack::Tensor {
    let mut tensor = tensor.clone();
    tensor.name = place.name;
    match place.dtype.is_float() {
        true => FloatCastAdapter::to(place.dtype).adapt(tensor, ModuleContext::new(&[])),
        false => tensor,
    }
}

/// A name, and what is left of it without its first wrapper, its first two, and so on.
fn unwrapped(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| {
        WRAPPERS.iter().find_map(|wrapper| name.strip_prefix(wrapper))
    })
}
