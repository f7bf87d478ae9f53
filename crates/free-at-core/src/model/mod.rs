//! What is asked of a model, and what it is given.

pub(crate) mod batch;
pub(crate) mod classifier;
pub(crate) mod frozen;
pub(crate) mod gradient;
pub(crate) mod interval;
pub(crate) mod label_only;
pub(crate) mod precision;
pub(crate) mod samples;
