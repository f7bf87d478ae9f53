//! Standardisation of each image by itself.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;

use crate::ModelError;
use crate::error::must;

/// Configuration of [`PerImageStandardize`].
#[derive(Config, Debug, Copy, PartialEq)]
pub struct PerImageStandardizeConfig {
    /// The value of white where the floor of the standard deviation is 1/√N. Default: 255, since
    /// TensorFlow standardises images in [0, 255]; ours are in [0, 1]. Finite and above 0.
    #[config(default = 255.0)]
    pub white: f64,
}

impl PerImageStandardizeConfig {
    /// Refuses what [`init`](Self::init) would.
    ///
    /// # Errors
    /// [`ModelError::Parameter`] for a white that is not finite and above 0.
    pub fn check(&self) -> Result<(), ModelError> {
        match self.white.is_finite() && self.white > 0.0 {
            true => Ok(()),
            false => Err(ModelError::Parameter {
                model: "PerImageStandardize",
                parameter: "white",
                allowed: "finite and above 0",
                found: self.white.to_string(),
            }),
        }
    }

    /// The layer.
    ///
    /// # Panics
    /// For what [`check`](Self::check) refuses.
    pub fn init(&self) -> PerImageStandardize {
        must(self.check());
        PerImageStandardize { white: self.white }
    }
}

/// (x − mean) / max(std, 1 / (white · √N)) of all N values of each image, over its channels too.
///
/// TensorFlow's `per_image_standardization`, with which Madry's network and so the Free paper's begins.
/// The floor keeps an image of one colour finite; unlike there its gradient is finite as well.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use free_at_models::PerImageStandardizeConfig;
///
/// let layer = PerImageStandardizeConfig::new().init();
/// let images = Tensor::<4>::from_data([[[[0.2, 0.8]]]], &Device::flex());
/// let (low, high) = (layer.forward(images.clone()).min(), layer.forward(images).max());
/// assert!((low.into_scalar::<f32>() + 1.0).abs() < 1e-6);
/// assert!((high.into_scalar::<f32>() - 1.0).abs() < 1e-6);
/// ```
#[derive(Module, Debug)]
pub struct PerImageStandardize {
    white: f64,
}

impl PerImageStandardize {
    /// Images `[n, channels, height, width]` to the same, standardised.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let shape = images.dims();
        let values = shape[1] * shape[2] * shape[3];
        let flat = images.flatten::<2>(1, 3);
        let centred = flat.clone() - flat.mean_dim(1);
        let variance = centred.clone().square().mean_dim(1);
        // The floor before the root: √ has no finite derivative at 0.
        (centred / variance.clamp_min(self.floor(values)).sqrt()).reshape(shape)
    }

    /// The floor of the variance of an image of so many values.
    pub(crate) fn floor(&self, values: usize) -> f64 {
        1.0 / (self.white * self.white * values as f64)
    }
}
