//! The optimiser's step, and what happens after it.

use burn::module::Module;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};

use super::after_step::Kept;

/// What an optimiser step descends with.
pub(crate) enum ParameterGradients {
    OfOneDevice(GradientsParams),
    OfSeveral(MultiGradientsParams),
}

/// Step number `step`, from 1, of the optimiser, and what is kept after it. Every optimiser step of every
/// training is this one.
pub(crate) fn take_step<C: Module>(
    (model, kept): (C, Kept<C>),
    optimizer: &mut ModuleOptimizer,
    rate: ModuleLearningRate,
    gradients: ParameterGradients,
    step: u64,
) -> (C, Kept<C>) {
    let model = match gradients {
        ParameterGradients::OfOneDevice(gradients) => optimizer.step(rate, model, gradients),
        ParameterGradients::OfSeveral(gradients) => optimizer.step_multi(rate, model, gradients),
    };
    let kept = kept.after_step(&model, step);
    (model, kept)
}
