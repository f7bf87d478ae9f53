//! Adversarial weight perturbation.

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{FloatDType, Tensor};
use serde::{Deserialize, Serialize};

use crate::train::TrainError;

/// AWP: the loss is descended at weights that were moved uphill first, so that training ends where the loss is flat.
/// Given to [`Trainer::perturbing_weights`](crate::train::Trainer::perturbing_weights), for any method.
///
/// Wu, Xia and Wang, "Adversarial weight perturbation helps robust generalization", NeurIPS 2020; as the authors'
/// program, `csdongxian/AWP`. Each weight w of two dimensions and more (no bias, no batch norm) moves by
/// γ · ‖w‖₂ · g / ‖g‖₂, where g is the gradient of the method's own loss at its own inputs, with batch norm in
/// training mode whose statistics do not move. The optimiser then takes its step from the weights as they were, with the
/// gradient at those that were moved. (In the program weight decay is that of the moved weights, here of the weights
/// themselves: they differ by γ.)
///
/// **Cost**: one more gradient computation an optimiser step, two for methods whose loss is of two inputs; Free-m with it
/// takes twice as long.
///
/// ```
/// use burn::tensor::Device;
/// use free_at_core::train::{FreeAdversarialTrainer, FreeConfig, WeightPerturbation};
/// use free_at_core::{Epsilon, ThreatModel};
///
/// let config = FreeConfig::new(ThreatModel::linf(Epsilon::pixels(8.0)));
/// let trainer = FreeAdversarialTrainer::new(config, Device::flex())?
///     .perturbing_weights(WeightPerturbation::new(0.005).with_warm_up(1_000))?;
/// assert_eq!(trainer.gradient_computations(), 2);
/// # Ok::<(), free_at_core::train::TrainError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WeightPerturbation {
    gamma: f64,
    warm_up: u64,
}

/// Added to the length of a gradient, which can be 0.
const TINY: f32 = 1e-20;

impl WeightPerturbation {
    /// γ, the length of the move relative to the weight's own, above 0: 0.01 for K-PGD and 0.005 for TRADES in the
    /// authors' program. From the first step on.
    pub fn new(gamma: f64) -> Self {
        Self { gamma, warm_up: 0 }
    }

    /// Leaves the weights alone in the first optimiser steps of each device. Default: 0. (The authors begin after
    /// no epoch with K-PGD, and after ten with TRADES.)
    #[must_use]
    pub fn with_warm_up(mut self, steps: u64) -> Self {
        self.warm_up = steps;
        self
    }

    /// Accepts a γ that is finite and above 0.
    ///
    /// # Errors
    /// [`TrainError::Parameter`].
    pub fn check(&self) -> Result<(), TrainError> {
        match self.gamma.is_finite() && self.gamma > 0.0 {
            true => Ok(()),
            false => Err(TrainError::Parameter {
                what: "weight perturbation",
                parameter: "γ",
                allowed: "finite and above 0",
                value: self.gamma,
            }),
        }
    }

    /// Whether weights are moved at this step, counted from 0.
    pub(super) fn acts_at(&self, step: u64) -> bool {
        step >= self.warm_up
    }

    /// The model with its weights moved; it shares parameters' identities and running statistics with the model.
    pub(super) fn moved<C: Module>(&self, model: &C, mut gradients: GradientsParams) -> C {
        struct Move<'a> {
            gamma: f64,
            gradients: &'a mut GradientsParams,
        }
        impl ModuleMapper for Move<'_> {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                if D < 2 || !param.is_require_grad() {
                    return param;
                }
                let Some(gradient) = self.gradients.remove::<D>(param.id) else { return param };
                param.map(|weight| {
                    let strategy = weight.gradient_checkpointing_strategy();
                    let plain = weight.clone().without_autodiff();
                    // In single precision: squares of small gradients are 0 in half.
                    let single = |tensor: &Tensor<D>| tensor.clone().cast(FloatDType::F32);
                    let length = |tensor: &Tensor<D>| single(tensor).square().sum().sqrt();
                    let share = length(&plain) / length(&gradient).add_scalar(TINY);
                    let ahead = single(&gradient) * share.mul_scalar(self.gamma).unsqueeze();
                    let ahead = ahead.cast(plain.dtype());
                    let moved = (plain + ahead).autodiff();
                    let moved = match strategy {
                        Some(strategy) => moved.with_gradient_checkpointing_strategy(strategy),
                        None => moved,
                    };
                    moved.require_grad()
                })
            }
        }
        model.clone().map(&mut Move { gamma: self.gamma, gradients: &mut gradients })
    }
}
