//! Data sets in [0, 1] for adversarial training, on Burn.
//!
//! - [`digits`] is embedded: 1,797 real images that need no download;
//! - [`cifar10`], [`cifar100`], [`fashion_mnist`] and [`idx`] (MNIST) read the published files;
//! - [`ImageFolder`] decodes a folder of images of your own, or ImageNet, as they are needed;
//! - [`ImageDataset`] is what all of them are, and whatever else is in memory: it can be split,
//!   [transformed](Transform), and [loaded](ImageDataset::loading) into a Burn data loader of
//!   [`Batch`](free_at_core::Batch)es.
//!
//! Most programs use this through the crate `free-at`.

mod cifar;
pub mod cifar10;
pub mod cifar100;
mod dataset;
pub mod digits;
mod error;
pub mod fashion_mnist;
mod files;
mod folder;
pub mod idx;
mod loader;
mod loading;
mod order;
mod source;
mod transform;

pub use dataset::{Image, ImageDataset};
pub use error::DataError;
pub use folder::ImageFolder;
pub use loading::Loading;
pub use transform::Transform;
