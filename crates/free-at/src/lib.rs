//! PLACEHOLDER
pub use free_at_attacks as attacks;
pub use free_at_core as core;
pub use free_at_data as data;
pub use free_at_models as models;
