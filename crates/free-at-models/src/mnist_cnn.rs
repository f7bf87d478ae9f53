//! The MNIST network of "Fast is better than free".

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Linear, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use free_at_core::{Classifier, Error};
use free_at_nn::{Conv2d, Conv2dConfig};

use crate::boxes::bounded;
use crate::error::{must, sizes};
use crate::flow::{Images, Rows};
use crate::init::{Init, Start};
use crate::shape_trace::ShapeTrace;
use crate::{ModelError, PyTorchNames, Summarize, Summary};

/// Channels after the first and the second convolution.
const CHANNELS: [usize; 2] = [16, 32];
/// Width of the hidden linear layer.
const HIDDEN: usize = 100;

/// Configuration of [`MnistCnn`].
#[derive(Config, Debug, PartialEq, Eq)]
pub struct MnistCnnConfig {
    /// Number of classes.
    pub classes: usize,
    /// Channels of an image. Default: 1.
    #[config(default = 1)]
    pub channels: usize,
    /// Height and width of an image. Default: 28 by 28.
    #[config(default = "[28, 28]")]
    pub image: [usize; 2],
    /// The seed of the initial weights. Default: 0.
    #[config(default = 0)]
    pub seed: u64,
}

impl MnistCnnConfig {
    /// Refuses what [`init`](Self::init) would.
    ///
    /// # Errors
    /// [`ModelError::Parameter`] for a size that is not from 1 to 65,536, and an image lower or narrower than 4.
    pub fn check(&self) -> Result<(), ModelError> {
        let model = "MnistCnn";
        let [height, width] = self.image;
        sizes(
            model,
            &[
                ("classes", self.classes),
                ("channels", self.channels),
                ("image", height),
                ("image", width),
            ],
        )?;
        match self.image.iter().all(|size| *size >= 4) {
            true => Ok(()),
            false => Err(ModelError::Parameter {
                model,
                parameter: "image",
                allowed: "at least 4 by 4",
                found: format!("{} by {}", self.image[0], self.image[1]),
            }),
        }
    }

    /// The network on `device`, with initial weights as PyTorch's defaults.
    ///
    /// # Panics
    /// For what [`check`](Self::check) refuses.
    pub fn init(&self, device: &Device) -> MnistCnn {
        must(self.check());
        let mut init = Init::new(self.seed, device);
        let mut conv = |channels| {
            let config = Conv2dConfig::new(channels, [4, 4])
                .with_stride([2, 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
            init.conv_of(config, Start::PyTorch)
        };
        let [narrow, wide] = CHANNELS;
        let (conv1, conv2) = (conv([self.channels, narrow]), conv([narrow, wide]));
        let [height, width] = self.image.map(|size| size / 2 / 2);
        MnistCnn {
            conv1,
            conv2,
            fc1: init.linear(wide * height * width, HIDDEN, Start::PyTorch),
            fc2: init.linear(HIDDEN, self.classes, Start::PyTorch),
        }
    }
}

/// Two 4×4 convolutions with stride 2, of 16 and 32 channels, and linear layers of 100 and of one unit
/// per class: the MNIST network of Wong et al., "Fast is better than free" (ICLR 2020), in
/// `fast_adversarial`.
///
/// Images `[n, channels, height, width]` of the size in its configuration (or any other whose height / 4
/// and width / 4, rounded down, are the same).
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use free_at_core::Classifier;
/// use free_at_models::MnistCnnConfig;
///
/// let device = Device::flex();
/// let model = MnistCnnConfig::new(10).init(&device);
/// assert_eq!(model.logits(Tensor::zeros([2, 1, 28, 28], &device)).dims(), [2, 10]);
/// ```
#[derive(Module, Debug)]
pub struct MnistCnn {
    conv1: Conv2d,
    conv2: Conv2d,
    fc1: Linear,
    fc2: Linear,
}

impl Classifier<4> for MnistCnn {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        self.fc2.forward(self.features(images))
    }

    fn check_input(&self, sample: &[usize]) -> Result<(), Error> {
        self.summary(sample).map(drop)
    }

    fn smallest_batch(&self, sample: &[usize]) -> usize {
        self.summary(sample).map_or(1, |summary| summary.smallest_batch)
    }
}

bounded!(MnistCnn, fc2);

impl MnistCnn {
    fn features<F: Images>(&self, images: F) -> F::Rows {
        let x = images.conv(&self.conv1).rising(relu).conv(&self.conv2).rising(relu);
        x.rows(|x| x.flatten(1, 3)).linear(&self.fc1).rising(relu)
    }
}

impl Summarize for MnistCnn {
    fn summary(&self, sample: &[usize]) -> Result<Summary, Error> {
        let channels = self.conv1.weight.shape()[1];
        let mut trace = ShapeTrace::of_images("MnistCnn".into(), sample, channels)?;
        trace.conv(&self.conv1)?;
        trace.part("conv1");
        trace.conv(&self.conv2)?;
        trace.part("conv2");
        trace.flatten();
        trace.linear(&self.fc1)?;
        trace.part("fc1");
        trace.linear(&self.fc2)?;
        trace.part("fc2");
        Ok(trace.finish())
    }
}

/// `fast_adversarial`'s, where it is an `nn.Sequential`.
impl PyTorchNames for MnistCnn {
    fn pytorch_name(&self, name: &str) -> String {
        ["conv1.", "0.", "conv2.", "2.", "fc1.", "5.", "fc2.", "7."]
            .chunks(2)
            .fold(name.into(), |name: String, pair| name.replace(pair[0], pair[1]))
    }
}
