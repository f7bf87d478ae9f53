//! Recipes that cannot be followed.

use free_at_core::Error;
use free_at_core::train::TrainError;
use free_at_models::ModelError;

/// Why a recipe was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// No recipe has this name.
    #[error("there is no recipe `{name}`: expected {known}")]
    Unknown {
        /// The name found.
        name: String,
        /// The names that there are.
        known: String,
    },

    /// A value out of its range.
    #[error("{parameter} must be {allowed}, found {found}")]
    Parameter {
        /// What it is of.
        parameter: &'static str,
        /// The range.
        allowed: &'static str,
        /// The value found.
        found: String,
    },

    /// The network cannot be made.
    #[error(transparent)]
    Model(#[from] ModelError),

    /// The method is out of range.
    #[error(transparent)]
    Train(#[from] TrainError),

    /// The threat model is out of range.
    #[error(transparent)]
    Core(#[from] Error),
}

impl RecipeError {
    pub(crate) fn parameter(
        parameter: &'static str,
        allowed: &'static str,
        found: impl ToString,
    ) -> Self {
        Self::Parameter { parameter, allowed, found: found.to_string() }
    }
}
