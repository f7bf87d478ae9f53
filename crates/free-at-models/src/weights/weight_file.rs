//! Files of weights, and loading them.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use burn::store::{ModuleSnapshot, PyTorchToBurnAdapter};

use super::detach::detached;
use super::fit::Fit;
use super::names::PyTorchNames;
use super::state_dict::{Tensors, below, entries, keys, roots, state_dict, unwrapped};
use super::{normalization, numbers, reading};
use crate::{ModelError, NormalizeConfig};

/// A file of weights: PyTorch's `.pt` and `.pth` (a state dict, or a dict with one under `state_dict`,
/// `model_state_dict`, `model_state`, `model` or `net`; for any other key, or for one of several, there is
/// [`under`](Self::under)), or safetensors. The format is told from the content, not from the file's name.
///
/// Names may begin with `module.` (DataParallel), `_orig_mod.` (`torch.compile`), `model.`, `net.` or `attacker.`
/// (robustness, whose second copy of the network is passed over); [`PyTorchNames`] says which names a network has.
/// Values of any float type are converted to the network's.
///
/// A normalisation in the file (`mu` and `sigma` as RobustBench's models have them, robustness' `normalizer`, the
/// `normalize` before RobustBench's models of timm) becomes that of the [`Normalized`](crate::Normalized) that it is
/// loaded into, in place of its own.
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
    /// Every tensor in the file.
    all: Tensors,
    /// Those of the state dict that is loaded.
    tensors: Tensors,
    key: Option<String>,
    ignored: Vec<String>,
    kept: Vec<String>,
}

impl Weights {
    /// Opens a file and reads what is in it, not yet the numbers.
    ///
    /// # Errors
    /// [`ModelError::File`] for one that cannot be read, [`ModelError::Damaged`] for one that is no
    /// checkpoint, [`ModelError::Object`] for one with an object of Python that is not read here.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let path = path.as_ref();
        let weights = Self {
            path: path.into(),
            all: reading::tensors(path)?,
            tensors: Tensors::new(),
            key: None,
            ignored: Vec::new(),
            kept: Vec::new(),
        };
        Ok(weights.chosen())
    }

    /// The same for what is under `key` alone: `best` of a file that has `last` and `best`, or `model_ema` of one that
    /// has `model` too. Keys within keys are joined by dots. A key that the file does not have is an error of
    /// [`load`](Self::load).
    #[must_use]
    pub fn under(mut self, key: &str) -> Self {
        self.key = Some(key.into());
        self.chosen()
    }

    /// The same without the tensors whose names begin with `prefix`, wrappers apart: a branch that only training
    /// used, say. Without its normalisation (`ignoring("mu").ignoring("sigma")`) a file leaves a
    /// [`Normalized`](crate::Normalized) its own.
    #[must_use]
    pub fn ignoring(mut self, prefix: &str) -> Self {
        self.ignored.push(prefix.into());
        self.chosen()
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

    /// The normalisation that the file has, if it has one: what [`load`](Self::load) gives a
    /// [`Normalized`](crate::Normalized).
    ///
    /// # Errors
    /// [`ModelError::NotFinite`] for NaN or infinity in it, [`ModelError::Damaged`] for a standard deviation that
    /// is not above 0, and for numbers that cannot be read.
    pub fn normalization(&self) -> Result<Option<NormalizeConfig>, ModelError> {
        normalization::among(self.tensors.iter()).map(|found| found.read(&self.path)).transpose()
    }

    /// The model with the file's weights and running statistics, on the device it is on. All of them, or
    /// none.
    ///
    /// # Errors
    /// [`ModelError::Mismatch`] with every tensor that is missing, not used, or of another shape or type,
    /// [`ModelError::Fused`] if it is batch norms that are missing since convolutions took them in;
    /// [`ModelError::StateDicts`] for a file with several networks like this, or one under a key of its own, and
    /// [`ModelError::Key`] for a key that it does not have; [`ModelError::NotFinite`] and
    /// [`ModelError::NegativeVariance`] for numbers that give NaN; [`ModelError::Damaged`] for numbers that cannot
    /// be read; those of [`normalization`](Self::normalization).
    pub fn load<M: PyTorchNames>(&self, model: M) -> Result<M, ModelError> {
        self.check_key()?;
        let fit = Fit::of(&self.tensors, &model, &self.kept);
        self.check_choice(&fit, &model)?;
        if fit.is_fused(&model) {
            return Err(ModelError::Fused { path: self.shown(), model: model.model_name() });
        }
        let Fit { placed, mut mismatch, .. } = fit;
        // They are in order, as the tensors are.
        let is_unused = |name: &String| mismatch.unused.binary_search(name).is_ok();
        let unused = self.tensors.iter().filter(|(name, _)| is_unused(name));
        let found = normalization::among(unused);
        let renormalized = match &found {
            Some(found) => {
                mismatch.unused.retain(|name| !found.names().contains(name));
                model.renormalized(&found.read(&self.path)?)
            }
            None => None,
        };
        if let (Some(found), None) = (&found, &renormalized) {
            mismatch.normalization = found.names().into();
        }
        if !mismatch.is_empty() {
            let (path, model) = (self.shown(), model.model_name());
            return Err(ModelError::Mismatch { path, model, mismatch: mismatch.into() });
        }
        numbers::check(&self.path, &placed)?;
        let loaded = placed.into_iter().map(|(_, tensor)| tensor).collect();
        let mut model = detached(renormalized.unwrap_or(model));
        match model.apply(loaded, None, Some(Box::new(PyTorchToBurnAdapter)), true).errors.first() {
            None => Ok(model),
            Some(error) => Err(ModelError::damaged(&self.path, error)),
        }
    }

    fn chosen(mut self) -> Self {
        self.tensors = state_dict(self.entries());
        self
    }

    fn entries(&self) -> Tensors {
        entries(&self.all, self.key.as_deref(), &self.ignored)
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// Refuses a key under which there is nothing.
    fn check_key(&self) -> Result<(), ModelError> {
        let Some(key) = &self.key else { return Ok(()) };
        if self.all.keys().any(|name| below(name, Some(key)).is_some()) {
            return Ok(());
        }
        let first = |name: &String| name.split('.').next().unwrap_or_default().to_string();
        let found: BTreeSet<String> = self.all.keys().map(first).collect();
        let found = found.into_iter().collect();
        Err(ModelError::Key { path: self.shown(), key: key.clone(), found })
    }

    /// Refuses to choose between networks.
    fn check_choice<M: PyTorchNames>(&self, fit: &Fit, model: &M) -> Result<(), ModelError> {
        let is_kept = |name: &String| self.kept.iter().any(|prefix| name.starts_with(prefix));
        let required = fit.known.iter().filter(|name| !is_kept(name)).cloned().collect();
        let roots = roots(&self.entries(), &required, |rest| model.resolve_alias(rest));
        match keys(&roots) {
            found if found.is_empty() => Ok(()),
            found => {
                Err(ModelError::StateDicts { path: self.shown(), model: model.model_name(), found })
            }
        }
    }
}

impl fmt::Debug for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Weights")
            .field("path", &self.path)
            .field("tensors", &self.tensors.len())
            .field("key", &self.key)
            .field("kept", &self.kept)
            .finish()
    }
}
