//! A small convolutional network for small images.

use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use free_at_core::Classifier;

use crate::{Normalize, NormalizeConfig};

/// Configuration of [`SmallCnn`].
#[derive(Config, Debug)]
pub struct SmallCnnConfig {
    /// Channels of an image.
    pub channels: usize,
    /// Number of classes.
    pub classes: usize,
    /// Channels after the first convolution; twice as many after the others. Default: 16.
    #[config(default = 16)]
    pub width: usize,
    /// Mean and standard deviation of the images. Default: 0.5 and 0.5 for each channel.
    pub normalize: Option<NormalizeConfig>,
}

impl SmallCnnConfig {
    /// The network with random weights, on `device`.
    pub fn init(&self, device: &Device) -> SmallCnn {
        let middle = || NormalizeConfig::new(vec![0.5; self.channels], vec![0.5; self.channels]);
        let (narrow, wide) = (self.width, 2 * self.width);
        SmallCnn {
            normalize: self.normalize.clone().unwrap_or_else(middle).init(device),
            first: Block::new([self.channels, narrow], 1, device),
            second: Block::new([narrow, wide], 2, device),
            third: Block::new([wide, wide], 1, device),
            output: LinearConfig::new(wide, self.classes).init(device),
        }
    }
}

/// Three 3×3 convolutions with batch norm, the second with stride 2, a global average, and one linear
/// layer: for images from 8×8 to 32×32.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use free_at_core::Classifier;
/// use free_at_models::SmallCnnConfig;
///
/// let device = Device::flex();
/// let model = SmallCnnConfig::new(1, 10).init(&device);
/// assert_eq!(model.logits(Tensor::zeros([3, 1, 8, 8], &device)).dims(), [3, 10]);
/// ```
#[derive(Module, Debug)]
pub struct SmallCnn {
    normalize: Normalize,
    first: Block,
    second: Block,
    third: Block,
    output: Linear,
}

impl Classifier<4> for SmallCnn {
    /// Images `[n, channels, height, width]` in [0, 1] to logits `[n, classes]`.
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let x = self.normalize.forward(images);
        let x = self.third.forward(self.second.forward(self.first.forward(x)));
        self.output.forward(x.flatten::<3>(2, 3).mean_dim(2).squeeze_dim(2))
    }
}

/// Convolution, batch norm, ReLU.
#[derive(Module, Debug)]
struct Block {
    conv: Conv2d,
    norm: BatchNorm,
}

impl Block {
    fn new([from, to]: [usize; 2], stride: usize, device: &Device) -> Self {
        let conv = Conv2dConfig::new([from, to], [3, 3])
            .with_stride([stride; 2])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
            .with_bias(false) // batch norm has one
            .init(device);
        Self { conv, norm: BatchNormConfig::new(to).init(device) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        relu(self.norm.forward(self.conv.forward(x)))
    }
}
