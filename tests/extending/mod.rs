//! What `docs/extending.md` shows: a new attack, a new method and an average of the weights, a file each.

pub(crate) mod ddn;
pub(crate) mod ema;
pub(crate) mod trades;
