//! Adversarial training at the price of ordinary training, on Burn.
//!
//! "Adversarial Training for Free!" (Shafahi et al., NeurIPS 2019): one backward pass gives the
//! gradient in the parameters and, at no extra cost, the gradient in the input. Free-m replays
//! each minibatch m times, moves a perturbation that carries over between minibatches with that
//! input gradient, and divides the epochs by m.
//!
//! # Train, then attack
//!
//! ```
//! use free_at::burn::optim::SgdConfig;
//! use free_at::burn::tensor::Device;
//! use free_at::prelude::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let artifacts = std::env::temp_dir().join(format!("free-at-doctest-{}", std::process::id()));
//! let threat = ThreatModel::linf(Epsilon::unit(0.1));
//! let trainer = FreeAdversarialTrainer::new(
//!     FreeConfig::new(threat.clone()).with_replays(4),
//!     Device::default(), // whichever backend feature is on; BURN_DEVICE overrides
//! )?;
//! let train = digits::train().take(64).loader(32, Some(0), trainer.device())?;
//! let test = digits::test().take(32).loader(32, None, &Device::default())?;
//!
//! let model = SmallCnnConfig::new(1, digits::CLASSES).init(trainer.device());
//! let trained = trainer
//!     .run(&artifacts, train, test.clone())       // checkpoints and metrics; goes on where it was
//!     .passes(trainer.passes(8))                  // 8 / m passes over the data
//!     .launch(model, SgdConfig::new().init(), 0.05)?;
//!
//! let report = Evaluation::new(threat)
//!     .attack(Fgsm::new())
//!     .attack(Pgd::new(20).with_restarts(2))
//!     .run(&trained.model, &*test)?;
//! println!("{report}");
//! # std::fs::remove_dir_all(&artifacts)?;
//! # Ok(())
//! # }
//! ```
//!
//! # The rooms
//!
//! - here: threat models ([`ThreatModel`], [`Epsilon`], [`Norm`], [`Bounds`]), what an attack wants ([`Goal`],
//!   [`Objective`]), what it acts on ([`Classifier`], [`Batch`], [`FrozenModel`], [`LabelOnly`]);
//! - [`train`]: the trainers, a run in one call, the guard;
//! - [`attacks`]: from FGSM to AutoAttack, the evaluation, model cards, and the parts that attacks are made of;
//! - [`models`]: networks, weights from and to PyTorch, normalisation as a layer;
//! - [`nn`]: the convolution and batch norm that they are made of, several times as fast as Burn's on the CPU, for your
//!   own networks too;
//! - [`data`]: embedded digits, image data sets, tables;
//! - [`recipe`]: published training recipes;
//! - [`observe`]: other uses of the input gradient: norms, alignment, saliency maps, hard samples.
//!
//! [`burn`] is the Burn that all of it is built on: no other dependency is needed. Where you derive its `Module`, bring
//! it into scope, `use free_at::burn;`.
//!
//! # Backends
//!
//! The feature `flex` (default) is a pure-Rust CPU backend; `wgpu`, `vulkan`, `metal`, `cuda`,
//! `rocm` and `cpu` are Burn's others. `tui` is Burn's terminal dashboard.

pub mod observe;
pub mod recipe;

pub use burn;

pub use free_at_attacks as attacks;
pub use free_at_data as data;
pub use free_at_models as models;
pub use free_at_nn as nn;

pub use free_at_core::{
    Affine, Batch, BoundedClassifier, Bounds, Classifier, Direction, Draws, Epsilon, Error,
    FeatureRules, FrozenModel, Goal, InputGradient, Interval, LabelOnly, Norm, Objective,
    PerturbationSet, Radius, Relation, RuleError, ThreatModel, Trainable, check_device,
    check_samples, files, rows, train,
};

/// What most programs import.
pub mod prelude {
    pub use crate::recipe::Recipe;
    pub use free_at_attacks::{Attack, AutoAttack, Evaluation, Fgsm, Pgd, RobustnessReport};
    pub use free_at_core::train::{
        AdversarialConfig, AdversarialTrainer, Adversary, Checkpoints, FastAdversarialTrainer,
        FastConfig, FreeAdversarialTrainer, FreeConfig, Guard, StandardConfig, StandardTrainer,
        Trainer,
    };
    pub use free_at_core::{Batch, Bounds, Classifier, Epsilon, Error, ThreatModel};
    pub use free_at_data::{ImageDataset, TableConfig, digits};
    pub use free_at_models::{NetworkConfig, SmallCnnConfig, Summarize};
}
