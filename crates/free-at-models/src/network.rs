//! Any of the image networks, by name.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use free_at_core::{BoundedClassifier, Classifier, Error, Interval};
use serde::{Deserialize, Serialize};

use crate::{
    MadryWideResNet, MadryWideResNetConfig, MnistCnn, MnistCnnConfig, ModelError, PreActResNet,
    PreActResNetConfig, PyTorchNames, ResNet, ResNetConfig, SmallCnn, SmallCnnConfig, Stem,
    Summarize, Summary, Weights, WideResNet, WideResNetConfig,
};

/// The expression for whichever network it is of.
macro_rules! of_each {
    ($kind:ident, $value:expr, $inner:ident => $result:expr) => {
        match $value {
            $kind::ResNet($inner) => $result,
            $kind::PreActResNet($inner) => $result,
            $kind::WideResNet($inner) => $result,
            $kind::MadryWideResNet($inner) => $result,
            $kind::MnistCnn($inner) => $result,
            $kind::SmallCnn($inner) => $result,
        }
    };
}

/// Names that [`NetworkConfig::named`] knows beside WRN-d-k.
const NAMES: [&str; 12] = [
    "resnet-18",
    "resnet-34",
    "resnet-50",
    "resnet-101",
    "resnet-152",
    "preact-resnet-18",
    "preact-resnet-18-v2",
    "preact-resnet-34",
    "preact-resnet-50",
    "madry-wrn-32-10",
    "mnist-cnn",
    "small-cnn",
];

/// The configuration of any image network of this crate, for programs that learn at run time which.
///
/// ```
/// use free_at_models::{NetworkConfig, WideResNetConfig};
///
/// let config = NetworkConfig::named("wrn-28-10", 10)?;
/// assert_eq!(config, NetworkConfig::WideResNet(WideResNetConfig::wrn_28_10(10)));
/// # Ok::<(), free_at_models::ModelError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum NetworkConfig {
    /// [`ResNet`].
    ResNet(ResNetConfig),
    /// [`PreActResNet`].
    PreActResNet(PreActResNetConfig),
    /// [`WideResNet`].
    WideResNet(WideResNetConfig),
    /// [`MadryWideResNet`].
    MadryWideResNet(MadryWideResNetConfig),
    /// [`MnistCnn`].
    MnistCnn(MnistCnnConfig),
    /// [`SmallCnn`], for one channel.
    SmallCnn(SmallCnnConfig),
}

impl NetworkConfig {
    /// By name, upper or lower case: `resnet-18`, `-34`, `-50`, `-101`, `-152`; `preact-resnet-18`, `-34`, `-50`,
    /// and `preact-resnet-18-v2` with RobustBench's `PreActBlockV2`; `wrn-d-k`; `madry-wrn-32-10`;
    /// `mnist-cnn`; `small-cnn`. The hyphens may be left out but for `wrn-d-k`. Sizes are the published
    /// ones: [`fitted`](Self::fitted) takes those of a checkpoint.
    ///
    /// # Errors
    /// [`ModelError::UnknownArchitecture`], and [`ModelError::Parameter`] for a depth that no WideResNet
    /// has.
    pub fn named(name: &str, classes: usize) -> Result<Self, ModelError> {
        let lower = name.to_lowercase();
        if let Some((depth, widen)) = wide(&lower) {
            return Ok(Self::WideResNet(WideResNetConfig::wrn(depth, widen, classes)?));
        }
        Ok(match lower.replace('-', "").as_str() {
            "resnet18" => Self::ResNet(ResNetConfig::resnet18(classes)),
            "resnet34" => Self::ResNet(ResNetConfig::resnet34(classes)),
            "resnet50" => Self::ResNet(ResNetConfig::resnet50(classes)),
            "resnet101" => Self::ResNet(ResNetConfig::resnet101(classes)),
            "resnet152" => Self::ResNet(ResNetConfig::resnet152(classes)),
            "preactresnet18" => Self::PreActResNet(PreActResNetConfig::preact_resnet18(classes)),
            "preactresnet18v2" => {
                let config = PreActResNetConfig::preact_resnet18(classes);
                Self::PreActResNet(config.with_activated_shortcut(true))
            }
            "preactresnet34" => Self::PreActResNet(PreActResNetConfig::preact_resnet34(classes)),
            "preactresnet50" => Self::PreActResNet(PreActResNetConfig::preact_resnet50(classes)),
            "madrywrn3210" => Self::MadryWideResNet(MadryWideResNetConfig::wrn_32_10(classes)),
            "mnistcnn" => Self::MnistCnn(MnistCnnConfig::new(classes)),
            "smallcnn" => Self::SmallCnn(SmallCnnConfig::new(1, classes)),
            _ => {
                let known = format!("{} and wrn-d-k", NAMES.join(", "));
                return Err(ModelError::UnknownArchitecture { name: name.into(), known });
            }
        })
    }

    /// The same with width, channels and classes, a ResNet's stem, a PreActResNet's last norm and an
    /// MnistCnn's (square) image as they are in `checkpoint`, as far as it has tensors of such names.
    #[must_use]
    pub fn fitted(mut self, checkpoint: &Weights) -> Self {
        let Sizes { width, channels, classes, first, last } = self.sizes();
        if let Some([to, from, ..]) = checkpoint.shape(first) {
            *channels = *from;
            if let Some(width) = width {
                *width = *to;
            }
        }
        if let Some([units]) = checkpoint.shape(last).or_else(|| checkpoint.shape("linear.bias")) {
            *classes = *units;
        }
        match &mut self {
            Self::ResNet(config) => {
                if let Some([.., kernel]) = checkpoint.shape("conv1.weight") {
                    config.stem = if *kernel > 3 { Stem::ImageNet } else { Stem::Cifar };
                }
            }
            Self::PreActResNet(config) => {
                config.final_norm = checkpoint.shape("bn.weight").is_some();
            }
            Self::MnistCnn(config) => {
                if let (Some([wide, ..]), Some([_, flat])) =
                    (checkpoint.shape("2.weight"), checkpoint.shape("5.weight"))
                {
                    config.image = [4 * (flat / (*wide).max(1)).isqrt(); 2];
                }
            }
            Self::WideResNet(_) | Self::MadryWideResNet(_) | Self::SmallCnn(_) => {}
        }
        self
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        of_each!(Self, self, config => config.classes)
    }

    /// The number of an image's channels.
    pub fn channels(&self) -> usize {
        of_each!(Self, self, config => config.channels)
    }

    /// The same for images of other channels or another size (channels, height, width) and for another number
    /// of classes. Only an [`MnistCnn`] asks for the size.
    #[must_use]
    pub fn for_images(mut self, [of, height, width]: [usize; 3], of_classes: usize) -> Self {
        let Sizes { channels, classes, .. } = self.sizes();
        (*channels, *classes) = (of, of_classes);
        if let Self::MnistCnn(config) = &mut self {
            config.image = [height, width];
        }
        self
    }

    /// The same with so many channels after the first convolution, or before a WideResNet's widening. An
    /// [`MnistCnn`] has no width and stays as it is.
    #[must_use]
    pub fn with_width(mut self, channels: usize) -> Self {
        if let Some(width) = self.sizes().width {
            *width = channels;
        }
        self
    }

    /// The same with initial weights from another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        of_each!(Self, &mut self, config => config.seed = seed);
        self
    }

    fn sizes(&mut self) -> Sizes<'_> {
        let (first, last) = match self {
            Self::MnistCnn(_) => ("0.weight", "7.bias"),
            Self::SmallCnn(_) => ("first.conv.weight", "output.bias"),
            _ => ("conv1.weight", "fc.bias"), // or `linear.bias`
        };
        let (width, channels, classes) = match self {
            Self::ResNet(it) => (Some(&mut it.width), &mut it.channels, &mut it.classes),
            Self::PreActResNet(it) => (Some(&mut it.width), &mut it.channels, &mut it.classes),
            Self::WideResNet(it) => (Some(&mut it.width), &mut it.channels, &mut it.classes),
            Self::MadryWideResNet(it) => (Some(&mut it.width), &mut it.channels, &mut it.classes),
            Self::MnistCnn(it) => (None, &mut it.channels, &mut it.classes),
            Self::SmallCnn(it) => (Some(&mut it.width), &mut it.channels, &mut it.classes),
        };
        Sizes { width, channels, classes, first, last }
    }

    /// The network on `device`.
    ///
    /// # Errors
    /// [`ModelError::Parameter`] for a configuration that its `check` refuses.
    pub fn init(&self, device: &Device) -> Result<Network, ModelError> {
        match self {
            Self::ResNet(config) => config.check().map(|()| Network::ResNet(config.init(device))),
            Self::PreActResNet(config) => {
                config.check().map(|()| Network::PreActResNet(config.init(device)))
            }
            Self::WideResNet(config) => {
                config.check().map(|()| Network::WideResNet(config.init(device)))
            }
            Self::MadryWideResNet(config) => {
                config.check().map(|()| Network::MadryWideResNet(config.init(device)))
            }
            Self::MnistCnn(config) => {
                config.check().map(|()| Network::MnistCnn(config.init(device)))
            }
            Self::SmallCnn(config) => {
                config.check().map(|()| Network::SmallCnn(config.init(device)))
            }
        }
    }
}

/// Where a configuration keeps its sizes, and the tensors whose shapes show them.
struct Sizes<'a> {
    width: Option<&'a mut usize>,
    channels: &'a mut usize,
    classes: &'a mut usize,
    first: &'static str,
    last: &'static str,
}

/// Depth and widening factor of `wrn-d-k`.
fn wide(name: &str) -> Option<(usize, usize)> {
    let (depth, widen) = name.strip_prefix("wrn-")?.split_once('-')?;
    Some((depth.parse().ok()?, widen.parse().ok()?))
}

/// Any of the image networks. Made by [`NetworkConfig::init`].
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use free_at_core::Classifier;
/// use free_at_models::NetworkConfig;
///
/// let device = Device::flex();
/// let model = NetworkConfig::named("mnist-cnn", 10)?.init(&device)?;
/// assert_eq!(model.logits(Tensor::zeros([2, 1, 28, 28], &device)).dims(), [2, 10]);
/// # Ok::<(), free_at_models::ModelError>(())
/// ```
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // There is one, not a list of them.
pub enum Network {
    /// ResNet.
    ResNet(ResNet),
    /// PreActResNet.
    PreActResNet(PreActResNet),
    /// WideResNet.
    WideResNet(WideResNet),
    /// Madry's WideResNet.
    MadryWideResNet(MadryWideResNet),
    /// The MNIST network of "Fast is better than free".
    MnistCnn(MnistCnn),
    /// The quickstart's.
    SmallCnn(SmallCnn),
}

impl Classifier<4> for Network {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        of_each!(Network, self, model => model.logits(images))
    }

    fn check_input(&self, sample: &[usize]) -> Result<(), Error> {
        of_each!(Network, self, model => model.check_input(sample))
    }

    fn smallest_batch(&self, sample: &[usize]) -> usize {
        of_each!(Network, self, model => model.smallest_batch(sample))
    }
}

impl BoundedClassifier<4> for Network {
    fn rise_bounds(&self, inputs: Interval<4>, classes: &Tensor<1, Int>) -> Tensor<2> {
        of_each!(Network, self, model => model.rise_bounds(inputs, classes))
    }
}

impl Summarize for Network {
    fn summary(&self, sample: &[usize]) -> Result<Summary, Error> {
        of_each!(Network, self, model => model.summary(sample))
    }
}

impl PyTorchNames for Network {
    fn pytorch_name(&self, name: &str) -> String {
        of_each!(Network, self, model => model.pytorch_name(name))
    }

    fn resolve_alias(&self, name: &str) -> String {
        of_each!(Network, self, model => model.resolve_alias(name))
    }

    fn model_name(&self) -> String {
        of_each!(Network, self, model => model.model_name())
    }
}
