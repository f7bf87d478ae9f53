//! What the examples share: networks, data, robustness curves, pictures and files.

pub mod curve;
pub mod data;
pub mod files;
pub mod network;
pub mod plot;
