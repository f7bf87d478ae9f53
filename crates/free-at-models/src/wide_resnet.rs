//! WideResNet.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{BatchNorm, Dropout, DropoutConfig, Linear};
use burn::tensor::{Device, Tensor};
use free_at_core::{Classifier, Error};
use free_at_nn::{Activation, Conv2d};

use crate::boxes::bounded;
use crate::error::{must, sizes};
use crate::flow::Images;
use crate::init::{Init, Start};
use crate::layers::{global_average, stages};
use crate::shape_trace::ShapeTrace;
use crate::weights::renumber;
use crate::{ModelError, PyTorchNames, Summarize, Summary};

/// Configuration of [`WideResNet`].
#[derive(Config, Debug, PartialEq)]
pub struct WideResNetConfig {
    /// Blocks in each of the three stages: (depth − 4) / 6.
    pub blocks: usize,
    /// The widening factor k.
    pub widen: usize,
    /// Number of classes.
    pub classes: usize,
    /// Channels of an image. Default: 3.
    #[config(default = 3)]
    pub channels: usize,
    /// Channels after the first convolution; k times as many in the first stage, and twice as many in
    /// each next one. Default: 16.
    #[config(default = 16)]
    pub width: usize,
    /// Probability of dropping a value between a block's convolutions, in [0, 1). Default: 0.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// The seed of the initial weights. Default: 0.
    #[config(default = 0)]
    pub seed: u64,
}

impl WideResNetConfig {
    /// WRN-16-4.
    pub fn wrn_16_4(classes: usize) -> Self {
        Self::new(2, 4, classes)
    }

    /// WRN-28-10.
    pub fn wrn_28_10(classes: usize) -> Self {
        Self::new(4, 10, classes)
    }

    /// WRN-34-10.
    pub fn wrn_34_10(classes: usize) -> Self {
        Self::new(5, 10, classes)
    }

    /// WRN-d-k: `depth` d and `widen` k.
    ///
    /// # Errors
    /// [`ModelError::Parameter`] for a depth that is not 6n + 4 with n of 1 or more.
    pub fn wrn(depth: usize, widen: usize, classes: usize) -> Result<Self, ModelError> {
        match depth.checked_sub(4) {
            Some(rest) if rest > 0 && rest % 6 == 0 => Ok(Self::new(rest / 6, widen, classes)),
            _ => Err(ModelError::Parameter {
                model: "WideResNet",
                parameter: "depth",
                allowed: "6n + 4 with n of 1 or more: 10, 16, 22, 28, 34, 40, …",
                found: depth.to_string(),
            }),
        }
    }

    /// Refuses what [`init`](Self::init) would.
    ///
    /// # Errors
    /// [`ModelError::Parameter`] for a size that is not from 1 to 65,536, and a dropout outside [0, 1).
    pub fn check(&self) -> Result<(), ModelError> {
        let model = "WideResNet";
        sizes(
            model,
            &[
                ("blocks", self.blocks),
                ("widen", self.widen),
                ("classes", self.classes),
                ("channels", self.channels),
                ("width", self.width),
            ],
        )?;
        match (0.0..1.0).contains(&self.dropout) {
            true => Ok(()),
            false => Err(ModelError::Parameter {
                model,
                parameter: "dropout",
                allowed: "in [0, 1)",
                found: self.dropout.to_string(),
            }),
        }
    }

    /// The network on `device`, with initial weights as TRADES and RobustBench draw them: convolutions
    /// Kaiming normal over the fan-out, γ = 1, β = 0, the linear layer PyTorch's default with biases 0.
    ///
    /// # Panics
    /// For what [`check`](Self::check) refuses.
    pub fn init(&self, device: &Device) -> WideResNet {
        must(self.check());
        let mut init = Init::new(self.seed, device);
        let conv1 = init.conv([self.channels, self.width], 3, 1, Start::KaimingFanOut);
        let first = self.widen * self.width;
        let (blocks, to) = stages([self.blocks; 3], self.width, first, |from, to, stride| {
            (Block::new(from, to, stride, self.dropout, &mut init), to)
        });
        WideResNet {
            conv1,
            blocks,
            bn1: init.norm(to),
            fc: init.linear(to, self.classes, Start::PyTorchZeroBias),
        }
    }
}

/// WideResNet (Zagoruyko and Komodakis, BMVC 2016), WRN-d-k, as TRADES and RobustBench have it.
///
/// Images `[n, channels, height, width]` of any size; the last stage sees a quarter of it.
/// [`MadryWideResNet`](crate::MadryWideResNet) is the form that the Free paper trained.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use free_at_core::Classifier;
/// use free_at_models::WideResNetConfig;
///
/// let device = Device::flex();
/// let model = WideResNetConfig::wrn(10, 1, 10)?.init(&device);
/// assert_eq!(model.logits(Tensor::zeros([2, 3, 32, 32], &device)).dims(), [2, 10]);
/// # Ok::<(), free_at_models::ModelError>(())
/// ```
#[derive(Module, Debug)]
pub struct WideResNet {
    conv1: Conv2d,
    blocks: [Vec<Block>; 3],
    bn1: BatchNorm,
    fc: Linear,
}

impl Classifier<4> for WideResNet {
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

bounded!(WideResNet, fc);

impl WideResNet {
    fn features<F: Images>(&self, images: F) -> F::Rows {
        let x = images.conv(&self.conv1);
        let x = self.blocks.iter().flatten().fold(x, |x, block| block.forward(x));
        x.batch_norm(&self.bn1, Activation::Relu).rows(global_average)
    }
}

impl Summarize for WideResNet {
    fn summary(&self, sample: &[usize]) -> Result<Summary, Error> {
        let [width, channels, ..] = self.conv1.weight.shape().dims::<4>();
        let widen = self.bn1.gamma.shape()[0] / (4 * width);
        let name = format!("WRN-{}-{widen}", 6 * self.blocks[0].len() + 4);
        let mut trace = ShapeTrace::of_images(name, sample, channels)?;
        trace.conv(&self.conv1)?;
        trace.part("conv1");
        trace.stages("block", &self.blocks, Block::write)?;
        trace.norm(&self.bn1);
        trace.part("bn1");
        trace.head("fc", &self.fc)
    }
}

/// The names of TRADES and RobustBench.
impl PyTorchNames for WideResNet {
    fn pytorch_name(&self, name: &str) -> String {
        renumber(name, "blocks.", |stage| format!("block{}.layer.", stage + 1))
            .replace(".shortcut.", ".convShortcut.")
    }
}

/// Norm, ReLU and 3×3 convolution, twice, with dropout between, beside a shortcut. Where the width
/// changes, the shortcut starts from the activated input.
#[derive(Module, Debug)]
struct Block {
    bn1: BatchNorm,
    conv1: Conv2d,
    bn2: BatchNorm,
    dropout: Dropout,
    conv2: Conv2d,
    shortcut: Option<Conv2d>,
}

impl Block {
    fn new(from: usize, to: usize, stride: usize, dropout: f64, init: &mut Init) -> Self {
        let start = Start::KaimingFanOut;
        Self {
            bn1: init.norm(from),
            conv1: init.conv([from, to], 3, stride, start),
            bn2: init.norm(to),
            dropout: DropoutConfig::new(dropout).init(),
            conv2: init.conv([to, to], 3, 1, start),
            shortcut: (from != to).then(|| init.conv([from, to], 1, stride, start)),
        }
    }

    fn forward<F: Images>(&self, x: F) -> F {
        let (activated, shortcut) = match &self.shortcut {
            Some(conv) => {
                let activated = x.batch_norm(&self.bn1, Activation::Relu);
                (activated.clone(), activated.conv(conv))
            }
            None => (x.clone().batch_norm(&self.bn1, Activation::Relu), x),
        };
        let y = activated.conv(&self.conv1).batch_norm(&self.bn2, Activation::Relu);
        y.rising(|y| self.dropout.forward(y)).conv(&self.conv2).plus(shortcut)
    }

    fn write(&self, trace: &mut ShapeTrace) -> Result<(), Error> {
        let trunk = trace.shape();
        trace.norm(&self.bn1);
        trace.conv(&self.conv1)?;
        trace.norm(&self.bn2);
        trace.conv(&self.conv2)?;
        trace.shortcut(trunk, |trace| self.shortcut.iter().try_for_each(|conv| trace.conv(conv)))
    }
}
