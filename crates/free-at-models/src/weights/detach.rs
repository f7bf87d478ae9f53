//! A network that shares nothing with its clones.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{GradientCheckpointingStrategy, Tensor};

/// The model with running statistics of its own: clones share them, and loading writes to them.
///
/// `valid` copies them. What it takes from tensors on an autodiff device, `train` gives back, but for their
/// gradient checkpointing.
pub(super) fn detached<M: Module>(model: M) -> M {
    let mut found = Strategy(None);
    model.visit(&mut found);
    match found {
        Strategy(None) => model.valid(),
        mut strategy => model.valid().train().map(&mut strategy),
    }
}

/// The gradient checkpointing of the tensors, if they are on an autodiff device.
struct Strategy(Option<GradientCheckpointingStrategy>);

impl ModuleVisitor for Strategy {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0 = self.0.or(param.gradient_checkpointing_strategy());
    }
}

impl ModuleMapper for Strategy {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| match self.0 {
            Some(strategy) => tensor.with_gradient_checkpointing_strategy(strategy),
            None => tensor,
        })
    }
}
