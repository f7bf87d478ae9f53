//! Operations that several networks share.

use burn::nn::BatchNorm;
use burn::tensor::Tensor;
use free_at_nn::{Activation, batch_norm as evaluate, batch_norm_train};

/// Batch norm as PyTorch and TensorFlow's fused kernel have it, then an activation: in training the running
/// variance moves towards the unbiased variance of the batch. Burn's own layer takes the biased one.
pub(crate) fn batch_norm(norm: &BatchNorm, x: Tensor<4>, activation: Activation) -> Tensor<4> {
    let device = x.device();
    let (gamma, beta) = (norm.gamma.val(), norm.beta.val());
    if !(device.is_autodiff() && norm.training.is_enabled()) {
        let mean = norm.running_mean.value().to_device(&device);
        let variance = norm.running_var.value().to_device(&device);
        return evaluate(x, gamma, beta, mean, variance, norm.epsilon, activation);
    }
    let [n, _, height, width] = x.dims();
    let values = n * height * width; // per channel; of a single one no variance is unbiased
    let unbiased = values as f64 / (values - 1).max(1) as f64;
    let batch = batch_norm_train(x, gamma, beta, norm.epsilon, activation);
    let moved = |running: Tensor<1>, found: Tensor<1>, weight: f64| {
        running.to_device(&device) * (1.0 - norm.momentum) + found * weight
    };
    let mean = moved(norm.running_mean.value_sync(), batch.mean, norm.momentum);
    let variance = moved(norm.running_var.value_sync(), batch.variance, norm.momentum * unbiased);
    norm.running_mean.update(mean.detach());
    norm.running_var.update(variance.detach());
    batch.output
}

/// The mean over height and width: `[n, channels, height, width]` to `[n, channels]`.
pub(crate) fn global_average(x: Tensor<4>) -> Tensor<2> {
    x.flatten::<3>(2, 3).mean_dim(2).squeeze_dim(2)
}

/// Kernel and stride of a residual block's first two convolutions, and the channels that it gives: two
/// 3×3, or a bottleneck of 1×1, 3×3 with the stride and 1×1, four times as wide.
pub(crate) fn layout(
    bottleneck: bool,
    width: usize,
    stride: usize,
) -> ([(usize, usize); 2], usize) {
    match bottleneck {
        true => ([(1, 1), (3, stride)], 4 * width),
        false => ([(3, stride), (3, 1)], width),
    }
}

/// Stages of residual blocks: `blocks` in each, of `width` channels in the first stage and twice as many
/// in each next one; the first block of each stage but the first has stride 2. `block` makes one of
/// (channels of its input, width, stride) and says how many channels it gives; so does the whole.
pub(crate) fn stages<B, const STAGES: usize>(
    blocks: [usize; STAGES],
    mut from: usize,
    width: usize,
    mut block: impl FnMut(usize, usize, usize) -> (B, usize),
) -> ([Vec<B>; STAGES], usize) {
    let stages = std::array::from_fn(|stage| {
        let one = |index| {
            let stride = if index == 0 && stage > 0 { 2 } else { 1 };
            let (block, to) = block(from, width << stage, stride);
            from = to;
            block
        };
        (0..blocks[stage]).map(one).collect()
    });
    (stages, from)
}
