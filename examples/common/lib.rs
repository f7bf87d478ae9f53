//! What the examples share: networks, data, devices, robustness curves and pictures.

pub mod curve;
pub mod data;
pub mod devices;
pub mod network;
pub mod plot;
