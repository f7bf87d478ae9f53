//! Training in Burn's own loop: replays, metrics, the guard, checkpoints, devices, and all of it in one call.

pub(crate) mod adversarial_model;
pub(crate) mod after_step;
pub(crate) mod batch_statistics;
pub(crate) mod checkpoint;
pub(crate) mod device_kind;
pub(crate) mod device_mean;
pub(crate) mod devices;
pub(crate) mod ema;
pub(crate) mod event_file;
mod finite;
pub(crate) mod guard;
mod label_watch;
pub(crate) mod launch;
pub(crate) mod loading_clock;
pub(crate) mod loss_watch;
pub(crate) mod metrics;
pub(crate) mod metrics_file;
pub(crate) mod rates;
pub(crate) mod replay;
pub(crate) mod robust_accuracy;
pub(crate) mod session;
pub(crate) mod short_lines;
pub(crate) mod swa;
pub(crate) mod take_step;
pub(crate) mod validation;
pub(crate) mod validation_output;
mod watcher;
