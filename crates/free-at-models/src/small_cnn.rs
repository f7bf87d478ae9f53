//! The quickstart's network.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{BatchNorm, Linear};
use burn::tensor::{Device, Tensor};
use free_at_core::{Classifier, Error};
use free_at_nn::{Activation, Conv2d};

use crate::boxes::bounded;
use crate::error::{must, sizes};
use crate::flow::Images;
use crate::init::{Init, Start};
use crate::layers::global_average;
use crate::shape_trace::ShapeTrace;
use crate::{ModelError, Normalize, NormalizeConfig, PyTorchNames, Summarize, Summary};

/// Configuration of [`SmallCnn`].
#[derive(Config, Debug, PartialEq)]
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
    /// The seed of the initial weights. Default: 0.
    #[config(default = 0)]
    pub seed: u64,
}

impl SmallCnnConfig {
    /// Refuses what [`init`](Self::init) would.
    ///
    /// # Errors
    /// [`ModelError::Parameter`] for a size that is not from 1 to 65,536, and for a normalisation of
    /// another number of channels; those of [`NormalizeConfig::check`].
    pub fn check(&self) -> Result<(), ModelError> {
        sizes(
            "SmallCnn",
            &[("channels", self.channels), ("classes", self.classes), ("width", self.width)],
        )?;
        let Some(normalize) = &self.normalize else { return Ok(()) };
        normalize.check()?;
        match normalize.mean.len() == self.channels {
            true => Ok(()),
            false => Err(ModelError::Parameter {
                model: "SmallCnn",
                parameter: "normalize",
                allowed: "of as many channels as the images",
                found: normalize.mean.len().to_string(),
            }),
        }
    }

    /// The network on `device`, with initial weights as PyTorch's defaults, γ = 1, β = 0.
    ///
    /// # Panics
    /// For what [`check`](Self::check) refuses.
    pub fn init(&self, device: &Device) -> SmallCnn {
        must(self.check());
        let middle = || NormalizeConfig::new(vec![0.5; self.channels], vec![0.5; self.channels]);
        let (narrow, wide) = (self.width, 2 * self.width);
        let mut init = Init::new(self.seed, device);
        SmallCnn {
            normalize: self.normalize.clone().unwrap_or_else(middle).init(device),
            first: Block::new([self.channels, narrow], 1, &mut init),
            second: Block::new([narrow, wide], 2, &mut init),
            third: Block::new([wide, wide], 1, &mut init),
            output: init.linear(wide, self.classes, Start::PyTorch),
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
        self.output.forward(self.features(images))
    }

    fn check_input(&self, sample: &[usize]) -> Result<(), Error> {
        self.summary(sample).map(drop)
    }

    fn smallest_batch(&self, sample: &[usize]) -> usize {
        self.summary(sample).map_or(1, |summary| summary.smallest_batch)
    }
}

bounded!(SmallCnn, output);

impl SmallCnn {
    fn features<F: Images>(&self, images: F) -> F::Rows {
        let blocks = [&self.first, &self.second, &self.third];
        let x = images.normalize(&self.normalize);
        blocks.into_iter().fold(x, |x, block| block.forward(x)).rows(global_average)
    }
}

impl Summarize for SmallCnn {
    fn summary(&self, sample: &[usize]) -> Result<Summary, Error> {
        let mut trace =
            ShapeTrace::of_images("SmallCnn".into(), sample, self.normalize.channels())?;
        for (name, block) in
            [("first", &self.first), ("second", &self.second), ("third", &self.third)]
        {
            trace.conv(&block.conv)?;
            trace.norm(&block.norm);
            trace.part(name);
        }
        trace.head("output", &self.output)
    }
}

/// Its own.
impl PyTorchNames for SmallCnn {}

/// Convolution, batch norm, ReLU.
#[derive(Module, Debug)]
struct Block {
    conv: Conv2d,
    norm: BatchNorm,
}

impl Block {
    fn new(channels: [usize; 2], stride: usize, init: &mut Init) -> Self {
        let conv = init.conv(channels, 3, stride, Start::PyTorch);
        Self { conv, norm: init.norm(channels[1]) }
    }

    fn forward<F: Images>(&self, x: F) -> F {
        x.conv(&self.conv).batch_norm(&self.norm, Activation::Relu)
    }
}
