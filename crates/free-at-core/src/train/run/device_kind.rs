//! Which backend a device is of, where that makes a difference.

use burn::backend::DeviceOps;
use burn::tensor::kind::Numeric;
use burn::tensor::{Device, Tensor};

/// Whether it is a device of CubeCL, the only ones that reduce tensors among themselves.
pub(crate) fn is_cube(device: &Device) -> bool {
    const CUBE: u16 = 0;
    backend(device) == CUBE
}

/// Whether it is a device of a server elsewhere.
pub(crate) fn is_remote(device: &Device) -> bool {
    const REMOTE: u16 = 10;
    backend(device) == REMOTE
}

/// A tensor as one of its own where others have clones of it that they drop while this one is read: Burn 0.22's remote
/// devices then lose the tensor.
pub(crate) fn own<K: Numeric>(tensor: &Tensor<1, K>) -> Tensor<1, K> {
    match is_remote(&tensor.device()) {
        true => tensor.clone().add_scalar(0),
        false => tensor.clone(),
    }
}

/// Whether its tensors are in the program's own memory, and reading one waits for nobody.
pub(crate) fn is_on_host(device: &Device) -> bool {
    !is_cube(device) && !is_remote(device)
}

/// The number that `burn::backend::DispatchDevice` gives the backend, in the upper half of the type id.
fn backend(device: &Device) -> u16 {
    device.as_dispatch().id().type_id >> 8
}
