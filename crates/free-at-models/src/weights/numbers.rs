//! Numbers that no network computes with.

use std::path::Path;

use burn::store::{bridge, burn_pack};

use crate::ModelError;

/// The running variances of batch norm.
const VARIANCE: &str = "running_var";

/// Refuses weights that are not finite, and variances below 0, which would make a network answer NaN. The tensors
/// have the network's float type, in which large numbers may have become infinite.
pub(super) fn check(
    path: &Path,
    tensors: &[(String, burn_pack::Tensor)],
) -> Result<(), ModelError> {
    let (mut infinite, mut negative) = (Vec::new(), Vec::new());
    for (name, tensor) in tensors.iter().filter(|(_, tensor)| tensor.dtype.is_float()) {
        let data = bridge::to_data(tensor).map_err(|error| ModelError::damaged(path, error))?;
        if data.iter::<f64>().any(|value| !value.is_finite()) {
            infinite.push(name.clone());
        } else if name.ends_with(VARIANCE) && data.iter::<f64>().any(|value| value < 0.0) {
            negative.push(name.clone());
        }
    }
    let path = path.display().to_string();
    if !infinite.is_empty() {
        return Err(ModelError::NotFinite { path, tensors: infinite });
    }
    if !negative.is_empty() {
        return Err(ModelError::NegativeVariance { path, tensors: negative });
    }
    Ok(())
}
