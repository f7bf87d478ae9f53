//! Training: the same shape for every method, so that changing the method is changing one line.
//!
//! | method | configuration | trainer |
//! |---|---|---|
//! | ordinary training | [`StandardConfig`] | [`StandardTrainer`] |
//! | Free-m (Shafahi et al. 2019) | [`FreeConfig`] | [`FreeAdversarialTrainer`] |
//! | K-PGD (Madry et al. 2018), or any other attack | [`AdversarialConfig`] | [`AdversarialTrainer`] |
//! | FGSM with a random start (Wong et al. 2020) | [`FastConfig`] | [`FastAdversarialTrainer`] |
//!
//! Each is a [`Trainer`]: [`training`](Trainer::training) and [`learner`](Trainer::learner) give
//! Burn's own training loop, [`step`](Trainer::step) one optimiser step for a loop of your own.

mod adversarial;
mod fast;
mod free;
mod method;
mod replay;
mod session;
mod standard;
mod state;
mod step;
mod trainer;
mod watch;

pub use adversarial::{AdversarialConfig, AdversarialTrainer};
pub use fast::{FastAdversarialTrainer, FastConfig};
pub use free::{Clamp, FreeAdversarialTrainer, FreeConfig};
pub use method::{Descend, Descent, Method};
pub use standard::{StandardConfig, StandardTrainer};
pub use state::{TrainerState, Worker};
pub use step::AdversarialModel;
pub use trainer::{StepError, Trainer};
