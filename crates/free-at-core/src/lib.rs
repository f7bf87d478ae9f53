//! Threat models, input gradients and the Free adversarial trainer, on Burn.
//!
//! From the ground up:
//!
//! - what an adversary may do: [`Epsilon`], [`Norm`], [`Bounds`], [`ThreatModel`];
//! - what it wants: [`Objective`], [`Labels`], [`Target`];
//! - what it acts on: [`Classifier`], [`Batch`], and [`FrozenModel`], which computes the gradient
//!   of an objective in the input;
//! - how it acts: the trait [`Attack`] (the attacks are in `free-at-attacks`), given an
//!   [`AttackTask`], with [`Draws`] for whatever is random;
//! - training against it: [`train`], whose heart is [`FreeAdversarialTrainer`].
//!
//! Most programs use this through the crate `free-at`.

mod attack;
mod batch;
mod bounds;
mod classifier;
mod draws;
mod epsilon;
mod error;
pub mod files;
mod gradient;
mod norm;
mod objective;
mod perturbation;
mod precision;
mod rules;
mod target;
mod task;
mod threat;
pub mod train;

pub use attack::{Access, Attack, AttackParameters};
pub use batch::{Batch, check_samples};
pub use bounds::Bounds;
pub use classifier::Classifier;
pub use draws::Draws;
pub use epsilon::Epsilon;
pub use error::Error;
pub use gradient::{FrozenModel, InputGradient};
pub use norm::Norm;
pub use objective::{Labels, Objective};
pub use perturbation::PerturbationSet;
pub use rules::{Direction, FeatureRules, RuleError};
pub use target::Target;
pub use task::{AttackTask, EIGHT_BIT_LEVELS};
pub use threat::ThreatModel;
pub use train::{FreeAdversarialTrainer, FreeConfig};
