//! A model as an attack sees it, and the gradient of an objective in its input.

use std::sync::atomic::{AtomicU64, Ordering};

use burn::backend::GradientCheckpointingStrategy;
use burn::module::Module;
use burn::tensor::{DType, Tensor};

use super::classifier::Classifier;
use super::gradient::{backward, checkpointing};
use super::label_only::LabelOnly;
use super::precision;
use crate::draws::Draws;
use crate::error::Error;
use crate::threat::goal::Goal;
use crate::threat::objective::Objective;

/// What an attack learns from one gradient computation.
#[derive(Debug, Clone)]
pub struct InputGradient<const D: usize> {
    /// The gradient of each sample's value in its input, `[n, …]`.
    pub gradient: Tensor<D>,
    /// The objective's value for each sample, `[n]`.
    pub values: Tensor<1>,
    /// The logits, `[n, classes]`.
    pub logits: Tensor<2>,
}

/// A model as an attack sees it: in evaluation mode (running statistics, no dropout), its
/// parameters constant, differentiable in the input only.
///
/// Whoever calls an attack freezes the model, once, here; no attack ever switches modes. The
/// model it was made from is not changed, nor are its running statistics. (Training methods whose reference
/// programs attack the model [in training mode](Self::in_training) are the exception.)
///
/// ```
/// use burn::module::Module;
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::{Device, Int, Tensor};
/// use free_at_core::{Classifier, FrozenModel, Goal, Objective};
///
/// #[derive(Module, Debug)]
/// struct Model { linear: Linear }
/// impl Classifier<2> for Model {
///     fn logits(&self, inputs: Tensor<2>) -> Tensor<2> {
///         self.linear.forward(inputs)
///     }
/// }
///
/// let device = Device::flex();
/// let model = FrozenModel::new(&Model { linear: LinearConfig::new(4, 3).init(&device) });
/// let goal = Goal::untargeted(Tensor::<1, Int>::from_data([0, 2], &device));
/// let found = model.input_gradient(Tensor::zeros([2, 4], &device), &goal, Objective::Margin)?;
/// assert_eq!((found.gradient.dims(), found.values.dims()), ([2, 4], [2]));
/// assert_eq!(model.gradient_computations(), 2);
/// # Ok::<(), free_at_core::Error>(())
/// ```
pub struct FrozenModel<const D: usize> {
    model: Model<D>,
    forward_passes: AtomicU64,
    gradient_computations: AtomicU64,
}

enum Model<const D: usize> {
    Module(Frozen<D>),
    Labels(LabelOnly<D>),
}

struct Frozen<const D: usize> {
    /// For gradients in the input: on the autodiff device, without parameter gradients.
    differentiable: Box<dyn Classifier<D>>,
    /// For predictions: off the autodiff device altogether. Shares the parameters' memory. None in training mode,
    /// which there is on an autodiff device only.
    plain: Option<Box<dyn Classifier<D>>>,
    /// What every tensor of the graph has to share.
    checkpointing: Option<GradientCheckpointingStrategy>,
    /// The type of float that it computes in.
    dtype: DType,
}

impl<const D: usize> FrozenModel<D> {
    /// Freezes a copy of the model; the parameters are shared, not copied.
    pub fn new<C: Classifier<D> + Module + 'static>(model: &C) -> Self {
        // `valid` first: it brings running statistics up to date, which `freeze` alone does not.
        let plain = model.valid();
        let differentiable = Box::new(plain.clone().train().freeze());
        let dtype = precision::of(&plain);
        let plain: Option<Box<dyn Classifier<D>>> = Some(Box::new(plain));
        Self::of(Model::Module(Frozen { differentiable, plain, checkpointing: None, dtype }))
    }

    /// A copy of the model in training mode: batch norm takes the statistics of the batch, dropout drops. Parameters
    /// are constant, but **running statistics move** at each forward pass, and the model's own do, since it shares
    /// them: so do those of the PyTorch programs that attack `model.train()`. For a model on an autodiff device.
    ///
    /// A sample's gradient then depends on the others of its batch.
    pub fn in_training<C: Classifier<D> + Module + 'static>(model: &C) -> Self {
        let (checkpointing, dtype) = (checkpointing(model), precision::of(model));
        let differentiable = Box::new(model.clone().no_grad());
        Self::of(Model::Module(Frozen { differentiable, plain: None, checkpointing, dtype }))
    }

    /// A model of which nothing is known but what it says: a query is a forward pass, its logits are 1 for the label and 0,
    /// and there is no gradient.
    pub fn of_labels(model: LabelOnly<D>) -> Self {
        Self::of(Model::Labels(model))
    }

    fn of(model: Model<D>) -> Self {
        let (forward_passes, gradient_computations) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { model, forward_passes, gradient_computations }
    }

    /// Whether the model takes samples of this shape.
    pub(crate) fn check_input(&self, sample: &[usize]) -> Result<(), Error> {
        match &self.model {
            Model::Module(model) => model.differentiable.check_input(sample),
            Model::Labels(_) => Ok(()),
        }
    }

    /// The logits, `[n, classes]`, of inputs `[n, …]`; nothing is recorded for a gradient.
    ///
    /// # Errors
    /// [`Error::InputShape`] for samples that the model does not take, [`Error::Logits`] if it returns
    /// another number of rows; of one that answers with labels [`Error::QueriesSpent`], [`Error::Label`] and what it says
    /// itself.
    pub fn logits(&self, inputs: Tensor<D>) -> Result<Tensor<2>, Error> {
        self.answer(inputs, None)
    }

    /// The same, where a model that draws takes these draws; see [`Classifier::logits_with`].
    ///
    /// # Errors
    /// Those of [`logits`](Self::logits).
    pub fn logits_with(&self, inputs: Tensor<D>, draws: &Draws) -> Result<Tensor<2>, Error> {
        self.answer(inputs, Some(draws))
    }

    fn answer(&self, inputs: Tensor<D>, draws: Option<&Draws>) -> Result<Tensor<2>, Error> {
        self.check_input(&inputs.dims()[1..])?;
        let n = inputs.dims()[0];
        let logits = match &self.model {
            Model::Module(model) => model.logits(inputs, draws),
            Model::Labels(labels) => labels.logits(inputs.without_autodiff())?,
        };
        self.forward_passes.fetch_add(n as u64, Ordering::Relaxed);
        one_row_each(n, logits.without_autodiff())
    }

    /// The gradient of the objective in the inputs, `[n, …]`, each sample for itself.
    ///
    /// # Errors
    /// [`Error::InputShape`], [`Error::Logits`], [`Error::LabelsAlone`], and those of [`Objective::values`].
    pub fn input_gradient(
        &self,
        inputs: Tensor<D>,
        goal: &Goal,
        objective: Objective,
    ) -> Result<InputGradient<D>, Error> {
        self.input_gradient_of(inputs, |logits| objective.values(logits, goal))
    }

    /// The gradient in the inputs, `[n, …]`, of any function of the logits: `values` takes logits
    /// `[n, classes]` to one number per sample, `[n]`, that depends on its own row only.
    ///
    /// # Errors
    /// [`Error::InputShape`], [`Error::Logits`], [`Error::LabelsAlone`], and those of `values`.
    pub fn input_gradient_of(
        &self,
        inputs: Tensor<D>,
        values: impl FnOnce(Tensor<2>) -> Result<Tensor<1>, Error>,
    ) -> Result<InputGradient<D>, Error> {
        self.gradient(inputs, None, values)
    }

    /// The same, where a model that draws takes these draws; see [`Classifier::logits_with`].
    ///
    /// # Errors
    /// Those of [`input_gradient_of`](Self::input_gradient_of).
    pub fn input_gradient_with(
        &self,
        inputs: Tensor<D>,
        draws: &Draws,
        values: impl FnOnce(Tensor<2>) -> Result<Tensor<1>, Error>,
    ) -> Result<InputGradient<D>, Error> {
        self.gradient(inputs, Some(draws), values)
    }

    fn gradient(
        &self,
        inputs: Tensor<D>,
        draws: Option<&Draws>,
        values: impl FnOnce(Tensor<2>) -> Result<Tensor<1>, Error>,
    ) -> Result<InputGradient<D>, Error> {
        let Model::Module(model) = &self.model else { return Err(Error::LabelsAlone) };
        self.check_input(&inputs.dims()[1..])?;
        let n = inputs.dims()[0];
        self.gradient_computations.fetch_add(n as u64, Ordering::Relaxed);
        let inputs = model.leaf(inputs).require_grad();
        let logits = precision::logits(&*model.differentiable, inputs.clone(), draws, model.dtype);
        let logits = one_row_each(n, logits)?;
        let values = values(logits.clone())?;
        let gradient = match values.is_tracked() {
            // The sum's gradient in one sample's input is that of its own value.
            true => backward(&values.clone().sum(), &inputs).0,
            // The model cuts the graph, or ignores its input.
            false => inputs.zeros_like().without_autodiff(),
        };
        Ok(InputGradient {
            gradient,
            values: values.without_autodiff(),
            logits: logits.without_autodiff(),
        })
    }

    /// Forward passes without a gradient so far, counted in samples.
    pub fn forward_passes(&self) -> u64 {
        self.forward_passes.load(Ordering::Relaxed)
    }

    /// Gradient computations (a forward and a backward pass each) so far, counted in samples.
    pub fn gradient_computations(&self) -> u64 {
        self.gradient_computations.load(Ordering::Relaxed)
    }
}

impl<const D: usize> Frozen<D> {
    fn logits(&self, inputs: Tensor<D>, draws: Option<&Draws>) -> Tensor<2> {
        let (model, inputs) = match &self.plain {
            Some(plain) => (plain, inputs.without_autodiff()),
            None => (&self.differentiable, self.leaf(inputs)),
        };
        precision::logits(&**model, inputs, draws, self.dtype)
    }

    /// The inputs as a leaf of a graph.
    fn leaf(&self, inputs: Tensor<D>) -> Tensor<D> {
        let inputs = inputs.without_autodiff().autodiff();
        match self.checkpointing {
            Some(strategy) => inputs.with_gradient_checkpointing_strategy(strategy),
            None => inputs,
        }
    }
}

/// Accepts logits with one row per sample.
pub(crate) fn one_row_each(expected: usize, logits: Tensor<2>) -> Result<Tensor<2>, Error> {
    match logits.dims()[0] {
        found if found == expected => Ok(logits),
        found => Err(Error::Logits { expected, found }),
    }
}
