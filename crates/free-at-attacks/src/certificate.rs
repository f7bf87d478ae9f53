//! What holds against every attack, proved.

mod certify;
mod confidence;
mod report;
mod smoothing;

pub use report::{CertifiedSample, SmoothingReport};
pub use smoothing::Smoothing;
