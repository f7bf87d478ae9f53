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
mod backend;
mod checkpoint;
mod clock;
mod devices;
mod error;
mod extras;
mod fast;
mod free;
mod guard;
mod method;
mod metric;
mod metrics_file;
mod observer;
mod output;
mod penalty;
mod probe;
mod replay;
mod session;
mod standard;
mod state;
mod step;
mod trainer;
mod validation;
mod warmup;
mod watch;

pub use adversarial::{AdversarialConfig, AdversarialTrainer};
pub use checkpoint::{About, Checkpoints};
pub use clock::LoadingClock;
pub use error::RunError;
pub use fast::{FastAdversarialTrainer, FastConfig};
pub use free::{Clamp, FreeAdversarialTrainer, FreeConfig};
pub use guard::{Best, Guard, Overfitting, Response};
pub use method::{Descend, Descent, Method};
pub use metric::{EveryNth, RobustAccuracyMetric};
pub use metrics_file::{EpochMetrics, MetricsFile};
pub use observer::{GradientObserver, Observation, ObserverError, Phase};
pub use output::ValidationOutput;
pub use penalty::{GradientPenalty, PenaltyError};
pub use probe::RobustCount;
pub use standard::{StandardConfig, StandardTrainer};
pub use state::{TrainerState, Worker};
pub use step::AdversarialModel;
pub use trainer::{StepError, Trainer};
