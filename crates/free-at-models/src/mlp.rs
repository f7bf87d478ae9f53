//! A multilayer perceptron, for tables.

use burn::config::Config;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor};
use free_at_core::{BoundedClassifier, Classifier, Error, Interval};

use crate::boxes::rise_bounds;
use crate::error::{must, sizes};
use crate::flow::Rows;
use crate::init::{Init, Start};
use crate::shape_trace::ShapeTrace;
use crate::weights::renumber;
use crate::{ModelError, PyTorchNames, Summarize, Summary};

/// Configuration of [`Mlp`].
#[derive(Config, Debug, PartialEq, Eq)]
pub struct MlpConfig {
    /// Features of a row.
    pub features: usize,
    /// Number of classes.
    pub classes: usize,
    /// Widths of the hidden layers, from input to output; none is a linear classifier. Default: 64, 64.
    #[config(default = "vec![64, 64]")]
    pub hidden: Vec<usize>,
    /// The seed of the initial weights. Default: 0.
    #[config(default = 0)]
    pub seed: u64,
}

impl MlpConfig {
    /// Refuses what [`init`](Self::init) would.
    ///
    /// # Errors
    /// [`ModelError::Parameter`] for a size that is not from 1 to 65,536.
    pub fn check(&self) -> Result<(), ModelError> {
        let ends = [("features", self.features), ("classes", self.classes)];
        let hidden = self.hidden.iter().map(|width| ("hidden", *width));
        sizes("Mlp", &ends.into_iter().chain(hidden).collect::<Vec<_>>())
    }

    /// The network on `device`, with initial weights as PyTorch's defaults.
    ///
    /// # Panics
    /// For what [`check`](Self::check) refuses.
    pub fn init(&self, device: &Device) -> Mlp {
        must(self.check());
        let mut init = Init::new(self.seed, device);
        let widths = [&[self.features], self.hidden.as_slice(), &[self.classes]].concat();
        let layer = |pair: &[usize]| init.linear(pair[0], pair[1], Start::PyTorch);
        Mlp { layers: widths.windows(2).map(layer).collect() }
    }
}

/// Linear layers with ReLUs between, for rows `[n, features]`.
///
/// Features in units of their own belong behind a [`Normalize`](crate::Normalize), as one model:
/// [`Normalized`](crate::Normalized).
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use free_at_core::Classifier;
/// use free_at_models::{MlpConfig, NormalizeConfig, Normalized};
///
/// let device = Device::flex();
/// let scale = NormalizeConfig::new(vec![35.0, 50_000.0], vec![12.0, 20_000.0]).init(&device);
/// let model = Normalized::new(scale, MlpConfig::new(2, 3).init(&device));
/// assert_eq!(model.logits(Tensor::<2>::zeros([5, 2], &device)).dims(), [5, 3]);
/// ```
#[derive(Module, Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
}

impl Classifier<2> for Mlp {
    fn logits(&self, rows: Tensor<2>) -> Tensor<2> {
        match self.layers.split_last() {
            Some((head, _)) => head.forward(self.features(rows)),
            None => rows,
        }
    }

    fn check_input(&self, sample: &[usize]) -> Result<(), Error> {
        self.summary(sample).map(drop)
    }

    fn smallest_batch(&self, sample: &[usize]) -> usize {
        self.summary(sample).map_or(1, |summary| summary.smallest_batch)
    }
}

impl BoundedClassifier<2> for Mlp {
    fn rise_bounds(&self, inputs: Interval<2>, classes: &Tensor<1, Int>) -> Tensor<2> {
        match self.layers.split_last() {
            Some((head, _)) => rise_bounds(self.features(inputs), head, classes),
            None => inputs.upper,
        }
    }
}

impl Mlp {
    fn features<R: Rows>(&self, rows: R) -> R {
        let hidden = self.layers.split_last().map_or(&[][..], |(_, hidden)| hidden);
        hidden.iter().fold(rows, |x, layer| x.linear(layer).rising(relu))
    }
}

impl Summarize for Mlp {
    fn summary(&self, sample: &[usize]) -> Result<Summary, Error> {
        let features = self.layers.first().map_or(0, |layer| layer.weight.shape()[0]);
        let mut trace = ShapeTrace::of_rows("Mlp".into(), sample, features)?;
        for (index, layer) in self.layers.iter().enumerate() {
            trace.linear(layer)?;
            trace.part(&format!("layer {}", index + 1));
        }
        Ok(trace.finish())
    }
}

/// Those of an `nn.Sequential` of linear layers and ReLUs, which have numbers too.
impl PyTorchNames for Mlp {
    fn pytorch_name(&self, name: &str) -> String {
        renumber(name, "layers.", |layer| format!("{}.", 2 * layer))
    }
}
