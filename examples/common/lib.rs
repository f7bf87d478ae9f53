//! What the examples share: networks, data, devices, robustness curves and pictures.

pub mod curve;
pub mod data;
pub mod devices;
pub mod network;
pub mod plot;

/// The guide's programs, which are tests of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guide.md")]
pub struct Guide;
