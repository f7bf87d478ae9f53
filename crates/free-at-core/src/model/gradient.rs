//! Gradients: the one place that runs a backward pass.

use burn::backend::GradientCheckpointingStrategy;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};

/// One backward pass from `loss`: the gradient in `inputs`, and the gradients of everything else.
///
/// Adversarial training needs the gradient in the input and the gradient in the parameters. They
/// come from the same pass, and that is what makes Free adversarial training free.
pub(crate) fn backward<const D: usize>(
    loss: &Tensor<1>,
    inputs: &Tensor<D>,
) -> (Tensor<D>, Gradients) {
    let mut gradients = loss.backward();
    let in_inputs = inputs.grad_remove(&mut gradients);
    // A model that ignores its input leaves no gradient for it: that is a gradient of zero.
    let zeros = || inputs.zeros_like().without_autodiff();
    (in_inputs.unwrap_or_else(zeros), gradients)
}

/// The inputs as a leaf of the graph that the model's parameters are in; nothing if no parameter requires a
/// gradient.
pub(crate) fn beside_parameters<C: Module, const D: usize>(
    model: &C,
    inputs: Tensor<D>,
) -> Option<Tensor<D>> {
    let strategy = checkpointing(model)?;
    Some(inputs.without_autodiff().autodiff().with_gradient_checkpointing_strategy(strategy))
}

/// A tensor as a constant of the graph that `other` is in.
pub(crate) fn constant_beside<const D: usize, const K: usize>(
    tensor: Tensor<D>,
    other: &Tensor<K>,
) -> Tensor<D> {
    let constant = tensor.without_autodiff();
    match other.gradient_checkpointing_strategy() {
        Some(strategy) => constant.autodiff().with_gradient_checkpointing_strategy(strategy),
        None => constant,
    }
}

/// The gradient-checkpointing strategy of the parameters, which every tensor of their graph has
/// to share; nothing if no parameter requires a gradient.
pub(crate) fn checkpointing<C: Module>(model: &C) -> Option<GradientCheckpointingStrategy> {
    #[derive(Default)]
    struct FirstTrainable(Option<GradientCheckpointingStrategy>);
    impl ModuleVisitor for FirstTrainable {
        fn visit_float<const P: usize>(&mut self, param: &Param<Tensor<P>>) {
            if self.0.is_none() && param.is_require_grad() {
                self.0 = param.gradient_checkpointing_strategy();
            }
        }
    }
    let mut found = FirstTrainable::default();
    model.visit(&mut found);
    found.0
}
