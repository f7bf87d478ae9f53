//! The normalisation that some files keep beside the weights.

use std::path::Path;

use burn::store::{bridge, burn_pack};

use super::state_dict::unwrapped;
use crate::{ModelError, NormalizeConfig};

/// What mean and standard deviation are called: by RobustBench's models, by robustness (outside its attacker
/// and inside), and by RobustBench's layer before a model of timm.
const NAMES: [[&str; 2]; 4] = [
    ["mu", "sigma"],
    ["normalizer.new_mean", "normalizer.new_std"],
    ["normalize.new_mean", "normalize.new_std"],
    ["normalize.mean", "normalize.std"],
];
/// The most channels: more is something else.
const CHANNELS: usize = 1 << 16;

/// Mean and standard deviation in a file.
pub(super) struct Found<'a> {
    mean: (&'a str, &'a burn_pack::Tensor),
    std: (&'a str, &'a burn_pack::Tensor),
}

/// The normalisation that is among these tensors.
pub(super) fn among<'a>(
    tensors: impl Iterator<Item = (&'a String, &'a burn_pack::Tensor)>,
) -> Option<Found<'a>> {
    let tensors: Vec<(&'a str, &'a burn_pack::Tensor)> = tensors
        .filter(|(_, tensor)| is_per_channel(tensor))
        .map(|(name, tensor)| (name.as_str(), tensor))
        .collect();
    let named = |wanted: &str| {
        let is_it = |name: &str| unwrapped(name).any(|rest| rest == wanted);
        tensors.iter().copied().find(|(name, _)| is_it(name))
    };
    NAMES.iter().find_map(|[mean, std]| {
        let found = Found { mean: named(mean)?, std: named(std)? };
        (found.mean.1.shape == found.std.1.shape).then_some(found)
    })
}

/// Whether it is floats along one dimension: `[3]`, `[3, 1, 1]`, `[1, 3, 1, 1]`.
fn is_per_channel(tensor: &burn_pack::Tensor) -> bool {
    let shape = tensor.shape.as_slice();
    let along = shape.iter().filter(|size| **size != 1).count();
    tensor.dtype.is_float() && along <= 1 && shape.iter().all(|size| (1..=CHANNELS).contains(size))
}

impl Found<'_> {
    /// The names in the file.
    pub(super) fn names(&self) -> [String; 2] {
        [self.mean.0.into(), self.std.0.into()]
    }

    /// The numbers.
    pub(super) fn read(&self, path: &Path) -> Result<NormalizeConfig, ModelError> {
        let read = |tensor: &burn_pack::Tensor| -> Result<Vec<f32>, ModelError> {
            let data = bridge::to_data(tensor).map_err(|error| ModelError::damaged(path, error))?;
            Ok(data.iter::<f32>().collect())
        };
        let (mean, std) = (read(self.mean.1)?, read(self.std.1)?);
        let is_broken = |values: &[f32]| values.iter().any(|value| !value.is_finite());
        let tensors = [(self.mean.0, is_broken(&mean)), (self.std.0, is_broken(&std))];
        let broken = tensors.into_iter().filter(|(_, broken)| *broken);
        let broken: Vec<String> = broken.map(|(name, _)| name.into()).collect();
        if !broken.is_empty() {
            return Err(ModelError::NotFinite {
                path: path.display().to_string(),
                tensors: broken,
            });
        }
        let config = NormalizeConfig::new(mean, std);
        config
            .check()
            .map_err(|error| ModelError::damaged(path, format!("{}: {error}", self.std.0)))?;
        Ok(config)
    }
}
