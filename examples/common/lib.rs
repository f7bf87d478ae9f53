//! What the examples share: weights, robustness curves, pictures and files.

pub mod curve;
pub mod files;
pub mod plot;
pub mod weights;
