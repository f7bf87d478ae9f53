//! Which convolution it is to be: this crate's or Burn's.

use burn::tensor::Tensor;
use burn::tensor::ops::ConvOptions;

/// `input` `[n, in, h, w]` convolved with `weight` `[out, in / groups, kh, kw]`, plus `bias` `[out]`: Burn's
/// [`conv2d`](burn::tensor::module::conv2d), faster where it can be.
///
/// That is on Burn's flex backend, with or without autodiff, in 32-bit floats, with the feature `flex`. Kernels of 3×3 with
/// stride 1, no dilation, one group and padding of at most 2 take Winograd's F(4×4, 3×3) if both numbers of channels are at
/// least 16 and the image is not too small for them; its relative error (to the largest output) is below 2e-5, and below 3e-6 for up to 256 channels. All others are products
/// of patches, with the rounding error of a plain sum.
///
/// An image's output is the same, bit for bit, in any batch and for any number of threads; so are the gradients.
/// A gradient is computed only for what [requires](Tensor::require_grad) one.
///
/// NaN and infinity in images, and in gradients on their way to the input, reach what sees them and nothing else, as in
/// PyTorch. Those in weights, and in gradients on their way to the weights, meet the zeros of the padding too, and become
/// NaN there.
///
/// # Panics
/// As Burn's: where sizes do not fit each other. Also where the kernel is larger than the padded image, or the output
/// channels no multiple of the groups, of which Burn computes something.
///
/// ```
/// use burn::tensor::ops::ConvOptions;
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::flex();
/// let images = Tensor::<4>::ones([2, 8, 32, 32], &device);
/// let kernels = Tensor::<4>::ones([16, 8, 3, 3], &device);
/// let output = free_at_nn::conv2d(images, kernels, None, ConvOptions::new([1, 1], [1, 1], [1, 1], 1));
/// assert_eq!(output.dims(), [2, 16, 32, 32]);
/// ```
pub fn conv2d(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: impl Into<ConvOptions<2>>,
) -> Tensor<4> {
    let options = options.into();
    check_fit(input.dims(), weight.dims(), &options);
    #[cfg(feature = "flex")]
    let (input, weight, bias) = {
        use std::ops::ControlFlow;

        use crate::flex::convolution::convolve;
        match convolve(input, weight, bias, &options) {
            ControlFlow::Break(output) => return output,
            ControlFlow::Continue(others) => others,
        }
    };
    burn::tensor::module::conv2d(input, weight, bias, options)
}

/// What Burn would compute something of.
fn check_fit(input: [usize; 4], weight: [usize; 4], options: &ConvOptions<2>) {
    let (outputs, groups) = (weight[0], options.groups);
    assert!(
        outputs.is_multiple_of(groups),
        "conv2d: {outputs} output channels cannot be shared out among {groups} groups",
    );
    for side in 0..2 {
        let padded = input[2 + side] + options.padding[side].0 + options.padding[side].1;
        let seen = weight[2 + side].saturating_sub(1) * options.dilation[side] + 1;
        let name = ["height", "width"][side];
        assert!(
            seen <= padded,
            "conv2d: the kernel sees a {name} of {seen} pixels, and the padded image has {padded}; \
             give a larger image, a smaller kernel or more padding",
        );
    }
}
