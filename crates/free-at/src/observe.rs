//! Other uses of the gradient in the input, which Free training has anyway: observers for
//! [`Trainer::observing`](crate::train::Trainer::observing).
//!
//! | observer | what it keeps |
//! |---|---|
//! | [`GradientNorm`] | the mean length of the gradient, as a Burn metric |
//! | [`GradientAlignment`] | the cosine between successive gradients, as a Burn metric: falls before catastrophic overfitting |
//! | [`SaliencyMaps`] | where the gradient is large, averaged over a pass for each class, as a PNG |
//! | [`HardestSamples`] | the running loss of each sample, as JSON |
//!
//! A [`GradientPenalty`](crate::train::GradientPenalty) is none of them, since it changes the training.
//!
//! ```
//! use burn::tensor::Device;
//! use free_at::observe::{GradientNorm, HardestSamples};
//! use free_at::prelude::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let threat = ThreatModel::linf(Epsilon::unit(0.1));
//! let (norm, hardest) = (GradientNorm::new(), HardestSamples::new());
//! let trainer = FreeAdversarialTrainer::new(FreeConfig::new(threat), Device::default())?
//!     .observing(norm.clone())      // in Burn's loop also `.metric_train_numeric(norm)`
//!     .observing(hardest.clone());
//!
//! let mut model = SmallCnnConfig::new(1, digits::CLASSES).init(trainer.device());
//! let mut optimizer = burn::optim::SgdConfig::new().init();
//! for batch in digits::train().take(64).loader(32, Some(0), trainer.device())?.iter() {
//!     let batch = batch?;
//!     for _ in 0..trainer.replays() {
//!         model = trainer.step(model, &mut optimizer, 0.05, &batch)?.0;
//!     }
//! }
//! println!("mean gradient norm {:.3}", norm.take()?.expect("there were steps"));
//! println!("hardest digit: {:?}", hardest.hardest(1)?);
//! # Ok(())
//! # }
//! ```

mod alignment;
mod error;
mod hardest;
mod mean;
mod norm;
mod saliency;

pub use alignment::GradientAlignment;
pub use error::ObserverError;
pub use hardest::{HardSample, HardestSamples};
pub use norm::GradientNorm;
pub use saliency::SaliencyMaps;
