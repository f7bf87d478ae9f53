//! An average of the weights: EMA, the exponential moving average.

use burn::module::Module;
use serde::{Deserialize, Serialize};

use super::after_step::{AfterStep, blend};
use crate::train::TrainError;

/// An exponential moving average of all weights and running statistics: of what was kept, the share `decay` stays at
/// each step. A decay of 0.999 averages over the last 1,000 steps or so.
///
/// Rebuffi et al., "Data augmentation can improve robustness", NeurIPS 2021, for adversarial training. The decay warms
/// up as in their program and TensorFlow's: at step t it is at most (1 + t) / (10 + t), so that a short training
/// forgets its first weights.
///
/// ```no_run
/// # use burn::module::Module;
/// # use free_at_core::train::{FreeAdversarialTrainer, TrainError};
/// # use free_at_core::{Batch, Classifier, Trainable};
/// use free_at_core::train::Ema;
/// # fn run<C: Trainable<4>>(
/// #     trainer: FreeAdversarialTrainer,
/// #     data: std::sync::Arc<dyn burn::data::dataloader::DataLoader<Batch<4>>>,
/// #     model: C,
/// #     sgd: burn::optim::ModuleOptimizer,
/// # ) -> Result<(), TrainError> {
/// let trained = trainer
///     .run("runs/free-8", data.clone(), data)
///     .after_step(Ema::new(0.999))
///     .launch(model, sgd, 0.1)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ema {
    decay: f64,
    warms_up: bool,
}

impl Ema {
    /// A decay from 0, which keeps the last weights, to 1, which keeps the first; with a warm-up.
    pub fn new(decay: f64) -> Self {
        Self { decay, warms_up: true }
    }

    /// With the whole decay from the first step on, as FGSM-PGI's and most PyTorch programs have it.
    #[must_use]
    pub fn without_warm_up(self) -> Self {
        Self { warms_up: false, ..self }
    }

    /// The decay at a step, counted from 1.
    pub fn decay(&self, step: u64) -> f64 {
        match self.warms_up {
            true => self.decay.min((1 + step) as f64 / (10 + step) as f64),
            false => self.decay,
        }
    }
}

impl<C: Module> AfterStep<C> for Ema {
    fn name(&self) -> String {
        let warm_up = if self.warms_up { "" } else { "-cold" };
        format!("ema-{}{warm_up}", self.decay)
    }

    fn check(&self) -> Result<(), TrainError> {
        match (0.0..=1.0).contains(&self.decay) {
            true => Ok(()),
            false => Err(TrainError::Parameter {
                what: "EMA",
                parameter: "decay",
                allowed: "from 0 to 1",
                value: self.decay,
            }),
        }
    }

    fn after_step(&self, kept: C, trained: &C, step: u64) -> C {
        blend(kept, trained, 1.0 - self.decay(step))
    }
}
