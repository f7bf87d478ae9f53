//! Layers with their initial weights, drawn from a seed.

use burn::module::Param;
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use free_at_nn::{Conv2d, Conv2dConfig};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

/// How initial weights are drawn; fans are those of one output or input position.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Start {
    /// N(0, 2 / fan out): He et al. 2015, as ResNet and WideResNet use it for convolutions.
    KaimingFanOut,
    /// U(±1/√fan in), weights and biases: PyTorch's default for convolutions and linear layers.
    PyTorch,
    /// The same for weights; biases are 0.
    PyTorchZeroBias,
    /// U(±√(3 / fan in)), and biases of 0: TensorFlow's uniform unit scaling.
    UnitScaling,
}

impl Start {
    fn weights(self, fan_in: usize, fan_out: usize) -> Distribution {
        let uniform = |bound: f64| Distribution::Uniform(-bound, bound);
        match self {
            Self::KaimingFanOut => Distribution::Normal(0.0, (2.0 / fan_out as f64).sqrt()),
            Self::PyTorch | Self::PyTorchZeroBias => uniform((1.0 / fan_in as f64).sqrt()),
            Self::UnitScaling => uniform((3.0 / fan_in as f64).sqrt()),
        }
    }

    fn biases(self, fan_in: usize) -> Option<Distribution> {
        matches!(self, Self::PyTorch).then(|| self.weights(fan_in, 1))
    }
}

/// Makes layers on a device. The weights are drawn on the host, so a seed gives the same network on
/// every backend, whatever else the program draws.
pub(crate) struct Init<'a> {
    device: &'a Device,
    draws: Xoshiro256PlusPlus,
}

impl<'a> Init<'a> {
    pub(crate) fn new(seed: u64, device: &'a Device) -> Self {
        Self { device, draws: Xoshiro256PlusPlus::seed_from_u64(seed) }
    }

    pub(crate) fn device(&self) -> &Device {
        self.device
    }

    /// A convolution without bias, as before a batch norm: `kernel`×`kernel`, padded so that stride 1
    /// keeps the size.
    pub(crate) fn conv(
        &mut self,
        channels: [usize; 2],
        kernel: usize,
        stride: usize,
        start: Start,
    ) -> Conv2d {
        let around = (kernel - 1) / 2;
        let config = Conv2dConfig::new(channels, [kernel; 2])
            .with_stride([stride; 2])
            .with_padding(PaddingConfig2d::Explicit(around, around, around, around))
            .with_bias(false);
        self.conv_of(config, start)
    }

    /// A convolution by its whole configuration.
    pub(crate) fn conv_of(&mut self, config: Conv2dConfig, start: Start) -> Conv2d {
        let ([from, to], [height, width]) = (config.channels, config.kernel_size);
        let (fan_in, fan_out) = (from * height * width, to * height * width);
        let layer = config.with_initializer(Initializer::Zeros).init(self.device);
        let weight = self.draw([to, from, height, width], start.weights(fan_in, fan_out));
        let bias = layer.bias.map(|zeros| self.bias(zeros, start.biases(fan_in)));
        Conv2d { weight, bias, ..layer }
    }

    pub(crate) fn linear(&mut self, from: usize, to: usize, start: Start) -> Linear {
        let config = LinearConfig::new(from, to).with_initializer(Initializer::Zeros);
        let layer = config.init(self.device);
        let weight = self.draw([from, to], start.weights(from, to));
        let bias = layer.bias.map(|zeros| self.bias(zeros, start.biases(from)));
        Linear { weight, bias }
    }

    /// Batch norm with γ = 1 and β = 0.
    pub(crate) fn norm(&self, channels: usize) -> BatchNorm {
        BatchNormConfig::new(channels).init(self.device)
    }

    fn bias(
        &mut self,
        zeros: Param<Tensor<1>>,
        distribution: Option<Distribution>,
    ) -> Param<Tensor<1>> {
        match distribution {
            Some(distribution) => self.draw(zeros.shape().dims(), distribution),
            None => zeros,
        }
    }

    fn draw<const D: usize>(
        &mut self,
        shape: [usize; D],
        distribution: Distribution,
    ) -> Param<Tensor<D>> {
        let values = TensorData::random::<f32, _, _>(shape, distribution, &mut self.draws);
        Param::from_tensor(Tensor::from_data(values, self.device))
    }
}
