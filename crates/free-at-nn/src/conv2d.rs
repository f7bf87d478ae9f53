//! The layer.

use burn::config::Config;
use burn::module::{Content, DisplaySettings, Module, ModuleDisplay, Param};
use burn::nn::{Initializer, PaddingConfig2d, conv};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};

use crate::convolution::conv2d as convolve;

/// Burn's [`Conv2dConfig`](conv::Conv2dConfig), field by field: makes a [`Conv2d`].
#[derive(Config, Debug)]
pub struct Conv2dConfig {
    /// Channels of the input and of the output.
    pub channels: [usize; 2],
    /// Height and width of the kernel.
    pub kernel_size: [usize; 2],
    /// Output pixels lie this far apart in the input.
    #[config(default = "[1, 1]")]
    pub stride: [usize; 2],
    /// Weights of the kernel lie this far apart in the input.
    #[config(default = "[1, 1]")]
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other.
    #[config(default = "1")]
    pub groups: usize,
    /// Zeros around the input: explicitly top, left, bottom, right. `Same` does not count dilation, as Burn's.
    #[config(default = "PaddingConfig2d::Valid")]
    pub padding: PaddingConfig2d,
    /// Whether a bias is added.
    #[config(default = true)]
    pub bias: bool,
    /// How the parameters are drawn.
    #[config(
        default = "Initializer::KaimingUniform { gain: 1.0 / 3.0f64.sqrt(), fan_out_only: false }"
    )]
    pub initializer: Initializer,
}

impl Conv2dConfig {
    /// The layer, on a device.
    ///
    /// # Panics
    /// As Burn's: where either number of channels is not a multiple of the groups.
    pub fn init(&self, device: &Device) -> Conv2d {
        conv::Conv2dConfig::new(self.channels, self.kernel_size)
            .with_stride(self.stride)
            .with_dilation(self.dilation)
            .with_groups(self.groups)
            .with_padding(self.padding.clone())
            .with_bias(self.bias)
            .with_initializer(self.initializer.clone())
            .init(device)
            .into()
    }
}

/// A 2D convolution: Burn's [`Conv2d`](conv::Conv2d) with the same fields, so records and weights of one serve
/// the other.
///
/// On Burn's flex backend it computes in 32-bit floats what [`conv2d`](crate::conv2d) describes; anywhere else it is Burn's.
///
/// ```
/// use burn::nn::PaddingConfig2d;
/// use burn::tensor::{Device, Tensor};
/// use free_at_nn::Conv2dConfig;
///
/// let device = Device::flex();
/// let layer = Conv2dConfig::new([3, 8], [3, 3]).with_padding(PaddingConfig2d::Same).init(&device);
/// let images = Tensor::<4>::zeros([2, 3, 32, 32], &device);
/// assert_eq!(layer.forward(images).dims(), [2, 8, 32, 32]);
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct Conv2d {
    /// `[out, in / groups, height, width]`.
    pub weight: Param<Tensor<4>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// Output pixels lie this far apart in the input.
    pub stride: [usize; 2],
    /// Height and width of the kernel.
    pub kernel_size: [usize; 2],
    /// Weights of the kernel lie this far apart in the input.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Zeros around the input.
    #[module(skip)]
    pub padding: PaddingConfig2d,
}

impl From<conv::Conv2d> for Conv2d {
    fn from(layer: conv::Conv2d) -> Self {
        let conv::Conv2d { weight, bias, stride, kernel_size, dilation, groups, padding } = layer;
        Self { weight, bias, stride, kernel_size, dilation, groups, padding }
    }
}

impl From<Conv2d> for conv::Conv2d {
    fn from(layer: Conv2d) -> Self {
        let Conv2d { weight, bias, stride, kernel_size, dilation, groups, padding } = layer;
        Self { weight, bias, stride, kernel_size, dilation, groups, padding }
    }
}

impl Conv2d {
    /// Convolves `input`, `[n, channels in, height, width]`, to `[n, channels out, (height + padding − dilation · (kernel − 1)
    /// − 1) / stride + 1, …]`.
    ///
    /// # Panics
    /// Where the input has another number of channels, or with its padding is smaller than the dilated kernel.
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let options = self.options(input.dims());
        convolve(input, self.weight.val(), self.bias.as_ref().map(Param::val), options)
    }

    /// Stride, padding, dilation and groups, for an input `[n, channels in, height, width]`.
    pub fn options(&self, [_, _, height, width]: [usize; 4]) -> ConvOptions<2> {
        let padding = match self.padding {
            PaddingConfig2d::Valid => [(0, 0); 2],
            PaddingConfig2d::Same => [self.same(0, height), self.same(1, width)],
            PaddingConfig2d::Explicit(top, left, bottom, right) => [(top, bottom), (left, right)],
        };
        ConvOptions::new_with_padding(self.stride, padding, self.dilation, self.groups)
    }

    /// As Burn has it, and TensorFlow without dilation: an output pixel for every `stride` input pixels, and
    /// what zeros cannot be shared out evenly comes last.
    fn same(&self, side: usize, size: usize) -> (usize, usize) {
        let (stride, kernel) = (self.stride[side], self.kernel_size[side]);
        let last = size.div_ceil(stride).saturating_sub(1) * stride;
        let zeros = if size == 0 { 0 } else { (last + kernel).saturating_sub(size) };
        (zeros / 2, zeros - zeros / 2)
    }
}

impl ModuleDisplay for Conv2d {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new().with_new_line_after_attribute(false).optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        let [out, inputs, ..] = self.weight.dims();
        content
            .add("ch_in", &format!("{:?}", inputs * self.groups))
            .add("ch_out", &format!("{out:?}"))
            .add("stride", &format!("{:?}", self.stride))
            .add("kernel_size", &format!("{:?}", self.kernel_size))
            .add("dilation", &format!("{:?}", self.dilation))
            .add("groups", &self.groups)
            .add_debug_attribute("padding", &self.padding)
            .optional()
    }
}
