//! ResNet.

use burn::config::Config;
use burn::module::Module;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, Initializer, Linear, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use free_at_core::{Classifier, Error};
use free_at_nn::{Activation, Conv2d};

use crate::boxes::bounded;
use crate::error::{must, sizes};
use crate::flow::Images;
use crate::init::{Init, Start};
use crate::layers::{global_average, layout, stages};
use crate::shape_trace::ShapeTrace;
use crate::weights::renumber;
use crate::{ModelError, PyTorchNames, Summarize, Summary};

/// What a [`ResNet`] does to an image first.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Stem {
    /// 7×7 convolution with stride 2 and 3×3 max-pool with stride 2: for images of 224×224.
    ImageNet,
    /// 3×3 convolution: for images of 32×32.
    Cifar,
}

/// Configuration of [`ResNet`].
#[derive(Config, Debug, PartialEq, Eq)]
pub struct ResNetConfig {
    /// Blocks in each of the four stages; the first keeps the size, each other one halves it.
    pub blocks: [usize; 4],
    /// Whether blocks are bottlenecks (1×1, 3×3 with the stride, 1×1, four times `width` channels out)
    /// instead of two 3×3 convolutions.
    pub bottleneck: bool,
    /// Number of classes.
    pub classes: usize,
    /// Channels of an image. Default: 3.
    #[config(default = 3)]
    pub channels: usize,
    /// Channels inside the blocks of the first stage; twice as many in each next one. Default: 64.
    #[config(default = 64)]
    pub width: usize,
    /// What comes before the blocks. Default: [`Stem::ImageNet`].
    #[config(default = "Stem::ImageNet")]
    pub stem: Stem,
    /// Whether the last γ of each block starts at 0, so that it starts as the identity (Goyal et al.
    /// 2017). Default: no, as in torchvision.
    #[config(default = false)]
    pub zero_init_residual: bool,
    /// The seed of the initial weights. Default: 0.
    #[config(default = 0)]
    pub seed: u64,
}

impl ResNetConfig {
    /// ResNet-18.
    pub fn resnet18(classes: usize) -> Self {
        Self::new([2, 2, 2, 2], false, classes)
    }

    /// ResNet-34.
    pub fn resnet34(classes: usize) -> Self {
        Self::new([3, 4, 6, 3], false, classes)
    }

    /// ResNet-50.
    pub fn resnet50(classes: usize) -> Self {
        Self::new([3, 4, 6, 3], true, classes)
    }

    /// ResNet-101.
    pub fn resnet101(classes: usize) -> Self {
        Self::new([3, 4, 23, 3], true, classes)
    }

    /// ResNet-152.
    pub fn resnet152(classes: usize) -> Self {
        Self::new([3, 8, 36, 3], true, classes)
    }

    /// Refuses what [`init`](Self::init) would.
    ///
    /// # Errors
    /// [`ModelError::Parameter`] for a size that is not from 1 to 65,536.
    pub fn check(&self) -> Result<(), ModelError> {
        let others =
            [("classes", self.classes), ("channels", self.channels), ("width", self.width)];
        sizes("ResNet", &self.blocks.map(|blocks| ("blocks", blocks)))?;
        sizes("ResNet", &others)
    }

    /// The network on `device`, with initial weights as torchvision draws them: convolutions Kaiming
    /// normal over the fan-out, γ = 1, β = 0, the linear layer PyTorch's default.
    ///
    /// # Panics
    /// For what [`check`](Self::check) refuses.
    pub fn init(&self, device: &Device) -> ResNet {
        must(self.check());
        let mut init = Init::new(self.seed, device);
        let (kernel, stride) = match self.stem {
            Stem::ImageNet => (7, 2),
            Stem::Cifar => (3, 1),
        };
        let conv1 = init.conv([self.channels, self.width], kernel, stride, Start::KaimingFanOut);
        let bn1 = init.norm(self.width);
        let (layers, to) = stages(self.blocks, self.width, self.width, |from, width, stride| {
            Block::new(from, width, stride, self, &mut init)
        });
        ResNet {
            conv1,
            bn1,
            pool: (self.stem == Stem::ImageNet).then(|| {
                MaxPool2dConfig::new([3, 3])
                    .with_strides([2, 2])
                    .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                    .init()
            }),
            layers,
            fc: init.linear(to, self.classes, Start::PyTorch),
        }
    }
}

/// ResNet (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016) as torchvision has it.
///
/// Images `[n, channels, height, width]` of any size; the last stage sees 1/32 of height and width with the
/// ImageNet stem, 1/8 with the CIFAR stem, rounded up.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use free_at_core::Classifier;
/// use free_at_models::{ResNetConfig, Stem};
///
/// let device = Device::flex();
/// let model = ResNetConfig::resnet18(10).with_stem(Stem::Cifar).with_width(8).init(&device);
/// assert_eq!(model.logits(Tensor::zeros([2, 3, 32, 32], &device)).dims(), [2, 10]);
/// ```
#[derive(Module, Debug)]
pub struct ResNet {
    conv1: Conv2d,
    bn1: BatchNorm,
    pool: Option<MaxPool2d>,
    layers: [Vec<Block>; 4],
    fc: Linear,
}

impl Classifier<4> for ResNet {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        self.fc.forward(self.features(images))
    }

    fn check_input(&self, sample: &[usize]) -> Result<(), Error> {
        self.summary(sample).map(drop)
    }

    fn smallest_batch(&self, sample: &[usize]) -> usize {
        self.summary(sample).map_or(1, |summary| summary.smallest_batch)
    }
}

bounded!(ResNet, fc);

impl ResNet {
    fn features<F: Images>(&self, images: F) -> F::Rows {
        let mut x = images.conv(&self.conv1).batch_norm(&self.bn1, Activation::Relu);
        if let Some(pool) = &self.pool {
            x = x.rising(|x| pool.forward(x));
        }
        let x = self.layers.iter().flatten().fold(x, |x, block| block.forward(x));
        x.rows(global_average)
    }
}

impl Summarize for ResNet {
    fn summary(&self, sample: &[usize]) -> Result<Summary, Error> {
        let convolutions: usize = self.layers.iter().flatten().map(Block::convolutions).sum();
        let name = format!("ResNet-{}", convolutions + 2);
        let mut trace = ShapeTrace::of_images(name, sample, self.conv1.weight.shape()[1])?;
        trace.conv(&self.conv1)?;
        trace.norm(&self.bn1);
        if let Some(pool) = &self.pool {
            trace.window(pool.kernel_size, pool.stride, &pool.padding)?;
        }
        trace.part("conv1");
        trace.stages("layer", &self.layers, Block::write)?;
        trace.head("fc", &self.fc)
    }
}

/// torchvision's names; those of kuangliu's and RobustBench's ResNet are read too.
impl PyTorchNames for ResNet {
    fn pytorch_name(&self, name: &str) -> String {
        renumber(name, "layers.", |stage| format!("layer{}.", stage + 1))
    }

    fn resolve_alias(&self, name: &str) -> String {
        let name = name.replace(".shortcut.", ".downsample.");
        match name.strip_prefix("linear.") {
            Some(parameter) => format!("fc.{parameter}"),
            None => name,
        }
    }
}

/// Two 3×3 convolutions, or three of 1×1, 3×3 and 1×1, beside a shortcut.
#[derive(Module, Debug)]
struct Block {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    conv3: Option<Conv2d>,
    bn3: Option<BatchNorm>,
    downsample: Option<(Conv2d, BatchNorm)>,
}

impl Block {
    /// The block, and the number of its output channels.
    fn new(
        from: usize,
        width: usize,
        stride: usize,
        config: &ResNetConfig,
        init: &mut Init,
    ) -> (Self, usize) {
        let start = Start::KaimingFanOut;
        let ([first, second], to) = layout(config.bottleneck, width, stride);
        let mut block = Self {
            conv1: init.conv([from, width], first.0, first.1, start),
            bn1: init.norm(width),
            conv2: init.conv([width, width], second.0, second.1, start),
            bn2: init.norm(width),
            conv3: config.bottleneck.then(|| init.conv([width, to], 1, 1, start)),
            bn3: config.bottleneck.then(|| init.norm(to)),
            downsample: (stride != 1 || from != to)
                .then(|| (init.conv([from, to], 1, stride, start), init.norm(to))),
        };
        if config.zero_init_residual {
            let last = block.bn3.as_mut().unwrap_or(&mut block.bn2);
            last.gamma = Initializer::Zeros.init([to], init.device());
        }
        (block, to)
    }

    fn forward<F: Images>(&self, x: F) -> F {
        let y = x.clone().conv(&self.conv1).batch_norm(&self.bn1, Activation::Relu);
        let y = y.conv(&self.conv2);
        let y = match (&self.conv3, &self.bn3) {
            (Some(conv3), Some(bn3)) => {
                let y = y.batch_norm(&self.bn2, Activation::Relu).conv(conv3);
                y.batch_norm(bn3, Activation::Identity)
            }
            _ => y.batch_norm(&self.bn2, Activation::Identity),
        };
        let shortcut = match &self.downsample {
            Some((conv, norm)) => x.conv(conv).batch_norm(norm, Activation::Identity),
            None => x,
        };
        y.plus(shortcut).rising(relu)
    }

    fn convolutions(&self) -> usize {
        2 + usize::from(self.conv3.is_some())
    }

    fn write(&self, trace: &mut ShapeTrace) -> Result<(), Error> {
        let trunk = trace.shape();
        trace.conv(&self.conv1)?;
        trace.norm(&self.bn1);
        trace.conv(&self.conv2)?;
        trace.norm(&self.bn2);
        if let (Some(conv3), Some(bn3)) = (&self.conv3, &self.bn3) {
            trace.conv(conv3)?;
            trace.norm(bn3);
        }
        trace.shortcut(trunk, |trace| {
            if let Some((conv, norm)) = &self.downsample {
                trace.conv(conv)?;
                trace.norm(norm);
            }
            Ok(())
        })
    }
}
