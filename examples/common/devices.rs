//! Devices by name.

use burn::tensor::{Device, FloatDType};

/// A device by its name: `default`, `flex`, `cuda:1`, `wgpu`, `vulkan:0`, `metal`, `rocm`, `cpu`, of the
/// backends that were compiled in, or `remote:ws://host:port` of a `serve_device` elsewhere.
///
/// # Errors
/// A name that is none, and a server that does not answer.
pub fn parse(name: &str) -> Result<Device, Box<dyn std::error::Error>> {
    let (kind, rest) = name.split_once(':').unwrap_or((name, ""));
    if kind == "remote" {
        return remote(rest);
    }
    let index: usize = match rest {
        "" => 0,
        number => number.parse().map_err(|_| {
            format!("a device's index must be a number, found `{number}` in {name}")
        })?,
    };
    let _ = index; // flex has none
    match kind {
        "default" => Ok(Device::default()),
        #[cfg(feature = "flex")]
        "flex" => Ok(Device::flex()),
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(index)),
        #[cfg(feature = "rocm")]
        "rocm" => Ok(Device::rocm(index)),
        #[cfg(feature = "wgpu")]
        "wgpu" => Ok(Device::wgpu(gpu(rest, index))),
        #[cfg(feature = "vulkan")]
        "vulkan" => Ok(Device::vulkan(gpu(rest, index))),
        #[cfg(feature = "metal")]
        "metal" => Ok(Device::metal(gpu(rest, index))),
        #[cfg(feature = "cpu")]
        "cpu" => Ok(Device::cpu()),
        _ => Err(format!(
            "{name} is no device: expected default, flex, cuda:0, rocm:0, wgpu:0, vulkan:0, metal:0, cpu \
             (if the example was built with `--features` of that name) or remote:ws://host:port"
        )
        .into()),
    }
}

/// The best one, unless one is named.
#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
fn gpu(named: &str, index: usize) -> burn::tensor::DeviceKind {
    match named {
        "" => burn::tensor::DeviceKind::DefaultDevice,
        _ => burn::tensor::DeviceKind::DiscreteGpu(index),
    }
}

#[cfg(feature = "remote")]
fn remote(address: &str) -> Result<Device, Box<dyn std::error::Error>> {
    let host = burn::remote::RemoteHost::websocket(address);
    let device = Device::remote_options(&host).init();
    Ok(device.map_err(|error| format!("no device at {address}: {error}"))?)
}

#[cfg(not(feature = "remote"))]
fn remote(address: &str) -> Result<Device, Box<dyn std::error::Error>> {
    Err(format!("{address}: build the example with `--features remote` for remote devices").into())
}

/// Makes a type of float the one that models and batches on the device have. To be called before
/// anything is made on it.
///
/// # Errors
/// A type that the device does not compute in.
pub fn with_precision(
    mut device: Device,
    name: &str,
) -> Result<Device, Box<dyn std::error::Error>> {
    let float = match name {
        "f32" => return Ok(device), // every device's default
        "f16" => FloatDType::F16,
        "bf16" => FloatDType::BF16,
        _ => return Err(format!("the precision must be f32, f16 or bf16, found {name}").into()),
    };
    if !device.supports_dtype(float) {
        return Err(format!("{device:?} does not compute in {name}: use f32").into());
    }
    device.configure(float)?;
    Ok(device)
}
