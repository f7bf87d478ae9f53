//! What free-at promises, checked from outside.

mod architecture;
mod attack_of;
mod attacks_against_pytorch;
mod averages;
mod bad_evaluations;
mod bad_input;
mod catalogue;
mod convolution;
mod counting;
#[cfg(feature = "remote")]
mod devices;
mod evaluation;
mod extending;
mod filling;
mod foreign_errors;
mod free_against_pytorch;
mod methods_against_pytorch;
mod models_against_pytorch;
mod nets;
mod networks;
mod normalization;
mod observers;
mod oracle;
mod penalty;
mod properties;
mod random_models;
mod records;
mod reference;
mod safe_runs;
mod send_sync;
mod sgd;
mod step_by_step;
mod tables;
mod training_loops;
mod warnings;
mod weights;
