//! What an adversary may do to an input.

use burn::tensor::{DType, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::perturbation::InputBounds;
use crate::{Bounds, Epsilon, Error, Norm, PerturbationSet};

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
        Self { norm, epsilon, bounds: Bounds::default(), scale: None }
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

    /// Accepts a threat model that can be attacked.
    ///
    /// # Errors
    /// [`Error::Epsilon`], [`Error::Bounds`], [`Error::Scale`].
    pub fn check(&self) -> Result<(), Error> {
        self.epsilon.check()?;
        self.bounds.check()?;
        let Some(scale) = &self.scale else { return Ok(()) };
        let refused = |(feature, value): (usize, &f32)| Error::Scale { feature, value: *value };
        let wrong = |s: &f32| !s.is_finite() || *s < 0.0;
        match scale.iter().enumerate().find(|(_, s)| wrong(s)) {
            Some(feature) => Err(refused(feature)),
            None if scale.iter().all(|s| *s == 0.0) => Err(refused((0, &0.0))),
            None => Ok(()),
        }
    }

    /// The perturbations allowed around samples such as `inputs` (`[n, …]`), on their device.
    ///
    /// # Errors
    /// Those of [`check`](Self::check), and [`Error::FeatureCount`] if bounds or scale are per
    /// feature and the samples have another number of features.
    pub fn around<const D: usize>(&self, inputs: &Tensor<D>) -> Result<PerturbationSet<D>, Error> {
        self.check()?;
        let mut sample = inputs.dims();
        sample[0] = 1;
        let features: usize = sample.iter().product();
        let device = inputs.device().without_autodiff();
        let per_feature = |what, values: &[f32]| match values.len() == features {
            true => {
                let data = TensorData::new(values.to_vec(), sample);
                Ok(Tensor::from_data(data, (&device, DType::F32)))
            }
            false => Err(Error::FeatureCount { what, expected: features, found: values.len() }),
        };
        let bounds = match &self.bounds {
            Bounds::None => InputBounds::None,
            Bounds::Range { low, high } => InputBounds::Range(*low, *high),
            Bounds::PerFeature { low, high } => InputBounds::PerFeature(Box::new([
                per_feature("the lower bound", low)?,
                per_feature("the upper bound", high)?,
            ])),
        };
        let scale = match &self.scale {
            Some(scale) => Some((per_feature("the scale", scale)?, scale.clone())),
            None => None,
        };
        Ok(PerturbationSet::new(self.norm, self.epsilon.value(), bounds, scale))
    }
}

impl std::fmt::Display for ThreatModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, ε = {}", self.norm, self.epsilon)
    }
}

#[cfg(test)]
mod tests;
