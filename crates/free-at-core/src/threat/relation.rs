//! What holds between the features of a row.

use serde::{Deserialize, Serialize};

/// c₀ + Σ cᵢ xᵢ over some features of a row, counted from 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Affine {
    pub(crate) constant: f64,
    pub(crate) terms: Vec<(usize, f64)>,
}

impl Affine {
    /// The constant and the coefficient of each feature; of a feature that is named twice they add up.
    pub fn new(constant: f64, terms: impl IntoIterator<Item = (usize, f64)>) -> Self {
        let mut sum = Self { constant, terms: Vec::new() };
        terms.into_iter().for_each(|(feature, factor)| sum.add(feature, factor));
        sum
    }

    /// Its value for a row; no number if the row has no such feature.
    pub fn of(&self, row: &[f32]) -> f64 {
        let value = |feature: usize| row.get(feature).map_or(f64::NAN, |value| f64::from(*value));
        self.constant + self.terms.iter().map(|(f, factor)| factor * value(*f)).sum::<f64>()
    }

    fn add(&mut self, feature: usize, factor: f64) {
        match self.terms.iter_mut().find(|(known, _)| *known == feature) {
            Some((_, sum)) => *sum += factor,
            None => self.terms.push((feature, factor)),
        }
    }

    /// `factor` times the sum, plus a number.
    pub(crate) fn plus(&self, factor: f64, number: f64) -> Self {
        let terms = self.terms.iter().map(|(feature, c)| (*feature, factor * c));
        Self::new(factor * self.constant + number, terms)
    }

    /// With what a feature is in its place.
    pub(crate) fn with(&self, feature: usize, value: &Affine) -> Self {
        let factor = self.terms.iter().find(|(f, _)| *f == feature).map_or(0.0, |(_, c)| *c);
        let others = self.terms.iter().copied().filter(|(f, _)| *f != feature);
        let terms = others.chain(value.terms.iter().map(|(f, c)| (*f, factor * c)));
        Self::new(self.constant + factor * value.constant, terms)
    }

    pub(crate) fn is_finite(&self) -> bool {
        self.constant.is_finite() && self.terms.iter().all(|(_, factor)| factor.is_finite())
    }
}

/// A relation between the features of a row, which an adversary has to keep.
///
/// A feature that follows from others is no choice of the adversary's: it counts as no distance, whatever its scale, and
/// takes its value from the others in every row that a model sees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// The sum is at most 0.
    AtMostZero(Affine),
    /// The feature is the sum.
    Sum {
        /// It follows from the others.
        feature: usize,
        /// What it is.
        value: Affine,
    },
    /// The feature is `shift + above / below`.
    Ratio {
        /// It follows from the others.
        feature: usize,
        /// The numerator.
        above: Affine,
        /// The denominator; where it is 0, the row could not be.
        below: Affine,
        /// What is added: −mean / std for a feature that is standardised.
        shift: f64,
    },
}

impl Relation {
    /// The feature that follows from others, if one does.
    pub fn follows(&self) -> Option<usize> {
        match self {
            Self::AtMostZero(_) => None,
            Self::Sum { feature, .. } | Self::Ratio { feature, .. } => Some(*feature),
        }
    }

    /// The features in its sums: those that the one that follows follows from.
    pub fn parts(&self) -> Vec<usize> {
        self.sums().into_iter().flat_map(|sum| sum.terms.iter().map(|(at, _)| *at)).collect()
    }

    /// By how much a row breaks it: what is above 0, or how far the feature is from what it should be; infinitely if that is
    /// no number.
    pub fn broken_by(&self, row: &[f32]) -> f64 {
        let away = |feature: &usize, value: f64| {
            row.get(*feature).map_or(f64::NAN, |found| (f64::from(*found) - value).abs())
        };
        let by = match self {
            Self::AtMostZero(sum) => sum.of(row),
            Self::Sum { feature, value } => away(feature, value.of(row)),
            Self::Ratio { feature, above, below, shift } => {
                away(feature, shift + above.of(row) / below.of(row))
            }
        };
        if by.is_nan() { f64::INFINITY } else { by.max(0.0) }
    }

    /// The size of what it compares in a row: that of its terms, or of the feature that follows.
    pub fn size(&self, row: &[f32]) -> f64 {
        let at = |feature: usize| row.get(feature).map_or(0.0, |value| f64::from(value.abs()));
        match self {
            Self::AtMostZero(sum) => {
                let terms = sum.terms.iter().map(|(f, factor)| factor.abs() * at(*f)).sum::<f64>();
                sum.constant.abs() + terms
            }
            Self::Sum { feature, .. } | Self::Ratio { feature, .. } => at(*feature),
        }
    }

    pub(crate) fn sums(&self) -> Vec<&Affine> {
        match self {
            Self::AtMostZero(sum) | Self::Sum { value: sum, .. } => vec![sum],
            Self::Ratio { above, below, .. } => vec![above, below],
        }
    }
}
