//! ResNet with pre-activation.

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
use crate::layers::{global_average, layout, stages};
use crate::shape_trace::ShapeTrace;
use crate::weights::renumber;
use crate::{ModelError, PyTorchNames, Summarize, Summary};

/// Configuration of [`PreActResNet`].
#[derive(Config, Debug, PartialEq, Eq)]
pub struct PreActResNetConfig {
    /// Blocks in each of the four stages; the first keeps the size, each other one halves it.
    pub blocks: [usize; 4],
    /// Whether blocks are bottlenecks (1×1, 3×3 with the stride, 1×1, four times `width` channels out)
    /// instead of two 3×3 convolutions.
    pub bottleneck: bool,
    /// Number of classes.
    pub classes: usize,
    /// Whether in blocks of two 3×3 a shortcut with a convolution starts from the block's activated
    /// input, as in RobustBench's `PreActBlockV2` and with its `out_shortcut`. Default: no, as in
    /// `fast_adversarial`. Weights do not show which they were trained for. In bottlenecks it always does.
    #[config(default = false)]
    pub activated_shortcut: bool,
    /// Channels of an image. Default: 3.
    #[config(default = 3)]
    pub channels: usize,
    /// Channels inside the blocks of the first stage; twice as many in each next one. Default: 64.
    #[config(default = 64)]
    pub width: usize,
    /// Whether a batch norm and a ReLU come before the average: `bn_before_fc` in RobustBench, where
    /// older models are without. Default: yes, as in `fast_adversarial`.
    #[config(default = true)]
    pub final_norm: bool,
    /// The seed of the initial weights. Default: 0.
    #[config(default = 0)]
    pub seed: u64,
}

impl PreActResNetConfig {
    /// PreActResNet-18.
    pub fn preact_resnet18(classes: usize) -> Self {
        Self::new([2, 2, 2, 2], false, classes)
    }

    /// PreActResNet-34.
    pub fn preact_resnet34(classes: usize) -> Self {
        Self::new([3, 4, 6, 3], false, classes)
    }

    /// PreActResNet-50.
    pub fn preact_resnet50(classes: usize) -> Self {
        Self::new([3, 4, 6, 3], true, classes)
    }

    /// Refuses what [`init`](Self::init) would.
    ///
    /// # Errors
    /// [`ModelError::Parameter`] for a size that is not from 1 to 65,536.
    pub fn check(&self) -> Result<(), ModelError> {
        let others =
            [("classes", self.classes), ("channels", self.channels), ("width", self.width)];
        sizes("PreActResNet", &self.blocks.map(|blocks| ("blocks", blocks)))?;
        sizes("PreActResNet", &others)
    }

    /// The network on `device`, with initial weights as `fast_adversarial` leaves them: PyTorch's
    /// defaults, γ = 1, β = 0.
    ///
    /// # Panics
    /// For what [`check`](Self::check) refuses.
    pub fn init(&self, device: &Device) -> PreActResNet {
        must(self.check());
        let mut init = Init::new(self.seed, device);
        let conv1 = init.conv([self.channels, self.width], 3, 1, Start::PyTorch);
        let (layers, to) = stages(self.blocks, self.width, self.width, |from, width, stride| {
            Block::new(from, width, stride, self, &mut init)
        });
        PreActResNet {
            conv1,
            layers,
            bn: self.final_norm.then(|| init.norm(to)),
            linear: init.linear(to, self.classes, Start::PyTorch),
        }
    }
}

/// PreActResNet (He et al., "Identity Mappings in Deep Residual Networks", ECCV 2016) for small images,
/// as `fast_adversarial` and RobustBench have it.
///
/// Images `[n, channels, height, width]` of any size; the last stage sees an eighth of it.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use free_at_core::Classifier;
/// use free_at_models::PreActResNetConfig;
///
/// let device = Device::flex();
/// let model = PreActResNetConfig::preact_resnet18(10).with_width(8).init(&device);
/// assert_eq!(model.logits(Tensor::zeros([2, 3, 32, 32], &device)).dims(), [2, 10]);
/// ```
#[derive(Module, Debug)]
pub struct PreActResNet {
    conv1: Conv2d,
    layers: [Vec<Block>; 4],
    bn: Option<BatchNorm>,
    linear: Linear,
}

impl Classifier<4> for PreActResNet {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        self.linear.forward(self.features(images))
    }

    fn check_input(&self, sample: &[usize]) -> Result<(), Error> {
        self.summary(sample).map(drop)
    }

    fn smallest_batch(&self, sample: &[usize]) -> usize {
        self.summary(sample).map_or(1, |summary| summary.smallest_batch)
    }
}

bounded!(PreActResNet, linear);

impl PreActResNet {
    fn features<F: Images>(&self, images: F) -> F::Rows {
        let x = images.conv(&self.conv1);
        let x = self.layers.iter().flatten().fold(x, |x, block| block.forward(x));
        let x = match &self.bn {
            Some(bn) => x.batch_norm(bn, Activation::Relu),
            None => x,
        };
        x.rows(global_average)
    }
}

impl Summarize for PreActResNet {
    fn summary(&self, sample: &[usize]) -> Result<Summary, Error> {
        let convolutions: usize = self.layers.iter().flatten().map(Block::convolutions).sum();
        let name = format!("PreActResNet-{}", convolutions + 2);
        let mut trace = ShapeTrace::of_images(name, sample, self.conv1.weight.shape()[1])?;
        trace.conv(&self.conv1)?;
        trace.part("conv1");
        trace.stages("layer", &self.layers, Block::write)?;
        if let Some(bn) = &self.bn {
            trace.norm(bn);
            trace.part("bn");
        }
        trace.head("linear", &self.linear)
    }
}

/// The names of `fast_adversarial` and RobustBench.
impl PyTorchNames for PreActResNet {
    fn pytorch_name(&self, name: &str) -> String {
        renumber(name, "layers.", |stage| format!("layer{}.", stage + 1))
            .replace(".shortcut.", ".shortcut.0.")
    }
}

/// Norm, ReLU and convolution, twice or three times, beside a shortcut.
#[derive(Module, Debug)]
struct Block {
    bn1: BatchNorm,
    conv1: Conv2d,
    bn2: BatchNorm,
    conv2: Conv2d,
    bn3: Option<BatchNorm>,
    conv3: Option<Conv2d>,
    shortcut: Option<Conv2d>,
    activated_shortcut: bool,
}

impl Block {
    /// The block, and the number of its output channels.
    fn new(
        from: usize,
        width: usize,
        stride: usize,
        config: &PreActResNetConfig,
        init: &mut Init,
    ) -> (Self, usize) {
        let start = Start::PyTorch;
        let ([first, second], to) = layout(config.bottleneck, width, stride);
        let block = Self {
            bn1: init.norm(from),
            conv1: init.conv([from, width], first.0, first.1, start),
            bn2: init.norm(width),
            conv2: init.conv([width, width], second.0, second.1, start),
            bn3: config.bottleneck.then(|| init.norm(width)),
            conv3: config.bottleneck.then(|| init.conv([width, to], 1, 1, start)),
            shortcut: (stride != 1 || from != to).then(|| init.conv([from, to], 1, stride, start)),
            activated_shortcut: config.bottleneck || config.activated_shortcut,
        };
        (block, to)
    }

    fn forward<F: Images>(&self, x: F) -> F {
        let activated = x.clone().batch_norm(&self.bn1, Activation::Relu);
        let shortcut = match &self.shortcut {
            Some(conv) if self.activated_shortcut => activated.clone().conv(conv),
            Some(conv) => x.conv(conv),
            None => x,
        };
        let y = activated.conv(&self.conv1);
        let y = y.batch_norm(&self.bn2, Activation::Relu).conv(&self.conv2);
        let y = match (&self.bn3, &self.conv3) {
            (Some(bn3), Some(conv3)) => y.batch_norm(bn3, Activation::Relu).conv(conv3),
            _ => y,
        };
        y.plus(shortcut)
    }

    fn convolutions(&self) -> usize {
        2 + usize::from(self.conv3.is_some())
    }

    fn write(&self, trace: &mut ShapeTrace) -> Result<(), Error> {
        let trunk = trace.shape();
        trace.norm(&self.bn1);
        trace.conv(&self.conv1)?;
        trace.norm(&self.bn2);
        trace.conv(&self.conv2)?;
        if let (Some(bn3), Some(conv3)) = (&self.bn3, &self.conv3) {
            trace.norm(bn3);
            trace.conv(conv3)?;
        }
        trace.shortcut(trunk, |trace| self.shortcut.iter().try_for_each(|conv| trace.conv(conv)))
    }
}
