//! Normalisation as a layer.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

/// Mean and standard deviation of each channel, in the inputs' unit.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use free_at_models::NormalizeConfig;
///
/// let device = Device::flex();
/// let layer = NormalizeConfig::new(vec![0.5], vec![0.25]).init(&device);
/// let images = Tensor::<4>::ones([2, 1, 8, 8], &device);
/// assert_eq!(layer.forward(images).max().into_scalar::<f32>(), 2.0);
/// ```
#[derive(Config, Debug)]
pub struct NormalizeConfig {
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel, above 0.
    pub std: Vec<f32>,
}

impl NormalizeConfig {
    /// The layer, on `device`.
    ///
    /// # Panics
    /// If there are more means than standard deviations or fewer, as Burn's layers do for a
    /// configuration that contradicts itself.
    pub fn init(&self, device: &Device) -> Normalize {
        assert_eq!(self.mean.len(), self.std.len(), "one mean and one std per channel");
        let channels = [1, self.mean.len(), 1, 1];
        let on_device =
            |values: Vec<f32>| Tensor::from_data(TensorData::new(values, channels), device);
        let scale: Vec<f32> = self.std.iter().map(|std| 1.0 / std).collect();
        let shift = self.mean.iter().zip(&scale).map(|(mean, scale)| -mean * scale).collect();
        Normalize { scale: on_device(scale), shift: on_device(shift) }
    }
}

/// (x − mean) / std for each channel of images `[n, channels, height, width]`.
///
/// Made by [`NormalizeConfig`]. Not trained and not saved: it belongs to the configuration.
#[derive(Module, Debug)]
pub struct Normalize {
    scale: Tensor<4>,
    shift: Tensor<4>,
}

impl Normalize {
    /// Images `[n, channels, height, width]` to the same, normalised.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        images * self.scale.clone() + self.shift.clone()
    }
}
