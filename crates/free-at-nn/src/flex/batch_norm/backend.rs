//! Batch norm as an extension of Burn's backends: flex gets one of its own, with its own rules for gradients.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, backend_extension};

use crate::activation::Activation;

/// Batch norm and what follows it. All but the input are `[channels]`.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait Normalization: Backend {
    /// By the statistics of the batch, which are given too: mean and variance.
    fn normalize_batch(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        activation: Activation,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// By given statistics.
    fn normalize(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        epsilon: f64,
        activation: Activation,
    ) -> FloatTensor<Self>;
}

/// Its gradients.
pub(crate) trait NormalizationGradients: Normalization {
    /// The gradients in gamma, beta and, if it is wanted, the input, of `gradient` in what `normalize_batch` gave.
    fn batch_gradients(
        gradient: FloatTensor<Self>,
        batch: &Batch<Self>,
        tensors: [FloatTensor<Self>; 3],
        of_input: bool,
    ) -> ([FloatTensor<Self>; 2], Option<FloatTensor<Self>>);

    /// The gradient in the input of `normalize`, which gave `output`.
    fn input_gradient(gradient: FloatTensor<Self>, given: &Given<Self>) -> FloatTensor<Self>;
}

/// What the gradients in training need beside the tensors.
#[derive(Clone, Debug)]
pub(crate) struct Batch<B: Backend> {
    pub(crate) mean: FloatTensor<B>,
    pub(crate) variance: FloatTensor<B>,
    pub(crate) epsilon: f64,
    pub(crate) activation: Activation,
}

/// What the gradient by given statistics needs.
#[derive(Clone, Debug)]
pub(crate) struct Given<B: Backend> {
    pub(crate) output: FloatTensor<B>,
    pub(crate) gamma: FloatTensor<B>,
    pub(crate) variance: FloatTensor<B>,
    pub(crate) epsilon: f64,
    pub(crate) activation: Activation,
}

#[derive(Debug)]
struct BatchRule;

impl<B: NormalizationGradients> Backward<B, 3> for BatchRule {
    type State = (Batch<B>, [NodeId; 3]);

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        gradients: &mut Gradients,
        saved: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        let (batch, nodes) = ops.state;
        let tensors = nodes.map(|node| saved.retrieve_node_output::<B::FloatTensorPrimitive>(node));
        let [input, gamma, beta] = ops.parents;
        let ([of_gamma, of_beta], of_input) =
            B::batch_gradients(gradient, &batch, tensors, input.is_some());
        let found = [(input, of_input), (gamma, Some(of_gamma)), (beta, Some(of_beta))];
        for (parent, gradient) in found {
            if let (Some(node), Some(gradient)) = (parent, gradient) {
                gradients.register::<B>(node.id, gradient);
            }
        }
    }
}

#[derive(Debug)]
struct GivenRule;

impl<B: NormalizationGradients> Backward<B, 1> for GivenRule {
    type State = Given<B>;

    fn backward(self, ops: Ops<Given<B>, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let [input] = ops.parents;
        if let Some(node) = input {
            gradients.register::<B>(node.id, B::input_gradient(gradient, &ops.state));
        }
    }
}

impl<B: NormalizationGradients, C: CheckpointStrategy> Normalization for Autodiff<B, C> {
    fn normalize_batch(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        activation: Activation,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let parents = [input.node(), gamma.node(), beta.node()];
        let normalize = |input: FloatTensor<Self>,
                         gamma: FloatTensor<Self>,
                         beta: FloatTensor<Self>| {
            let [input, gamma, beta] = [input, gamma, beta].map(|tensor| tensor.into_primitive());
            B::normalize_batch(input, gamma, beta, epsilon, activation)
        };
        let (output, mean, variance) =
            match BatchRule.prepare::<C>(parents).compute_bound().stateful() {
                OpsKind::Tracked(mut prepared) => {
                    let nodes = [&input, &gamma, &beta].map(|tensor| prepared.checkpoint(tensor));
                    let (output, mean, variance) = normalize(input, gamma, beta);
                    let (kept_mean, kept_variance) = (mean.clone(), variance.clone());
                    let batch =
                        Batch { mean: kept_mean, variance: kept_variance, epsilon, activation };
                    (prepared.finish((batch, nodes), output), mean, variance)
                }
                OpsKind::UnTracked(prepared) => {
                    let (output, mean, variance) = normalize(input, gamma, beta);
                    (prepared.finish(output), mean, variance)
                }
            };
        (output, FloatTensor::<Self>::new(mean), FloatTensor::<Self>::new(variance))
    }

    fn normalize(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        epsilon: f64,
        activation: Activation,
    ) -> FloatTensor<Self> {
        let parents = [input.node()];
        let [input, gamma, beta, mean, variance] =
            [input, gamma, beta, mean, variance].map(|tensor| tensor.into_primitive());
        let output =
            B::normalize(input, gamma.clone(), beta, mean, variance.clone(), epsilon, activation);
        match GivenRule.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let kept = output.clone();
                let given = Given { output: kept, gamma, variance, epsilon, activation };
                prepared.finish(given, output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }
}
