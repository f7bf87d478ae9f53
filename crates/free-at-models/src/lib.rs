#![doc = include_str!("../README.md")]

mod boxes;
mod error;
mod flow;
mod init;
mod layers;
mod madry_wide_resnet;
mod mlp;
mod mnist_cnn;
mod network;
mod normalize;
mod normalized;
mod preact_resnet;
mod random;
mod resnet;
mod shape_trace;
mod small_cnn;
mod standardize;
mod summary;
mod weights;
mod wide_resnet;

pub use error::{Mismatch, ModelError, WrongShape};
pub use madry_wide_resnet::{MadryWideResNet, MadryWideResNetConfig};
pub use mlp::{Mlp, MlpConfig};
pub use mnist_cnn::{MnistCnn, MnistCnnConfig};
pub use network::{Network, NetworkConfig};
pub use normalize::{Normalize, NormalizeConfig};
pub use normalized::Normalized;
pub use preact_resnet::{PreActResNet, PreActResNetConfig};
pub use random::input_noise::InputNoise;
pub use random::random_resize::RandomResize;
pub use resnet::{ResNet, ResNetConfig, Stem};
pub use small_cnn::{SmallCnn, SmallCnnConfig};
pub use standardize::{PerImageStandardize, PerImageStandardizeConfig};
pub use summary::{Part, Summarize, Summary};
pub use weights::{PyTorchNames, Weights, save};
pub use wide_resnet::{WideResNet, WideResNetConfig};
