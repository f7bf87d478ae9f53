//! Which backend a device is of, where that makes a difference.

use burn::backend::DeviceOps;
use burn::tensor::Device;

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

/// The number that `burn::backend::DispatchDevice` gives the backend, in the upper half of the type id.
fn backend(device: &Device) -> u16 {
    device.as_dispatch().id().type_id >> 8
}
