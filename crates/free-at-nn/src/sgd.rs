//! Stochastic gradient descent in one pass over memory.

use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;
use burn::optim::LearningRate;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{ModuleOptimizer, Optimizer, RecordState, StateSink, StateSource, join_path};
use burn::tensor::{Device, Tensor};

use crate::descent_rule::{DescentRule, Momentum};

/// Burn's [`SgdConfig`](burn::optim::SgdConfig), field by field: makes an optimiser that takes the same steps, bit for
/// bit, and whose records are the same.
///
/// ```
/// use burn::optim::momentum::MomentumConfig;
/// use free_at_nn::SgdConfig;
///
/// let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0);
/// let optimizer = SgdConfig::new().with_momentum(Some(momentum)).init();
/// ```
#[derive(Config, Debug)]
pub struct SgdConfig {
    /// Adds a multiple of each parameter to its gradient. Default: none.
    pub weight_decay: Option<WeightDecayConfig>,
    /// Default: none.
    pub momentum: Option<MomentumConfig>,
    /// Of each parameter's gradient, before the step. Default: none.
    pub gradient_clipping: Option<GradientClippingConfig>,
}

impl SgdConfig {
    /// The rule for one parameter, which a group of an optimiser may have of its own. It does not clip: give that to
    /// the group.
    pub fn build(&self) -> Sgd {
        let momentum = self.momentum.as_ref().map(|config| Momentum {
            momentum: config.momentum as f32,
            fresh: (1.0 - config.dampening) as f32,
            nesterov: config.nesterov,
        });
        let decay = self.weight_decay.as_ref().map(|config| config.penalty);
        Sgd { rule: DescentRule { momentum, decay } }
    }

    /// The optimiser.
    pub fn init(&self) -> ModuleOptimizer {
        let optimizer = ModuleOptimizer::from(self.build());
        match &self.gradient_clipping {
            Some(clipping) => optimizer.with_grad_clipping(clipping.init()),
            None => optimizer,
        }
    }
}

/// Made by [`SgdConfig`]: v ← μ v + (1 − dampening) (g + λ p), then p ← p − η v, or with Nesterov's momentum
/// p ← p − η (μ v + g + λ p). The first v is g + λ p.
#[derive(Clone, Debug)]
pub struct Sgd {
    rule: DescentRule,
}

/// What is kept of a parameter.
#[derive(Clone, Debug)]
pub struct SgdState<const D: usize> {
    velocity: Option<Tensor<D>>,
}

const MOMENTUM: &str = "momentum";
const VELOCITY: &str = "velocity";

/// As Burn's state is recorded.
impl<const D: usize> RecordState for SgdState<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        if let Some(velocity) = &self.velocity {
            out.push_tensor(&join_path(prefix, MOMENTUM), VELOCITY, velocity.to_data());
        }
    }

    fn state_unflatten(prefix: &str, from: &mut StateSource, device: &Device) -> Option<Self> {
        let velocity = from.take_tensor(&join_path(prefix, MOMENTUM), VELOCITY);
        Some(Self { velocity: velocity.map(|velocity| Tensor::from_data(velocity, device)) })
    }
}

impl Optimizer for Sgd {
    type State<const D: usize> = SgdState<D>;

    fn step<const D: usize>(
        &self,
        learning_rate: LearningRate,
        parameter: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<SgdState<D>>,
    ) -> (Tensor<D>, Option<SgdState<D>>) {
        let velocity = state.and_then(|state| state.velocity);
        let (parameter, velocity) = self.descend(learning_rate, parameter, gradient, velocity);
        let velocity = self.rule.momentum.is_some().then_some(velocity);
        (parameter, Some(SgdState { velocity }))
    }

    fn to_device<const D: usize>(state: SgdState<D>, device: &Device) -> SgdState<D> {
        SgdState { velocity: state.velocity.map(|velocity| velocity.to_device(device)) }
    }
}

impl Sgd {
    /// The parameter and the velocity after a step.
    fn descend<const D: usize>(
        &self,
        learning_rate: LearningRate,
        parameter: Tensor<D>,
        gradient: Tensor<D>,
        velocity: Option<Tensor<D>>,
    ) -> (Tensor<D>, Tensor<D>) {
        #[cfg(feature = "flex")]
        let (parameter, gradient, velocity) = {
            use std::ops::ControlFlow;

            use crate::flex::descent::descend;
            match descend(self.rule, learning_rate, parameter, gradient, velocity) {
                ControlFlow::Break(done) => return done,
                ControlFlow::Continue(others) => others,
            }
        };
        let gradient = match self.rule.decay {
            Some(penalty) => parameter.clone() * penalty + gradient,
            None => gradient,
        };
        let Some(Momentum { momentum, fresh, nesterov }) = self.rule.momentum else {
            return (parameter - gradient.clone() * learning_rate, gradient);
        };
        let velocity = match velocity {
            Some(velocity) => gradient.clone() * fresh + velocity * momentum,
            None => gradient.clone(),
        };
        let direction = match nesterov {
            true => velocity.clone() * momentum + gradient,
            false => velocity.clone(),
        };
        (parameter - direction * learning_rate, velocity)
    }
}
