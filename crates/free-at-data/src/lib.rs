//! Data sets in [0, 1] for adversarial training, on Burn.
//!
//! [`digits`] is embedded: 1,797 real images that need no download. [`ImageDataset`] holds any
//! other images, checked when it is made, and gives Burn data loaders of
//! [`Batch`](free_at_core::Batch)es.
//!
//! Most programs use this through the crate `free-at`.

pub mod digits;
mod images;
mod loader;

pub use images::{Image, ImageBatcher, ImageDataset};
pub use loader::CheckedLoader;
