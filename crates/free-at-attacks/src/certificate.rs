//! What holds against every attack, proved.

mod batches;
mod bound;
mod certify;
mod confidence;
mod intervals;
mod report;
mod smoothing;

pub use intervals::{IntervalReport, Intervals};
pub use report::{CertificateReport, CertifiedSample, Certifier};
pub use smoothing::{Smoothing, SmoothingReport};
