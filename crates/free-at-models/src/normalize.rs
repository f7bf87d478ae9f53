//! Normalisation as a layer.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

use crate::ModelError;
use crate::error::must;

/// Mean and standard deviation of each channel, in the inputs' unit: images are in [0, 1].
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use free_at_models::NormalizeConfig;
///
/// let device = Device::flex();
/// let layer = NormalizeConfig::new(vec![0.5], vec![0.25]).init(&device);
/// let images = Tensor::<4>::ones([2, 1, 8, 8], &device);
/// assert_eq!(layer.forward(images).max().into_scalar::<f32>(), 2.0);
/// assert_eq!(NormalizeConfig::named("cifar-10"), Ok(NormalizeConfig::cifar10()));
/// ```
#[derive(Config, Debug, PartialEq)]
pub struct NormalizeConfig {
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel, above 0.
    pub std: Vec<f32>,
}

impl NormalizeConfig {
    /// CIFAR-10's training images: the values of `fast_adversarial` and of most RobustBench models.
    /// (0.2023, 0.1994, 0.2010, which older code gives as standard deviation, is the mean of the
    /// single images' deviations.)
    pub fn cifar10() -> Self {
        Self::new(vec![0.4914, 0.4822, 0.4465], vec![0.2471, 0.2435, 0.2616])
    }

    /// CIFAR-100's training images: the values of RobustBench's models, to four digits.
    pub fn cifar100() -> Self {
        Self::new(vec![0.5071, 0.4865, 0.4409], vec![0.2673, 0.2564, 0.2762])
    }

    /// ImageNet's training images, as torchvision has them.
    pub fn imagenet() -> Self {
        Self::new(vec![0.485, 0.456, 0.406], vec![0.229, 0.224, 0.225])
    }

    /// By the data set's name: `cifar-10`, `cifar-100` or `imagenet`, upper or lower case, with the
    /// hyphen or without.
    ///
    /// # Errors
    /// [`ModelError::Parameter`] for another name.
    pub fn named(data_set: &str) -> Result<Self, ModelError> {
        match data_set.to_lowercase().replace('-', "").as_str() {
            "cifar10" => Ok(Self::cifar10()),
            "cifar100" => Ok(Self::cifar100()),
            "imagenet" => Ok(Self::imagenet()),
            _ => Err(ModelError::Parameter {
                model: "Normalize",
                parameter: "data set",
                allowed: "cifar-10, cifar-100 or imagenet",
                found: data_set.into(),
            }),
        }
    }

    /// Refuses what [`init`](Self::init) would.
    ///
    /// # Errors
    /// [`ModelError::Parameter`] for means and standard deviations of different numbers, or none, or
    /// that are not finite, and for a standard deviation that is not above 0.
    pub fn check(&self) -> Result<(), ModelError> {
        let refused = |parameter, allowed, found| {
            Err(ModelError::Parameter { model: "Normalize", parameter, allowed, found })
        };
        let (means, stds) = (self.mean.len(), self.std.len());
        if means == 0 || means != stds {
            let found = format!("{means} and {stds}");
            return refused("mean and std", "one of each for every channel", found);
        }
        if let Some(mean) = self.mean.iter().find(|mean| !mean.is_finite()) {
            return refused("mean", "finite", mean.to_string());
        }
        match self.std.iter().find(|std| !(std.is_finite() && **std > 0.0)) {
            Some(std) => refused("std", "finite and above 0", std.to_string()),
            None => Ok(()),
        }
    }

    /// The layer, on `device`.
    ///
    /// # Panics
    /// For what [`check`](Self::check) refuses, as Burn's layers do for a configuration that
    /// contradicts itself.
    pub fn init(&self, device: &Device) -> Normalize {
        must(self.check());
        let on_device = |values: Vec<f32>| {
            Tensor::from_data(TensorData::new(values, [self.mean.len()]), device)
        };
        let scale: Vec<f32> = self.std.iter().map(|std| 1.0 / std).collect();
        let shift = self.mean.iter().zip(&scale).map(|(mean, scale)| -mean * scale).collect();
        Normalize { scale: on_device(scale), shift: on_device(shift) }
    }
}

/// (x − mean) / std for each channel of inputs `[n, channels, …]`.
///
/// Made by [`NormalizeConfig`]. Not trained and not saved: it belongs to the configuration.
#[derive(Module, Debug)]
pub struct Normalize {
    scale: Tensor<1>,
    shift: Tensor<1>,
}

impl Normalize {
    /// Inputs `[n, channels, …]`, images or rows, to the same, normalised.
    ///
    /// # Panics
    /// For inputs of rank 1, or of another number of channels.
    pub fn forward<const D: usize>(&self, inputs: Tensor<D>) -> Tensor<D> {
        let mut per_channel = [1; D];
        per_channel[1] = self.channels();
        inputs * self.scale.clone().reshape(per_channel) + self.shift.clone().reshape(per_channel)
    }

    /// Another one for as many channels, where this one is and in its precision.
    pub(crate) fn replaced(&self, config: &NormalizeConfig) -> Option<Self> {
        let fits = config.check().is_ok() && config.mean.len() == self.channels();
        fits.then(|| {
            let Self { scale, shift } = config.init(&self.scale.device());
            let dtype = self.scale.dtype();
            Self { scale: scale.cast(dtype), shift: shift.cast(dtype) }
        })
    }

    /// The number of channels.
    pub fn channels(&self) -> usize {
        self.scale.dims()[0]
    }
}
