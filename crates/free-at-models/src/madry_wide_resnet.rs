//! WideResNet as Madry et al. have it, which the Free paper trained.

use burn::config::Config;
use burn::module::Module;
use burn::nn::pool::{AvgPool2d, AvgPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, PaddingConfig2d};
use burn::tensor::{Device, Tensor};
use free_at_core::{Classifier, Error};
use free_at_nn::{Activation, Conv2d, Conv2dConfig};

use crate::boxes::bounded;
use crate::error::{must, sizes};
use crate::flow::Images;
use crate::init::{Init, Start};
use crate::layers::{global_average, stages};
use crate::shape_trace::ShapeTrace;
use crate::weights::renumber;
use crate::{
    ModelError, PerImageStandardize, PerImageStandardizeConfig, PyTorchNames, Summarize, Summary,
};

/// Leaky ReLU, of its slope below 0.
const LEAKY: Activation = Activation::LeakyRelu(0.1);
/// ε of the batch norms.
const EPSILON: f64 = 1e-3;

/// Configuration of [`MadryWideResNet`].
#[derive(Config, Debug, PartialEq, Eq)]
pub struct MadryWideResNetConfig {
    /// Number of classes.
    pub classes: usize,
    /// Blocks in each of the three stages. Default: 5.
    #[config(default = 5)]
    pub blocks: usize,
    /// The widening factor. Default: 10.
    #[config(default = 10)]
    pub widen: usize,
    /// Channels of an image. Default: 3.
    #[config(default = 3)]
    pub channels: usize,
    /// Channels after the first convolution. Default: 16.
    #[config(default = 16)]
    pub width: usize,
    /// The seed of the initial weights. Default: 0.
    #[config(default = 0)]
    pub seed: u64,
}

impl MadryWideResNetConfig {
    /// WRN-32-10, the network of the Free paper's CIFAR experiments.
    pub fn wrn_32_10(classes: usize) -> Self {
        Self::new(classes)
    }

    /// Refuses what [`init`](Self::init) would.
    ///
    /// # Errors
    /// [`ModelError::Parameter`] for a size that is not from 1 to 65,536, and for an odd width.
    pub fn check(&self) -> Result<(), ModelError> {
        let model = "MadryWideResNet";
        sizes(
            model,
            &[
                ("classes", self.classes),
                ("blocks", self.blocks),
                ("widen", self.widen),
                ("channels", self.channels),
                ("width", self.width),
            ],
        )?;
        match self.width.is_multiple_of(2) {
            true => Ok(()),
            false => Err(ModelError::Parameter {
                model,
                parameter: "width",
                allowed: "even, since a shortcut adds as many channels before as after",
                found: self.width.to_string(),
            }),
        }
    }

    /// The network on `device`, with initial weights as Madry's: convolutions Kaiming normal over the
    /// fan-out, γ = 1, β = 0, the linear layer by uniform unit scaling with biases 0.
    ///
    /// # Panics
    /// For what [`check`](Self::check) refuses.
    pub fn init(&self, device: &Device) -> MadryWideResNet {
        must(self.check());
        let mut init = Init::new(self.seed, device);
        let conv1 = conv([self.channels, self.width], 1, &mut init);
        let first = self.widen * self.width;
        let mut activated_shortcut = true; // the very first block's
        let (blocks, to) = stages([self.blocks; 3], self.width, first, |from, to, stride| {
            let activated_shortcut = std::mem::take(&mut activated_shortcut);
            (Block::new([from, to], stride, activated_shortcut, &mut init), to)
        });
        MadryWideResNet {
            standardize: PerImageStandardizeConfig::new().init(),
            conv1,
            blocks,
            bn1: norm(to, device),
            fc: init.linear(to, self.classes, Start::UnitScaling),
        }
    }
}

/// WideResNet in the form of Madry et al. ("Towards Deep Learning Models Resistant to Adversarial
/// Attacks", ICLR 2018; `cifar10_challenge`), with which the Free paper's CIFAR results were made.
///
/// It standardises each image by itself, has leaky ReLUs (slope 0.1), batch norms with ε 1e-3, and
/// shortcuts without weights: average pooling where the size halves, and zeros for new channels. Its
/// convolutions pad as TensorFlow's `SAME`, that is, with stride 2 only at the lower right.
///
/// Images `[n, channels, height, width]` in [0, 1], height and width multiples of 4.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use free_at_core::Classifier;
/// use free_at_models::MadryWideResNetConfig;
///
/// let device = Device::flex();
/// let model = MadryWideResNetConfig::wrn_32_10(10).with_widen(1).with_blocks(1).init(&device);
/// assert_eq!(model.logits(Tensor::zeros([2, 3, 32, 32], &device)).dims(), [2, 10]);
/// ```
#[derive(Module, Debug)]
pub struct MadryWideResNet {
    standardize: PerImageStandardize,
    conv1: Conv2d,
    blocks: [Vec<Block>; 3],
    bn1: BatchNorm,
    fc: Linear,
}

impl Classifier<4> for MadryWideResNet {
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

bounded!(MadryWideResNet, fc);

impl MadryWideResNet {
    fn features<F: Images>(&self, images: F) -> F::Rows {
        let x = images.standardize(&self.standardize).conv(&self.conv1);
        let x = self.blocks.iter().flatten().fold(x, |x, block| block.forward(x));
        x.batch_norm(&self.bn1, LEAKY).rows(global_average)
    }
}

impl Summarize for MadryWideResNet {
    fn summary(&self, sample: &[usize]) -> Result<Summary, Error> {
        let [width, channels, ..] = self.conv1.weight.shape().dims::<4>();
        let widen = self.bn1.gamma.shape()[0] / (4 * width);
        let name = format!("Madry's WRN-{}-{widen}", 6 * self.blocks[0].len() + 2);
        let mut trace = ShapeTrace::of_images(name, sample, channels)?;
        trace.conv(&self.conv1)?;
        trace.part("conv1");
        trace.stages("block", &self.blocks, Block::write)?;
        trace.norm(&self.bn1);
        trace.part("bn1");
        trace.head("fc", &self.fc)
    }
}

/// The names of [`WideResNet`](crate::WideResNet), since the original is TensorFlow's.
impl PyTorchNames for MadryWideResNet {
    fn pytorch_name(&self, name: &str) -> String {
        renumber(name, "blocks.", |stage| format!("block{}.layer.", stage + 1))
    }
}

/// Norm, leaky ReLU and 3×3 convolution, twice, beside a shortcut without weights.
#[derive(Module, Debug)]
struct Block {
    bn1: BatchNorm,
    conv1: Conv2d,
    bn2: BatchNorm,
    conv2: Conv2d,
    pool: Option<AvgPool2d>,
    new_channels: usize,
    activated_shortcut: bool,
}

impl Block {
    fn new(
        [from, to]: [usize; 2],
        stride: usize,
        activated_shortcut: bool,
        init: &mut Init,
    ) -> Self {
        Self {
            bn1: norm(from, init.device()),
            conv1: conv([from, to], stride, init),
            bn2: norm(to, init.device()),
            conv2: conv([to, to], 1, init),
            pool: (stride > 1)
                .then(|| AvgPool2dConfig::new([stride; 2]).with_strides([stride; 2]).init()),
            new_channels: to - from,
            activated_shortcut,
        }
    }

    fn forward<F: Images>(&self, x: F) -> F {
        let (activated, shortcut) = match self.activated_shortcut {
            true => {
                let activated = x.batch_norm(&self.bn1, LEAKY);
                (activated.clone(), activated)
            }
            false => (x.clone().batch_norm(&self.bn1, LEAKY), x),
        };
        let y = activated.conv(&self.conv1).batch_norm(&self.bn2, LEAKY);
        y.conv(&self.conv2).plus(self.shortcut(shortcut))
    }

    fn shortcut<F: Images>(&self, x: F) -> F {
        let x = match &self.pool {
            Some(pool) => x.averaged(pool),
            None => x,
        };
        match self.new_channels / 2 {
            0 => x,
            half => x.rising(|x| x.pad([(0, 0), (half, half), (0, 0), (0, 0)], 0.0)),
        }
    }

    fn write(&self, trace: &mut ShapeTrace) -> Result<(), Error> {
        let trunk = trace.shape();
        trace.norm(&self.bn1);
        trace.conv(&self.conv1)?;
        trace.norm(&self.bn2);
        trace.conv(&self.conv2)?;
        trace.shortcut(trunk, |trace| {
            if let Some(pool) = &self.pool {
                trace.window(pool.kernel_size, pool.stride, &pool.padding)?;
            }
            trace.zeros(self.new_channels);
            Ok(())
        })
    }
}

fn norm(channels: usize, device: &Device) -> BatchNorm {
    BatchNormConfig::new(channels).with_epsilon(EPSILON).init(device)
}

fn conv(channels: [usize; 2], stride: usize, init: &mut Init) -> Conv2d {
    let config = Conv2dConfig::new(channels, [3, 3])
        .with_stride([stride; 2])
        .with_padding(PaddingConfig2d::Same)
        .with_bias(false);
    init.conv_of(config, Start::KaimingFanOut)
}
