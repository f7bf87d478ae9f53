//! The names that a network's tensors have in PyTorch.

use burn::module::Module;
use burn::store::{BurnToPyTorchAdapter, ModuleSnapshot, burn_pack};

use crate::NormalizeConfig;

/// A network whose weights have names in PyTorch, by which [`Weights::load`](crate::Weights::load)
/// finds them and [`save`](crate::save) writes them.
///
/// Names, and the shapes of linear layers, are first put in PyTorch's way as far as Burn knows it
/// (`gamma` is `weight`, for instance). For a module whose fields have the same names as in PyTorch that
/// is all, and the implementation is empty.
pub trait PyTorchNames: Module {
    /// PyTorch's name of the tensor at `name`, the path of fields with PyTorch's parameter names:
    /// `layers.0.1.bn1.weight`, which [`ResNet`](crate::ResNet) turns into `layer1.1.bn1.weight`. Default:
    /// `name`.
    fn pytorch_name(&self, name: &str) -> String {
        name.into()
    }

    /// The name that [`pytorch_name`](Self::pytorch_name) gives to the tensor that a file of another code
    /// base calls `name`, wrappers removed. Default: `name`.
    fn resolve_alias(&self, name: &str) -> String {
        name.into()
    }

    /// The network with the normalisation that a file keeps beside its weights, in place of its own. `None` for a
    /// network that has none, or one of another number of channels. Default: `None`.
    fn renormalized(&self, _normalization: &NormalizeConfig) -> Option<Self> {
        None
    }

    /// The network's name in error messages. Default: the type's name.
    fn model_name(&self) -> String {
        let path = std::any::type_name::<Self>();
        let path = path.split('<').next().unwrap_or(path);
        path.rsplit("::").next().unwrap_or(path).into()
    }
}

/// The tensors of a network in PyTorch's layout, each with its name here and its name there.
pub(super) fn named<M: PyTorchNames>(model: &M) -> Vec<Named> {
    model
        .collect(None, Some(Box::new(BurnToPyTorchAdapter)), true)
        .into_iter()
        .map(|tensor| Named { pytorch: model.pytorch_name(&tensor.name), tensor })
        .collect()
}

pub(super) struct Named {
    /// The name in PyTorch.
    pub(super) pytorch: String,
    /// The tensor, under its name here.
    pub(super) tensor: burn_pack::Tensor,
}

/// `name` with what comes for its number: `blocks.2.bn1` with `blocks.` replaced by "block3." becomes
/// `block3.bn1`.
pub(crate) fn renumber(name: &str, list: &str, with: impl Fn(usize) -> String) -> String {
    let numbered = name.strip_prefix(list).and_then(|rest| rest.split_once('.'));
    match numbered.and_then(|(number, rest)| Some((number.parse().ok()?, rest))) {
        Some((number, rest)) => with(number) + rest,
        None => name.into(),
    }
}
