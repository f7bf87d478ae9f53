//! Models that draw when they are asked.

pub(crate) mod input_noise;
pub(crate) mod own_draws;
pub(crate) mod random_resize;
