//! Batch norm and what follows it.

mod backend;
mod dispatch;
mod operation;
mod planes;

pub(crate) use dispatch::{evaluate, train};
