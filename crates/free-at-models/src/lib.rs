//! Image classifiers for adversarial training, on Burn.
//!
//! Normalisation is a layer of the model, [`Normalize`], so inputs stay in their own units and
//! an epsilon means what it says.
//!
//! Most programs use this through the crate `free-at`.

mod normalize;
mod small_cnn;

pub use normalize::{Normalize, NormalizeConfig};
pub use small_cnn::{SmallCnn, SmallCnnConfig};
