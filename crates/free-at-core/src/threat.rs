//! What an adversary may do to an input.

use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::{Bounds, Draws, Epsilon, Error, Norm};

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
            true => Ok(Tensor::from_data(TensorData::new(values.to_vec(), sample), &device)),
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
        Ok(PerturbationSet { norm: self.norm, epsilon: self.epsilon.value(), bounds, scale })
    }
}

impl std::fmt::Display for ThreatModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, ε = {}", self.norm, self.epsilon)
    }
}

#[derive(Debug, Clone)]
enum InputBounds<const D: usize> {
    None,
    Range(f32, f32),
    PerFeature(Box<[Tensor<D>; 2]>),
}

/// The perturbations that a [`ThreatModel`] allows around samples of one shape: projection onto
/// them, the steepest step within them, a random one of them. Made by [`ThreatModel::around`].
#[derive(Debug, Clone)]
pub struct PerturbationSet<const D: usize> {
    norm: Norm,
    epsilon: f64,
    bounds: InputBounds<D>,
    scale: Option<(Tensor<D>, Vec<f32>)>,
}

impl<const D: usize> PerturbationSet<D> {
    /// The inputs themselves, clamped to the input bounds.
    pub fn clamp(&self, inputs: Tensor<D>) -> Tensor<D> {
        match &self.bounds {
            InputBounds::None => inputs,
            InputBounds::Range(low, high) => inputs.clamp(*low, *high),
            InputBounds::PerFeature(limits) => {
                let [low, high] = *limits.clone();
                inputs.max_pair(low).min_pair(high)
            }
        }
    }

    /// The perturbation projected onto the ε-ball; the input bounds are left aside.
    pub fn project_to_ball(&self, delta: Tensor<D>) -> Tensor<D> {
        match (self.norm, &self.scale) {
            (Norm::Linf, None) => delta.clamp(-self.epsilon, self.epsilon),
            (Norm::Linf, Some((scale, _))) => {
                let limit = scale.clone().mul_scalar(self.epsilon);
                delta.max_pair(limit.clone().neg()).min_pair(limit)
            }
            (Norm::L2, _) => {
                let delta = self.freeze(delta);
                // 1 inside the ball, ε / ‖δ‖ outside.
                let length = self.measure(delta.clone()).clamp_min(self.epsilon);
                delta * length.recip().mul_scalar(self.epsilon)
            }
        }
    }

    /// The perturbation limited so that `inputs + delta` is within the input bounds.
    ///
    /// For inputs within the bounds each feature of it only shrinks, so a perturbation in the ball
    /// stays there.
    pub fn project_to_bounds(&self, inputs: &Tensor<D>, delta: Tensor<D>) -> Tensor<D> {
        let (low, high) = match &self.bounds {
            InputBounds::None => return delta,
            InputBounds::Range(low, high) => {
                let below = inputs.clone().neg();
                (below.clone().add_scalar(*low), below.add_scalar(*high))
            }
            InputBounds::PerFeature(limits) => {
                let [low, high] = *limits.clone();
                (low - inputs.clone(), high - inputs.clone())
            }
        };
        delta.max_pair(low).min_pair(high)
    }

    /// The perturbation projected onto the ε-ball and the input bounds.
    pub fn project(&self, inputs: &Tensor<D>, delta: Tensor<D>) -> Tensor<D> {
        self.project_to_bounds(inputs, self.project_to_ball(delta))
    }

    /// The step of length `size` along which the loss rises fastest in this norm: `size · sign(g)`
    /// for L∞, `size · g / ‖g‖₂` for L2, zero where the gradient is.
    pub fn steepest_step(&self, gradient: Tensor<D>, size: f64) -> Tensor<D> {
        match (self.norm, &self.scale) {
            (Norm::Linf, None) => gradient.sign().mul_scalar(size),
            (Norm::Linf, Some((scale, _))) => gradient.sign().mul_scalar(size) * scale.clone(),
            (Norm::L2, None) => unit_length(gradient).mul_scalar(size),
            // Steepest in δ / s is along s·g; that step, seen in δ, is s times as long.
            (Norm::L2, Some((scale, _))) => {
                unit_length(gradient * scale.clone()).mul_scalar(size) * scale.clone()
            }
        }
    }

    /// A random perturbation of each input, uniform over the ε-ball, then limited to the bounds.
    pub fn random_start(&self, inputs: &Tensor<D>, draws: &Draws) -> Tensor<D> {
        let (shape, device) = (inputs.dims(), inputs.device().without_autodiff());
        let scale = self.scale.as_ref();
        let start = match self.norm {
            Norm::Linf => draws.uniform(shape, &device),
            Norm::L2 => draws.unit_ball(shape, scale.map(|(_, s)| s.as_slice()), &device),
        }
        .mul_scalar(self.epsilon);
        let start = match scale {
            Some((scale, _)) => start * scale.clone(),
            None => start,
        };
        self.project_to_bounds(inputs, start)
    }

    /// The size of each sample's perturbation as the threat model measures it, `[n, 1, …]`.
    ///
    /// A frozen feature counts as it is, so any change of it is seen.
    pub fn measure(&self, delta: Tensor<D>) -> Tensor<D> {
        self.norm.of(match &self.scale {
            Some((scale, _)) => {
                let divisor = scale.clone().mask_fill(scale.clone().equal_scalar(0.0), 1.0);
                delta / divisor
            }
            None => delta,
        })
    }

    fn freeze(&self, delta: Tensor<D>) -> Tensor<D> {
        match &self.scale {
            Some((scale, _)) => delta * scale.clone().greater_scalar(0.0).float(),
            None => delta,
        }
    }
}

/// Each sample's gradient over its L2 norm; zero where the gradient is.
fn unit_length<const D: usize>(gradient: Tensor<D>) -> Tensor<D> {
    // Over its largest element first: the squares of a confident sample's gradient would underflow.
    let largest = Norm::Linf.of(gradient.clone());
    let largest = largest.clone().mask_fill(largest.equal_scalar(0.0), 1.0);
    let gradient = gradient / largest;
    let length = Norm::L2.of(gradient.clone()).clamp_min(1.0); // is 0, or at least 1
    gradient / length
}

#[cfg(test)]
mod tests;
