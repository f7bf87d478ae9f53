//! Threat models, attack primitives and the Free adversarial trainer, on Burn.
//!
//! From the ground up:
//!
//! - what an adversary may do: [`Epsilon`], [`Norm`], [`Bounds`], [`ThreatModel`], and what it wants:
//!   [`Goal`], [`Objective`];
//! - what it acts on: [`Classifier`], [`Batch`], and [`FrozenModel`], which computes the gradient
//!   of an objective in the input;
//! - how it acts: the trait [`Attack`] (the attacks are in `free-at-attacks`), given an
//!   [`AttackTask`], with [`Draws`] for whatever is random; the parts that attacks are made of, [`Ascent`],
//!   [`Search`], [`Approach`] and [`Closest`];
//! - training against it: [`train`], whose heart is [`FreeAdversarialTrainer`].
//!
//! Most programs use this through the crate `free-at`.

mod attack;
mod draws;
mod error;
pub mod files;
mod model;
pub mod rows;
mod threat;
pub mod train;

pub use attack::ascent::Ascent;
pub use attack::closest::Closest;
pub use attack::device_check::check_device;
pub use attack::interface::{Access, Attack, AttackParameters, unsupported_norm};
pub use attack::minimal::{Approach, MinimalAttack, minimize};
pub use attack::search::{Pace, Search, Visit, drive};
pub use attack::survivors::Turn;
pub use attack::target::Target;
pub use attack::task::{AttackTask, EIGHT_BIT_LEVELS};
pub use draws::Draws;
pub use error::Error;
pub use model::batch::Batch;
pub use model::classifier::{Classifier, Trainable};
pub use model::frozen::{FrozenModel, InputGradient};
pub use model::interval::{BoundedClassifier, Interval};
pub use model::label_only::LabelOnly;
pub use model::precision::of as precision_of;
pub use model::samples::check_samples;
pub use threat::bounds::Bounds;
pub use threat::epsilon::Epsilon;
pub use threat::feature_rules::{Direction, FeatureRules};
pub use threat::goal::Goal;
pub use threat::norm::Norm;
pub use threat::norm::geometry::Radius;
pub use threat::objective::Objective;
pub use threat::perturbation_set::PerturbationSet;
pub use threat::relation::{Affine, Relation};
pub use threat::rule_error::RuleError;
pub use threat::threat_model::ThreatModel;
pub use train::FreeAdversarialTrainer;
