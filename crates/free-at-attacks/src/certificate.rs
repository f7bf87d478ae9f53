//! What holds against every attack, proved.

mod bound;
mod certify;
mod confidence;
mod intervals;
mod labels;
mod report;
mod smoothing;

pub use intervals::{IntervalReport, Intervals};
pub use report::{CertificateReport, CertifiedSample, Certifier};
pub use smoothing::{Smoothing, SmoothingReport};
