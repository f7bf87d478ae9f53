//! A file's tensors, each in its place in a network.

use std::collections::{BTreeMap, BTreeSet};

use burn::store::{FloatCastAdapter, ModuleAdapter, ModuleContext, burn_pack};

use super::names::{Named, PyTorchNames, named};
use super::state_dict::{Tensors, unwrapped};
use crate::error::{Mismatch, WrongShape};

/// The counter of PyTorch's batch norm, which nothing here uses.
const COUNTER: &str = "num_batches_tracked";
/// What every batch norm has.
const RUNNING_MEAN: &str = "running_mean";

/// How a file fits a network.
pub(super) struct Fit {
    /// The network's names in PyTorch.
    pub(super) known: BTreeSet<String>,
    /// The file's tensors that have a place, by those names: as they are there.
    pub(super) placed: Vec<(String, burn_pack::Tensor)>,
    /// All else.
    pub(super) mismatch: Mismatch,
}

impl Fit {
    /// The same of a network that keeps its own tensors whose names begin with one of `kept`.
    pub(super) fn of<M: PyTorchNames>(tensors: &Tensors, model: &M, kept: &[String]) -> Self {
        let mut mismatch = Mismatch::default();
        let mut expected = BTreeMap::new();
        for Named { pytorch, tensor } in named(model) {
            if expected.insert(pytorch.clone(), tensor).is_some() {
                mismatch.missing.push(format!("{pytorch} (the name of two tensors)"));
            }
        }
        let known: BTreeSet<String> = expected.keys().cloned().collect();
        let mut placed = Vec::with_capacity(known.len());
        for (name, tensor) in tensors {
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
                Some((name, place)) => placed.push((name, fitted(tensor, place))),
                None if name.ends_with(COUNTER) => {}
                None => mismatch.unused.push(name.clone()),
            }
        }
        let kept = |name: &String| kept.iter().any(|prefix| name.starts_with(prefix));
        mismatch.missing.extend(expected.into_keys().filter(|name| !kept(name)));
        Self { known, placed, mismatch }
    }

    /// Whether the file has none of the network's batch norms, but biases for its convolutions, which took them in.
    pub(super) fn is_fused<M: PyTorchNames>(&self, model: &M) -> bool {
        let is_norm = |name: &&String| name.ends_with(RUNNING_MEAN);
        let all = self.known.iter().filter(is_norm).count();
        let missing = self.mismatch.missing.iter().filter(is_norm).count();
        let is_known =
            |layer: &str| self.known.contains(&model.resolve_alias(&format!("{layer}.weight")));
        // `fuse_modules` puts a convolution and its ReLU into a list: `conv1.0`.
        let is_bias = |name: &str| {
            name.strip_suffix(".bias").is_some_and(|layer| {
                is_known(layer) || layer.strip_suffix(".0").is_some_and(is_known)
            })
        };
        let has_bias = |name: &String| unwrapped(name).any(is_bias);
        all > 0 && missing == all && self.mismatch.unused.iter().any(has_bias)
    }
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
