//! What the examples share: networks, data, devices, trainings, robustness curves, model cards and pictures.

pub mod canvas;
pub mod card;
pub mod curve;
pub mod data;
pub mod devices;
pub mod network;
pub mod plot;
mod progress;
pub mod report;
pub mod training;

use std::error::Error;
use std::process::ExitCode;

/// Says what went wrong, and with which status the program ends.
pub fn exit(result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The guide's programs, which are tests of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guide.md")]
pub struct Guide;
