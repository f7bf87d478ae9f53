//! Data sets for adversarial training, on Burn: images in [0, 1], and tables.
//!
//! - [`digits`] is embedded: 1,797 real images that need no download;
//! - [`cifar10`], [`cifar100`], [`fashion_mnist`] and [`idx`] (MNIST) read the published files;
//! - [`ImageFolder`] decodes a folder of images of your own, or ImageNet, as they are needed;
//! - [`ImageDataset`] is what all of them are, and whatever else is in memory: it can be split,
//!   [transformed](Transform), and [loaded](ImageDataset::loading) into a Burn data loader of
//!   [`Batch`](free_at_core::Batch)es;
//! - [`Corruption`]s are what happens to images without an adversary: noise, blur, other colours, compression;
//! - [`Table`] is the same for rows of numbers and categories: from a CSV file by a [`TableConfig`], or
//!   embedded, [`breast_cancer`] and [`wine_quality`].
//!
//! Most programs use this through the crate `free-at`.

pub mod breast_cancer;
mod cifar;
pub mod cifar10;
pub mod cifar100;
mod corruption;
mod dataset;
pub mod digits;
mod error;
pub mod fashion_mnist;
mod folder;
pub mod idx;
mod loader;
mod loading;
mod order;
mod reading;
mod samples;
mod source;
mod table;
mod transform;
pub mod wine_quality;

pub use corruption::Corruption;
pub use dataset::{Image, ImageDataset};
pub use error::DataError;
pub use folder::ImageFolder;
pub use loading::Loading;
pub use table::threat::TableThreat;
pub use table::{Change, Column, ColumnKind, Missing, Table, TableConfig, TableError, Value};
pub use transform::Transform;
