//! Training: the same shape for every method, so that changing the method is changing one line.
//!
//! | method | configuration | trainer |
//! |---|---|---|
//! | ordinary training | [`StandardConfig`] | [`StandardTrainer`] |
//! | Free-m (Shafahi et al. 2019) | [`FreeConfig`] | [`FreeAdversarialTrainer`] |
//! | K-PGD (Madry et al. 2018), or any other attack | [`AdversarialConfig`] | [`AdversarialTrainer`] |
//! | TRADES (Zhang et al. 2019) | [`TradesConfig`] | [`TradesTrainer`] |
//! | MART (Wang et al. 2020) | [`MartConfig`] | [`MartTrainer`] |
//! | FGSM with a random start (Wong et al. 2020) | [`FastConfig`] | [`FastAdversarialTrainer`] |
//! | N-FGSM (de Jorge et al. 2022) | [`NoiseFgsmConfig`] | [`NoiseFgsmTrainer`] |
//! | FGSM-MEP (Jia et al. 2022) | [`MepConfig`] | [`MepTrainer`] |
//!
//! Each is a [`Trainer`], against an [`Adversary`]. [`run`](Trainer::run) trains in one call and loses nothing;
//! [`training`](Trainer::training) and [`learner`](Trainer::learner) give Burn's own training loop,
//! [`step`](Trainer::step) one optimiser step for a loop of your own. A method of your own implements [`Method`] and
//! [`Descend`], and is given a [`Step`].

mod error;
mod method;
mod run;
mod state;
mod trainer;
mod trainers;

pub use error::TrainError;
pub use method::adversarial::AdversarialConfig;
pub use method::adversary::{Adversary, ModelMode};
pub use method::fast::FastConfig;
pub use method::free::{Clamp, FreeConfig};
pub use method::interface::{Descend, Method};
pub use method::mart::MartConfig;
pub use method::mep::MepConfig;
pub use method::n_fgsm::NoiseFgsmConfig;
pub use method::observer::{GradientObserver, Observation, Phase};
pub use method::penalty::GradientPenalty;
pub use method::standard::StandardConfig;
pub use method::step::{Descent, Step};
pub use method::trades::TradesConfig;
pub use method::weight_perturbation::WeightPerturbation;
pub use run::adversarial_model::AdversarialModel;
pub use run::after_step::{AfterStep, blend};
pub use run::batch_statistics::reestimate_statistics;
pub use run::checkpoint::{About, Checkpoints};
pub use run::device_mean::DeviceMean;
pub use run::ema::Ema;
pub use run::guard::{Best, Guard, Overfitting, Response};
pub use run::launch::{Run, Trained};
pub use run::loading_clock::LoadingClock;
pub use run::metrics::{EveryNth, RobustAccuracyMetric};
pub use run::metrics_file::{EpochMetrics, MetricsFile};
pub use run::robust_accuracy::RobustCount;
pub use run::short_lines::ShortLines;
pub use run::swa::Swa;
pub use run::validation_output::ValidationOutput;
pub use state::trainer_state::TrainerState;
pub use trainer::{StepError, Trainer};
pub use trainers::{
    AdversarialTrainer, FastAdversarialTrainer, FreeAdversarialTrainer, MartTrainer, MepTrainer,
    NoiseFgsmTrainer, StandardTrainer, TradesTrainer,
};
