//! Any convolution, by patches: gathered a tile of pixels at a time, so that they stay in the second-level
//! cache, and multiplied by the weights.

mod forward;
mod input_gradient;
mod parts;
mod pixel_weights;
mod pixels;
mod tile;
mod weight_gradient;

pub(crate) use forward::forward;
pub(crate) use input_gradient::input_gradient;
pub(crate) use weight_gradient::weight_gradient;
