//! What free-at promises, checked from outside.

mod bad_input;
mod counting;
mod evaluation;
mod free_against_pytorch;
mod nets;
mod properties;
mod training_loops;
