//! What free-at promises, checked from outside.

mod attacks_against_pytorch;
mod bad_evaluations;
mod bad_input;
mod catalogue;
mod counting;
mod devices;
mod evaluation;
mod extending;
mod filling;
mod foreign_errors;
mod free_against_pytorch;
mod models_against_pytorch;
mod nets;
mod networks;
mod observers;
mod oracle;
mod penalty;
mod properties;
mod records;
mod reference;
mod safe_runs;
mod send_sync;
mod tables;
mod training_loops;
mod warnings;
mod weights;
