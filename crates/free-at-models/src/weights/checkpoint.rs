//! Files of weights, and loading them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use burn::store::{
    FloatCastAdapter, ModuleAdapter, ModuleSnapshot, ModuleStore, PyTorchToBurnAdapter,
    PytorchStore, SafetensorsStore, burn_pack,
};

use super::names::{PyTorchNames, named};
use crate::error::{Mismatch, Misshapen, ModelError};

/// Keys under which training scripts keep the state dict; what is beside it is left alone.
const STATE_DICTS: [&str; 3] = ["state_dict.", "model_state_dict.", "model_state."];
/// What wrappers put before names: `DataParallel`, `torch.compile`, and modules that hold the network.
const WRAPPERS: [&str; 4] = ["module.", "_orig_mod.", "model.", "net."];
/// The counter of PyTorch's batch norm, which nothing here uses.
const COUNTER: &str = "num_batches_tracked";

/// A file of weights: PyTorch's `.pt` and `.pth` (a state dict, or a dict with one under `state_dict`,
/// `model_state_dict`, `model_state`, `model` or `net`), or safetensors. What it is, its content tells.
///
/// Names may begin with `module.` (DataParallel), `_orig_mod.` (`torch.compile`), `model.` or `net.`;
/// [`PyTorchNames`] says which names a network has. Numbers of any float type are read, as the type the
/// network has.
///
/// ```no_run
/// use burn::tensor::Device;
/// use free_at_models::{Checkpoint, WideResNetConfig};
///
/// let model = WideResNetConfig::wrn_34_10(10).init(&Device::default());
/// let model = Checkpoint::open("trades.pt")?.ignoring("sub_block1").load(model)?;
/// free_at_models::save(&model, "trades.safetensors")?;
/// # Ok::<(), free_at_models::ModelError>(())
/// ```
#[derive(Clone)]
pub struct Checkpoint {
    path: PathBuf,
    tensors: BTreeMap<String, burn_pack::Tensor>,
    ignored: Vec<String>,
}

impl Checkpoint {
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
        Ok(Self { path: path.into(), tensors: state_dict(tensors), ignored: Vec::new() })
    }

    /// The same without the tensors whose names, after wrappers, begin with `prefix`: statistics of a
    /// normalisation, say, or a branch that only training used.
    #[must_use]
    pub fn ignoring(mut self, prefix: impl Into<String>) -> Self {
        self.ignored.push(prefix.into());
        self
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

    /// The model with the file's weights and running statistics, on the device it is on.
    ///
    /// # Errors
    /// [`ModelError::Mismatch`] with every tensor that is missing, not used or of another shape;
    /// [`ModelError::Damaged`] for tensors that cannot be read or hold no floats.
    pub fn load<M: PyTorchNames>(&self, model: M) -> Result<M, ModelError> {
        let mut expected: BTreeMap<String, burn_pack::Tensor> =
            named(&model).into_iter().map(|named| (named.pytorch, named.tensor)).collect();
        let float = expected.values().next().map(|tensor| tensor.dtype);
        let known: BTreeSet<String> = expected.keys().cloned().collect();
        let mut mismatch = Mismatch::default();
        let mut loaded = Vec::with_capacity(known.len());
        for (name, tensor) in &self.tensors {
            let found = unwrapped(name)
                .map(|rest| model.resolve_alias(rest))
                .find(|name| known.contains(name))
                .and_then(|name| expected.remove_entry(&name));
            match found {
                Some((name, place)) if place.shape != tensor.shape => {
                    let (expected, found) = (place.shape.to_vec(), tensor.shape.to_vec());
                    mismatch.misshapen.push(Misshapen { name, expected, found });
                }
                Some((name, place)) => {
                    self.check_numbers(&name, tensor)?;
                    let mut tensor = tensor.clone();
                    tensor.name = place.name;
                    loaded.push(tensor);
                }
                None if self.passes_over(name) => {}
                None => mismatch.unused.push(name.clone()),
            }
        }
        mismatch.missing = expected.into_keys().collect();
        if !mismatch.is_empty() {
            let (path, model) = (self.path.display().to_string(), model.model_name());
            return Err(ModelError::Mismatch { path, model, mismatch });
        }
        let adapter: Box<dyn ModuleAdapter> = match float {
            Some(float) => Box::new(PyTorchToBurnAdapter.chain(FloatCastAdapter::to(float))),
            None => Box::new(PyTorchToBurnAdapter),
        };
        let mut model = detached(model);
        match model.apply(loaded, None, Some(adapter), true).errors.first() {
            None => Ok(model),
            Some(error) => Err(ModelError::damaged(&self.path, error)),
        }
    }

    fn passes_over(&self, name: &str) -> bool {
        let ignored = |rest: &str| self.ignored.iter().any(|prefix| rest.starts_with(prefix));
        name.ends_with(COUNTER) || unwrapped(name).any(ignored)
    }

    fn check_numbers(&self, name: &str, tensor: &burn_pack::Tensor) -> Result<(), ModelError> {
        if !tensor.dtype.is_float() {
            let found = format!("`{name}` holds {:?}, no floats", tensor.dtype);
            return Err(ModelError::damaged(&self.path, found));
        }
        Ok(())
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint")
            .field("path", &self.path)
            .field("tensors", &self.tensors.len())
            .field("ignored", &self.ignored)
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

/// A name, and what is left of it without its first wrapper, its first two, and so on.
fn unwrapped(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| {
        WRAPPERS.iter().find_map(|wrapper| name.strip_prefix(wrapper))
    })
}

/// The model with running statistics of its own: clones share them, and loading writes to them.
fn detached<M: PyTorchNames>(model: M) -> M {
    match model.devices().iter().any(burn::tensor::Device::is_autodiff) {
        true => model.valid().train(),
        false => model.valid(),
    }
}
