//! Any classifier behind a normalisation.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Int, Tensor};
use free_at_core::{BoundedClassifier, Classifier, Draws, Error, Interval};

use crate::boxes::normalized;
use crate::{Normalize, NormalizeConfig, PyTorchNames, Summarize, Summary};

/// A classifier whose inputs are normalised first, so that inputs, epsilon and adversarial examples
/// stay in their own units.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use free_at_core::Classifier;
/// use free_at_models::{Normalized, NormalizeConfig, PreActResNetConfig};
///
/// let device = Device::flex();
/// let network = PreActResNetConfig::preact_resnet18(10).with_width(4).init(&device);
/// let model = Normalized::new(NormalizeConfig::cifar10().init(&device), network);
/// assert_eq!(model.logits(Tensor::zeros([2, 3, 32, 32], &device)).dims(), [2, 10]);
/// ```
#[derive(Module, Debug)]
pub struct Normalized<M: Module> {
    /// The normalisation.
    pub normalize: Normalize,
    /// The classifier of normalised inputs.
    pub model: M,
}

impl<M: Module> Normalized<M> {
    /// `model` behind `normalize`.
    pub fn new(normalize: Normalize, model: M) -> Self {
        Self { normalize, model }
    }

    fn check_channels(&self, sample: &[usize]) -> Result<(), Error> {
        let channels = self.normalize.channels();
        match sample.first() {
            Some(found) if *found == channels => Ok(()),
            _ => Err(Error::InputShape {
                model: "Normalized".into(),
                found: sample.to_vec(),
                reason: format!("its normalisation has {channels} channels"),
            }),
        }
    }
}

impl<M: Classifier<D> + Module + ModuleDisplay, const D: usize> Classifier<D> for Normalized<M> {
    fn logits(&self, inputs: Tensor<D>) -> Tensor<2> {
        self.model.logits(self.normalize.forward(inputs))
    }

    fn logits_with(&self, inputs: Tensor<D>, draws: &Draws) -> Tensor<2> {
        self.model.logits_with(self.normalize.forward(inputs), draws)
    }

    fn check_input(&self, sample: &[usize]) -> Result<(), Error> {
        self.check_channels(sample)?;
        self.model.check_input(sample)
    }

    fn smallest_batch(&self, sample: &[usize]) -> usize {
        self.model.smallest_batch(sample)
    }
}

impl<M, const D: usize> BoundedClassifier<D> for Normalized<M>
where
    M: BoundedClassifier<D> + Module + ModuleDisplay,
{
    fn rise_bounds(&self, inputs: Interval<D>, classes: &Tensor<1, Int>) -> Tensor<2> {
        self.model.rise_bounds(normalized(inputs, &self.normalize), classes)
    }
}

impl<M: Module + Summarize> Summarize for Normalized<M> {
    fn summary(&self, sample: &[usize]) -> Result<Summary, Error> {
        self.check_channels(sample)?;
        self.model.summary(sample)
    }
}

/// Those of the classifier: a normalisation has no weights. One that a file has replaces it.
impl<M: PyTorchNames + ModuleDisplay> PyTorchNames for Normalized<M> {
    fn pytorch_name(&self, name: &str) -> String {
        self.model.pytorch_name(name.strip_prefix("model.").unwrap_or(name))
    }

    fn resolve_alias(&self, name: &str) -> String {
        self.model.resolve_alias(name)
    }

    fn renormalized(&self, normalization: &NormalizeConfig) -> Option<Self> {
        Some(Self::new(self.normalize.replaced(normalization)?, self.model.clone()))
    }

    fn model_name(&self) -> String {
        self.model.model_name()
    }
}
