//! The convolution as an extension of Burn's backends: flex gets one of its own, with its own rule for gradients.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, TensorMetadata, backend_extension};
use burn::tensor::ops::ConvOptions;

/// A convolution of this crate's.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait Convolution: Backend {
    /// `input` `[n, in, h, w]` convolved with `weight` `[out, in / groups, kh, kw]`.
    fn convolve(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self>;

    /// The same plus `bias` `[out]`.
    fn convolve_with_bias(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self>;
}

/// Its gradients, each computed alone: who wants one does not pay for the others.
pub(crate) trait ConvolutionGradients: Convolution {
    /// The gradient in the input, which had `size` (height, width).
    fn input_gradient(
        gradient: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        size: [usize; 2],
        options: &ConvOptions<2>,
    ) -> FloatTensor<Self>;

    /// The gradient in the weights, which had kernels of `kernel` (height, width).
    fn weight_gradient(
        input: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        kernel: [usize; 2],
        options: &ConvOptions<2>,
    ) -> FloatTensor<Self>;

    /// The gradient in the bias.
    fn bias_gradient(gradient: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// What the gradients need of the forward pass: the weights for that in the input, the input for that in the weights.
#[derive(Debug, Clone)]
struct Saved {
    input: Option<NodeId>,
    weight: Option<NodeId>,
    size: [usize; 2],
    kernel: [usize; 2],
    options: ConvOptions<2>,
}

#[derive(Debug)]
struct ConvolutionRule;

impl<B: ConvolutionGradients, const N: usize> Backward<B, N> for ConvolutionRule {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, N>, gradients: &mut Gradients, saved: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let Saved { input, weight, size, kernel, options } = ops.state;
        let mut get = |node| saved.retrieve_node_output::<B::FloatTensorPrimitive>(node);
        let mut parents = ops.parents.into_iter();
        let mut parent = || parents.next().flatten();
        if let (Some(node), Some(weight)) = (parent(), weight.map(&mut get)) {
            let of_input = B::input_gradient(gradient.clone(), weight, size, &options);
            gradients.register::<B>(node.id, of_input);
        }
        if let (Some(node), Some(input)) = (parent(), input.map(&mut get)) {
            let of_weight = B::weight_gradient(input, gradient.clone(), kernel, &options);
            gradients.register::<B>(node.id, of_weight);
        }
        if let Some(node) = parent() {
            gradients.register::<B>(node.id, B::bias_gradient(gradient));
        }
    }
}

impl<B: ConvolutionGradients, C: CheckpointStrategy> Convolution for Autodiff<B, C> {
    fn convolve(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        let parents = [input.node(), weight.node()];
        tracked::<B, C, 2>(parents, input, weight, options, B::convolve)
    }

    fn convolve_with_bias(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        let parents = [input.node(), weight.node(), bias.node()];
        let bias = bias.into_primitive();
        tracked::<B, C, 3>(parents, input, weight, options, |input, weight, options| {
            B::convolve_with_bias(input, weight, bias, options)
        })
    }
}

/// Convolves, and remembers what the gradients of the tracked parents will need.
fn tracked<B: ConvolutionGradients, C: CheckpointStrategy, const N: usize>(
    parents: [NodeGuard; N],
    input: FloatTensor<Autodiff<B, C>>,
    weight: FloatTensor<Autodiff<B, C>>,
    options: ConvOptions<2>,
    convolve: impl FnOnce(FloatTensor<B>, FloatTensor<B>, ConvOptions<2>) -> FloatTensor<B>,
) -> FloatTensor<Autodiff<B, C>> {
    let [_, _, height, width] = input.shape().dims();
    let [_, _, kernel_height, kernel_width] = weight.shape().dims();
    match ConvolutionRule.prepare::<C>(parents).compute_bound().stateful() {
        OpsKind::Tracked(mut prepared) => {
            let saved = Saved {
                input: weight.is_tracked().then(|| prepared.checkpoint(&input)),
                weight: input.is_tracked().then(|| prepared.checkpoint(&weight)),
                size: [height, width],
                kernel: [kernel_height, kernel_width],
                options: options.clone(),
            };
            prepared
                .finish(saved, convolve(input.into_primitive(), weight.into_primitive(), options))
        }
        OpsKind::UnTracked(prepared) => {
            prepared.finish(convolve(input.into_primitive(), weight.into_primitive(), options))
        }
    }
}
