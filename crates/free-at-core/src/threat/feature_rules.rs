//! What holds for single features of a table, beyond norm, scale and bounds.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::relation::Relation;
use super::rule_error::RuleError;
use crate::error::Error;

/// Which way a feature may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// It may only rise.
    Up,
    /// It may only fall: an income that can be reported lower, say.
    Down,
}

/// What an adversary may do to the single features of a table: features that move one way only, or in
/// whole steps, and groups of features of which exactly one is 1.
///
/// Features are counted from 0. What is not mentioned moves as the norm, the scale and the bounds of
/// the [`ThreatModel`](crate::ThreatModel) allow; a feature that cannot change has a scale of 0 there.
///
/// A model only ever sees rows that keep the rules: attacks and trainers move between them, and
/// [`PerturbationSet::snap`](crate::PerturbationSet::snap) takes each row to the nearest one that is
/// allowed before the model does.
///
/// ```
/// use free_at_core::{Bounds, Direction, Epsilon, FeatureRules, ThreatModel};
///
/// // Income in thousands, age in years, and one of three professions.
/// let rules = FeatureRules::new(5)
///     .with_direction(0, Direction::Down)
///     .with_step(1, 1.0)
///     .with_categories(vec![2, 3, 4]);
/// let threat = ThreatModel::linf(Epsilon::unit(0.5))
///     .with_bounds(Bounds::None)
///     .with_scale(vec![12.0, 4.0, 1.0, 1.0, 1.0]) // 6,000 of income, 2 years
///     .with_rules(rules);
/// assert!(threat.check().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureRules {
    features: usize,
    directions: BTreeMap<usize, Direction>,
    steps: BTreeMap<usize, f32>,
    categories: Vec<Vec<usize>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    relations: Vec<Relation>,
}

impl FeatureRules {
    /// No rules yet, for rows of so many features.
    pub fn new(features: usize) -> Self {
        let (directions, steps) = (BTreeMap::new(), BTreeMap::new());
        Self { features, directions, steps, categories: Vec::new(), relations: Vec::new() }
    }

    /// The feature only rises, or only falls. Default: both.
    #[must_use]
    pub fn with_direction(mut self, feature: usize, direction: Direction) -> Self {
        self.directions.insert(feature, direction);
        self
    }

    /// The feature moves in whole multiples of `step`, above 0 and in the unit of the inputs: 1 for a
    /// count, 1 / σ for one that is standardised. Default: by any amount.
    #[must_use]
    pub fn with_step(mut self, feature: usize, step: f32) -> Self {
        self.steps.insert(feature, step);
        self
    }

    /// The features are the categories of one property: one of them is 1 and the others are 0, whatever
    /// an adversary does. It may choose any category: there is no distance between two of them that
    /// could be compared with ε. A scale of 0 for all of them freezes the group.
    #[must_use]
    pub fn with_categories(mut self, group: Vec<usize>) -> Self {
        self.categories.push(group);
        self
    }

    /// What holds between features: every row that a model sees keeps it. Where attacks leave it, they are taken back to
    /// the nearest row that projections find, or, where that is not whole, towards the input; a feature that follows from others
    /// is computed. One may follow from another that was named before. Rows have to keep it to begin with.
    #[must_use]
    pub fn with_relation(mut self, relation: Relation) -> Self {
        self.relations.push(relation);
        self
    }

    /// The number of features of a row.
    pub fn features(&self) -> usize {
        self.features
    }

    /// The way that the feature may move; both ways, if there is none.
    pub fn direction(&self, feature: usize) -> Option<Direction> {
        self.directions.get(&feature).copied()
    }

    /// The step of the feature, if it has one.
    pub fn step(&self, feature: usize) -> Option<f32> {
        self.steps.get(&feature).copied()
    }

    /// The groups of categories.
    pub fn categories(&self) -> &[Vec<usize>] {
        &self.categories
    }

    /// What holds between features.
    pub fn relations(&self) -> &[Relation] {
        &self.relations
    }

    /// Accepts rules that can be kept.
    ///
    /// # Errors
    /// [`Error::Rules`] with the [`RuleError`].
    pub fn check(&self) -> Result<(), Error> {
        self.contradiction().map_or(Ok(()), |error| Err(error.into()))
    }

    fn contradiction(&self) -> Option<RuleError> {
        let features = self.features;
        let grouped = self.categories.iter().flatten();
        let named = self.directions.keys().chain(self.steps.keys()).chain(grouped);
        if let Some(&feature) = named.clone().find(|feature| **feature >= features) {
            return Some(RuleError::NoSuchFeature { feature, features });
        }
        let wrong = |step: &f32| !(step.is_finite() && *step > 0.0);
        if let Some((&feature, &step)) = self.steps.iter().find(|(_, step)| wrong(step)) {
            return Some(RuleError::Step { feature, step });
        }
        if let Some(group) = self.categories.iter().find(|group| group.len() < 2) {
            return Some(RuleError::Categories { group: group.clone() });
        }
        if let Some(wrong) = self.unrelated() {
            return Some(wrong);
        }
        let mut seen = BTreeSet::new();
        for &feature in self.categories.iter().flatten() {
            if !seen.insert(feature) {
                return Some(RuleError::Overlap { feature });
            }
            if self.directions.contains_key(&feature) || self.steps.contains_key(&feature) {
                return Some(RuleError::CategoryMoves { feature });
            }
        }
        None
    }

    /// What is wrong with the relations.
    fn unrelated(&self) -> Option<RuleError> {
        let features = self.features;
        let mut followers = BTreeSet::new();
        let ruled = |feature: usize| {
            let grouped = self.categories.iter().flatten().any(|f| *f == feature);
            grouped || self.directions.contains_key(&feature) || self.steps.contains_key(&feature)
        };
        let later = |at: usize, feature: usize| {
            self.relations[at..].iter().any(|relation| relation.follows() == Some(feature))
        };
        for (at, relation) in self.relations.iter().enumerate() {
            for sum in relation.sums() {
                if sum.terms.is_empty() || !sum.is_finite() {
                    return Some(RuleError::Relation { relation: at });
                }
                for &(feature, _) in &sum.terms {
                    if feature >= features {
                        return Some(RuleError::NoSuchFeature { feature, features });
                    }
                    if relation.follows().is_some() && later(at, feature) {
                        return Some(RuleError::FollowsItself { relation: at, feature });
                    }
                    let is_ratio = |other: &Relation| matches!(other, Relation::Ratio { feature: f, .. } if *f == feature);
                    if relation.follows().is_none() && self.relations.iter().any(is_ratio) {
                        return Some(RuleError::RatioLimited { relation: at, feature });
                    }
                }
            }
            let Some(feature) = relation.follows() else { continue };
            if feature >= features {
                return Some(RuleError::NoSuchFeature { feature, features });
            }
            if !followers.insert(feature) || ruled(feature) {
                return Some(RuleError::FollowerRuled { feature });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_rules_that_cannot_be_kept() {
        let new = || FeatureRules::new(4);
        let cases = [
            (
                new().with_direction(4, Direction::Up),
                RuleError::NoSuchFeature { feature: 4, features: 4 },
            ),
            (
                new().with_categories(vec![0, 7]),
                RuleError::NoSuchFeature { feature: 7, features: 4 },
            ),
            (new().with_step(1, 0.0), RuleError::Step { feature: 1, step: 0.0 }),
            (
                new().with_step(2, f32::INFINITY),
                RuleError::Step { feature: 2, step: f32::INFINITY },
            ),
            (new().with_categories(vec![3]), RuleError::Categories { group: vec![3] }),
            (
                new().with_categories(vec![0, 1]).with_categories(vec![1, 2]),
                RuleError::Overlap { feature: 1 },
            ),
            (new().with_categories(vec![0, 0]), RuleError::Overlap { feature: 0 }),
            (
                new().with_categories(vec![0, 1]).with_step(0, 1.0),
                RuleError::CategoryMoves { feature: 0 },
            ),
        ];
        for (rules, expected) in cases {
            assert_eq!(rules.check(), Err(Error::Rules(expected)));
        }
        assert!(matches!(
            new().with_step(2, f32::NAN).check(),
            Err(Error::Rules(RuleError::Step { feature: 2, .. }))
        ));
    }

    #[test]
    fn rules_survive_json() {
        let rules = FeatureRules::new(4)
            .with_direction(0, Direction::Down)
            .with_step(1, 0.5)
            .with_categories(vec![2, 3]);
        let json = serde_json::to_string(&rules).unwrap();
        assert_eq!(serde_json::from_str::<FeatureRules>(&json).unwrap(), rules);
    }
}
