//! How an attack acts on a model, and the parts that attacks are made of. The attacks themselves are in
//! `free-at-attacks`.

pub(crate) mod ascent;
pub(crate) mod closest;
pub(crate) mod device_check;
pub(crate) mod interface;
pub(crate) mod minimal;
pub(crate) mod search;
pub(crate) mod survivors;
pub(crate) mod target;
pub(crate) mod task;
