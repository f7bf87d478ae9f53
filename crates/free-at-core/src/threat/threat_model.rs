//! What an adversary may do to an input.

use burn::tensor::{DType, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::bounds::Bounds;
use super::epsilon::Epsilon;
use super::feature_rules::FeatureRules;
use super::norm::Norm;
use super::perturbation_set::{InputBounds, PerturbationSet};
use super::relation::Relation;
use super::row_rules::RowRules;
use super::rule_error::RuleError;
use super::scale::Scale;
use crate::error::Error;

/// What an adversary may do: move an input by at most ε in a norm, inside the input bounds.
///
/// ```
/// use free_at_core::{Bounds, Epsilon, ThreatModel};
///
/// let cifar = ThreatModel::linf(Epsilon::pixels(8.0));
/// let table = ThreatModel::l2(Epsilon::unit(0.5))
///     .with_bounds(Bounds::None)
///     .with_scale(vec![1.0, 2.0, 0.0]); // the third feature cannot change
/// assert_eq!(cifar.to_string(), "L∞, ε = 8/255");
/// assert!(cifar.check().is_ok() && table.check().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThreatModel {
    norm: Norm,
    epsilon: Epsilon,
    bounds: Bounds,
    scale: Option<Vec<f32>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rules: Option<FeatureRules>,
}

impl ThreatModel {
    /// Perturbations with every |δᵢ| ≤ ε, inputs in [0, 1].
    pub fn linf(epsilon: Epsilon) -> Self {
        Self::new(Norm::Linf, epsilon)
    }

    /// Perturbations with ‖δ‖₂ ≤ ε, inputs in [0, 1].
    pub fn l2(epsilon: Epsilon) -> Self {
        Self::new(Norm::L2, epsilon)
    }

    /// Perturbations with ‖δ‖ ≤ ε in `norm`, inputs in [0, 1].
    pub fn new(norm: Norm, epsilon: Epsilon) -> Self {
        Self { norm, epsilon, bounds: Bounds::default(), scale: None, rules: None }
    }

    /// The same with another budget.
    #[must_use]
    pub fn with_epsilon(mut self, epsilon: Epsilon) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// The same with other input bounds. Default: [0, 1].
    #[must_use]
    pub fn with_bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// One scale s per feature, row-major: the perturbation is measured as ‖δ / s‖, so for L∞
    /// feature i moves by at most ε·sᵢ. 0 freezes a feature. Default: 1 everywhere.
    #[must_use]
    pub fn with_scale(mut self, scale: Vec<f32>) -> Self {
        self.scale = Some(scale);
        self
    }

    /// What holds for single features beyond that: ways they may move, whole steps, groups of categories.
    /// Default: nothing.
    #[must_use]
    pub fn with_rules(mut self, rules: FeatureRules) -> Self {
        self.rules = Some(rules);
        self
    }

    /// The norm.
    pub fn norm(&self) -> Norm {
        self.norm
    }

    /// The budget.
    pub fn epsilon(&self) -> Epsilon {
        self.epsilon
    }

    /// The input bounds.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// The scale of each feature, if there is one.
    pub fn scale(&self) -> Option<&[f32]> {
        self.scale.as_deref()
    }

    /// The rules for single features, if there are any.
    pub fn rules(&self) -> Option<&FeatureRules> {
        self.rules.as_ref()
    }

    /// Accepts a threat model that can be attacked.
    ///
    /// # Errors
    /// [`Error::Epsilon`], [`Error::Bounds`], [`Error::Scale`], [`Error::Rules`].
    pub fn check(&self) -> Result<(), Error> {
        self.epsilon.check()?;
        self.bounds.check()?;
        self.check_scale()?;
        if let Some(rules) = &self.rules {
            rules.check()?;
            self.free_categories()?;
        }
        Ok(())
    }

    /// Accepts a step size that is finite and above 0. In L∞ one that crosses the whole range of the inputs is a
    /// mistake of its unit.
    ///
    /// # Errors
    /// [`Error::StepSize`], [`Error::StepSizeUnit`].
    pub fn check_step_size(&self, step_size: Epsilon) -> Result<(), Error> {
        step_size.check_step()?;
        let step = step_size.value();
        match self.bounds {
            Bounds::Range { low, high }
                if self.norm.features_are_independent()
                    && self.scale.is_none()
                    && step > f64::from(high) - f64::from(low) =>
            {
                Err(Error::StepSizeUnit { step, low, high })
            }
            _ => Ok(()),
        }
    }

    fn check_scale(&self) -> Result<(), Error> {
        let Some(scale) = &self.scale else { return Ok(()) };
        let refused = |(feature, value): (usize, &f32)| Error::Scale { feature, value: *value };
        let wrong = |s: &f32| !s.is_finite() || *s < 0.0;
        match scale.iter().enumerate().find(|(_, s)| wrong(s)) {
            Some(feature) => Err(refused(feature)),
            None if scale.iter().all(|s| *s == 0.0) => Err(refused((0, &0.0))),
            None => Ok(()),
        }
    }

    /// The groups of categories that are not frozen.
    fn free_categories(&self) -> Result<Vec<&[usize]>, RuleError> {
        let frozen = |feature: usize| {
            self.scale.as_ref().is_some_and(|scale| scale.get(feature).is_some_and(|s| *s == 0.0))
        };
        let mut free = Vec::new();
        for group in self.rules.iter().flat_map(FeatureRules::categories) {
            match group.iter().filter(|f| frozen(**f)).count() {
                // There is no distance between two categories, so a change must not use up the budget of others.
                0 if self.norm.features_are_independent() => free.push(group.as_slice()),
                0 => {
                    let (group, norm) = (group.clone(), self.norm);
                    return Err(RuleError::CategoriesWithoutLength { group, norm });
                }
                n if n < group.len() => {
                    return Err(RuleError::HalfFrozen { group: group.clone() });
                }
                _ => {}
            }
        }
        Ok(free)
    }

    /// The perturbations allowed around samples such as `inputs` (`[n, …]`), on their device.
    ///
    /// # Errors
    /// Those of [`check`](Self::check), and [`Error::FeatureCount`] if bounds, scale or rules are per
    /// feature and the samples have another number of features.
    pub fn around<const D: usize>(&self, inputs: &Tensor<D>) -> Result<PerturbationSet<D>, Error> {
        self.check()?;
        let mut sample = inputs.dims();
        sample[0] = 1;
        let features: usize = sample.iter().product();
        let device = inputs.device().without_autodiff();
        let expect = |what, found: usize| match found == features {
            true => Ok(()),
            false => Err(Error::FeatureCount { what, expected: features, found }),
        };
        let per_feature = |what, values: &[f32]| {
            expect(what, values.len())?;
            let data = TensorData::new(values.to_vec(), sample);
            Ok::<_, Error>(Tensor::from_data(data, (&device, DType::F32)))
        };
        let (bounds, scale, rules) = match &self.rules {
            Some(rules) => {
                expect("the rules", rules.features())?;
                if let Bounds::PerFeature { low, .. } = &self.bounds {
                    expect("the lower bound", low.len())?;
                }
                expect("the scale", self.scale.as_ref().map_or(features, Vec::len))?;
                let free = self.free_categories()?;
                let (bounds, mut scale) = self.for_categories(features, &free);
                for feature in rules.relations().iter().filter_map(Relation::follows) {
                    scale.get_or_insert_with(|| vec![1.0; features])[feature] = 0.0;
                }
                let relations = self.with_bounds_of_sums(rules.relations());
                (bounds, scale, Some(RowRules::new(rules, &relations, &free, &device)))
            }
            None => (self.bounds.clone(), self.scale.clone(), None),
        };
        let bounds = match &bounds {
            Bounds::None => InputBounds::None,
            Bounds::Range { low, high } => InputBounds::Range(*low, *high),
            Bounds::PerFeature { low, high } => InputBounds::PerFeature(Box::new([
                per_feature("the lower bound", low)?,
                per_feature("the upper bound", high)?,
            ])),
        };
        let scale = match scale {
            Some(scale) => Some(Scale::new(per_feature("the scale", &scale)?, scale)),
            None => None,
        };
        Ok(PerturbationSet::new(self.norm, self.epsilon.value(), bounds, scale, rules))
    }

    /// The relations, and that what is a sum of others stays within its bounds: a limit of those others.
    fn with_bounds_of_sums(&self, relations: &[Relation]) -> Vec<Relation> {
        let ends = |relation: &Relation| {
            let Relation::Sum { feature, value } = relation else { return Vec::new() };
            let (low, high) = self.bounds.of_feature(*feature);
            let above = high.is_finite().then(|| value.plus(1.0, -f64::from(high)));
            let below = low.is_finite().then(|| value.plus(-1.0, f64::from(low)));
            above.into_iter().chain(below).map(Relation::AtMostZero).collect()
        };
        let limits: Vec<Relation> = relations.iter().flat_map(ends).collect();
        relations.iter().cloned().chain(limits).collect()
    }

    /// Bounds and scale with which each free category may go all the way from 0 to 1 and back, whatever
    /// ε is. Between those the bounds leave it alone, so that its gradient is that of a feature in the
    /// middle.
    fn for_categories(&self, features: usize, groups: &[&[usize]]) -> (Bounds, Option<Vec<f32>>) {
        if groups.is_empty() {
            return (self.bounds.clone(), self.scale.clone());
        }
        let (mut low, mut high): (Vec<f32>, Vec<f32>) =
            (0..features).map(|feature| self.bounds.of_feature(feature)).unzip();
        let mut scale = self.scale.clone().unwrap_or_else(|| vec![1.0; features]);
        for &feature in groups.iter().copied().flatten() {
            (low[feature], high[feature]) = (f32::NEG_INFINITY, f32::INFINITY);
            scale[feature] = (1.0 / self.epsilon.value()) as f32;
        }
        (Bounds::PerFeature { low, high }, Some(scale))
    }
}

impl std::fmt::Display for ThreatModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, ε = {}", self.norm, self.epsilon)
    }
}

#[cfg(test)]
mod tests;
