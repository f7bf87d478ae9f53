//! Rules for features that cannot be kept.

use super::norm::Norm;

/// Why rules for features cannot be kept.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// A rule for a feature that there is not.
    #[error("there is a rule for feature {feature}, but rows have {features} features, from 0 on")]
    NoSuchFeature {
        /// The feature named.
        feature: usize,
        /// Features of a row.
        features: usize,
    },

    /// A step that is no positive, finite number.
    #[error("feature {feature} moves in steps of {step}: a step must be finite and above 0")]
    Step {
        /// The feature.
        feature: usize,
        /// The step found.
        step: f32,
    },

    /// A group of fewer than two categories.
    #[error("a group of categories needs two features or more, found {group:?}")]
    Categories {
        /// The group's features.
        group: Vec<usize>,
    },

    /// A feature in two groups of categories, or twice in one.
    #[error("feature {feature} is a category of two groups: groups must not overlap")]
    Overlap {
        /// The feature.
        feature: usize,
    },

    /// A category with a direction or a step.
    #[error(
        "feature {feature} is a category, 0 or 1, and has a direction or a step too: leave that out"
    )]
    CategoryMoves {
        /// The feature.
        feature: usize,
    },

    /// A relation of no feature, or with a coefficient that is no finite number.
    #[error(
        "relation {relation} (from 0 on) must have a feature in each sum, and finite coefficients"
    )]
    Relation {
        /// Its position.
        relation: usize,
    },

    /// A feature that follows from itself, or from one that follows later.
    #[error(
        "relation {relation} (from 0 on) takes feature {feature}, which follows from others only then or later: name relations in the order in which they can be computed"
    )]
    FollowsItself {
        /// The position of the relation.
        relation: usize,
        /// The feature.
        feature: usize,
    },

    /// A limit of a ratio.
    #[error(
        "relation {relation} (from 0 on) limits feature {feature}, which is a ratio: limit its numerator by its denominator"
    )]
    RatioLimited {
        /// The position of the relation.
        relation: usize,
        /// The feature.
        feature: usize,
    },

    /// A feature that follows from others twice, or has another rule too.
    #[error(
        "feature {feature} follows from others: it can have no second such relation, direction, step or category"
    )]
    FollowerRuled {
        /// The feature.
        feature: usize,
    },

    /// A row that breaks a relation before anybody has moved it.
    #[error(
        "sample {sample} breaks relation {relation} (from 0 on) by {by} without an attack: leave the relation, or the sample, out"
    )]
    BrokenBefore {
        /// The sample's position in the data.
        sample: usize,
        /// The position of the relation.
        relation: usize,
        /// By how much, in the unit of the features.
        by: f64,
    },

    /// A group of which some features are frozen and some are not.
    #[error(
        "of the categories {group:?} some have a scale of 0 and some have not: freeze all of them or none"
    )]
    HalfFrozen {
        /// The group's features.
        group: Vec<usize>,
    },

    /// Categories that may change, in a norm that has no measure for it.
    #[error(
        "the categories {group:?} may change, which has no length in {norm}: use L∞, or give them a scale of 0"
    )]
    CategoriesWithoutLength {
        /// The group's features.
        group: Vec<usize>,
        /// The norm.
        norm: Norm,
    },
}
