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
//! use burn::optim::SgdConfig;
//! use burn::optim::lr_scheduler::constant::ConstantLr;
//! use burn::tensor::Device;
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
//! let result = trainer
//!     .training(&artifacts, train, test.clone())  // Burn's SupervisedTraining
//!     .num_epochs(trainer.epochs(8))              // 8 / m passes over the data
//!     .launch(trainer.learner(model, SgdConfig::new().init(), ConstantLr::new(0.05))?);
//!
//! let report = Evaluation::new(threat)
//!     .attack(Fgsm::new())
//!     .attack(Pgd::new(20).with_restarts(2))
//!     .run(&result.model.into_classifier(), &*test)?;
//! println!("{report}");
//! # std::fs::remove_dir_all(&artifacts)?;
//! # Ok(())
//! # }
//! ```
//!
//! # The rooms
//!
//! - [`core`]: threat models, input gradients, [`core::train`] with the trainers;
//! - [`attacks`]: from FGSM to AutoAttack, and the evaluation;
//! - [`models`]: networks, weights from and to PyTorch, normalisation as a layer;
//! - [`data`]: embedded digits, image data sets, tables;
//! - [`observe`]: other uses of the input gradient: norms, alignment, saliency maps, hard samples.
//!
//! # Backends
//!
//! The feature `flex` (default) is a pure-Rust CPU backend; `wgpu`, `vulkan`, `metal`, `cuda`,
//! `rocm` and `cpu` are Burn's others. `tui` (default) is Burn's terminal dashboard.

pub mod observe;
pub mod recipe;

pub use free_at_attacks as attacks;
pub use free_at_core as core;
pub use free_at_data as data;
pub use free_at_models as models;

pub use free_at_core::Error;
pub use free_at_core::train;

/// What most programs import.
pub mod prelude {
    pub use crate::recipe::{Recipe, RecipeError, Schedule};
    pub use free_at_attacks::{
        Apgd, ApgdT, AutoAttack, Bim, Cw, Evaluation, FabT, Fgsm, MiFgsm, Pgd, RFgsm,
        RobustnessReport, Square,
    };
    pub use free_at_core::train::{
        AdversarialConfig, AdversarialTrainer, Clamp, FastAdversarialTrainer, FastConfig,
        FreeAdversarialTrainer, FreeConfig, GradientPenalty, StandardConfig, StandardTrainer,
        Trainer,
    };
    pub use free_at_core::{
        Attack, AttackTask, Batch, Bounds, Classifier, Draws, Epsilon, Error, FeatureRules,
        FrozenModel, Labels, Norm, Objective, Target, ThreatModel,
    };
    pub use free_at_data::{
        Image, ImageDataset, ImageFolder, Table, TableConfig, Transform, digits,
    };
    pub use free_at_models::{
        Checkpoint, MadryWideResNet, MadryWideResNetConfig, Mlp, MlpConfig, MnistCnn,
        MnistCnnConfig, ModelError, Network, NetworkConfig, Normalize, NormalizeConfig, Normalized,
        PerImageStandardize, PerImageStandardizeConfig, PreActResNet, PreActResNetConfig, ResNet,
        ResNetConfig, SmallCnn, SmallCnnConfig, Stem, Summarize, WideResNet, WideResNetConfig,
    };
}
