//! What tells one training method from another.

use std::fmt::Debug;

use burn::backend::GradientCheckpointingStrategy;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};

use crate::gradient::{backward, one_row_each};
use crate::train::{Phase, Worker};
use crate::{Batch, Classifier, Error, Objective, precision};

/// The configuration of a training method, whatever the rank of its inputs.
pub trait Method: Clone + Debug + Send + Sync + 'static {
    /// The name in tables and reports, lower case: `free-8`.
    fn name(&self) -> String;

    /// Accepts a configuration the method can run with.
    ///
    /// # Errors
    /// One variant per parameter that is out of range.
    fn check(&self) -> Result<(), Error>;

    /// How often in a row each minibatch is trained on. Default: once.
    fn replays(&self) -> usize {
        1
    }

    /// Gradient computations (a forward and a backward pass each) in one optimiser step.
    fn gradient_computations(&self) -> usize;
}

/// A training method for inputs of rank `D`: how it finds the gradient to descend.
pub trait Descend<const D: usize>: Method {
    /// The forward and backward passes of one optimiser step.
    ///
    /// `worker` holds what the method keeps from step to step on this device.
    ///
    /// # Errors
    /// Whatever keeps the step from being taken; the parameters are then left as they were.
    fn descend<C: Classifier<D> + Module + 'static>(
        &self,
        model: &C,
        batch: &Batch<D>,
        worker: &mut Worker,
    ) -> Result<Descent, Error>;
}

/// What one optimiser step descends: the mean cross-entropy at some inputs, with the trainer's
/// [`GradientPenalty`](super::GradientPenalty) if it has one, and its gradients.
pub struct Descent {
    /// The mean cross-entropy over the minibatch, and the penalty, `[1]`.
    pub loss: Tensor<1>,
    /// The logits, `[n, classes]`.
    pub logits: Tensor<2>,
    /// The gradients of the loss in the parameters.
    pub gradients: Gradients,
}

impl Descent {
    /// The loss at `inputs`, which stand for those of `batch`, and its gradients in the parameters.
    ///
    /// Where the trainer has observers it computes the gradient in the inputs too, for them.
    ///
    /// # Errors
    /// [`Error::Logits`], [`Error::Classes`], [`Error::NotTrainable`], and those of observers.
    pub fn at<C: Classifier<D> + Module + 'static, const D: usize>(
        model: &C,
        inputs: Tensor<D>,
        batch: &Batch<D>,
        worker: &Worker,
    ) -> Result<Self, Error> {
        if worker.extras.observes() {
            return Ok(Self::with_input_gradient(model, inputs, batch, worker)?.0);
        }
        let inputs = beside_parameters(model, inputs)?;
        let (loss, logits) = mean_loss(model, inputs, batch, worker)?;
        let gradients = weighted(&loss, batch).backward();
        Ok(Self::new(loss, logits, gradients))
    }

    /// The same, and the gradient in the inputs from the same backward pass.
    ///
    /// # Errors
    /// Those of [`at`](Self::at).
    pub fn with_input_gradient<C: Classifier<D> + Module + 'static, const D: usize>(
        model: &C,
        inputs: Tensor<D>,
        batch: &Batch<D>,
        worker: &Worker,
    ) -> Result<(Self, Tensor<D>), Error> {
        let inputs = beside_parameters(model, inputs)?.require_grad();
        let (loss, logits) = mean_loss(model, inputs.clone(), batch, worker)?;
        let (in_inputs, gradients) = backward(&weighted(&loss, batch), &inputs);
        worker.show(Phase::Descent, batch, (&inputs, &in_inputs, &logits))?;
        Ok((Self::new(loss, logits, gradients), in_inputs))
    }

    fn new(loss: Tensor<1>, logits: Tensor<2>, gradients: Gradients) -> Self {
        let (loss, logits) = (loss.without_autodiff(), logits.without_autodiff());
        Self { loss, logits, gradients }
    }
}

fn mean_loss<C: Classifier<D> + Module + 'static, const D: usize>(
    model: &C,
    inputs: Tensor<D>,
    batch: &Batch<D>,
    worker: &Worker,
) -> Result<(Tensor<1>, Tensor<2>), Error> {
    let logits = precision::logits(model, inputs.clone(), precision::of(model));
    let logits = one_row_each(batch.len(), logits)?;
    batch.check_logits(logits.dims()[1])?;
    let losses = Objective::CrossEntropy.values(logits.clone(), &batch.truth())?;
    let loss = worker.extras.penalized(model, &inputs, batch, losses)?;
    match loss.is_tracked() {
        true => Ok((loss, logits)),
        false => Err(Error::NotTrainable), // the model cuts the graph to its parameters
    }
}

/// The loss as it counts in the optimiser step. (The steepest step of an adversary has the same
/// direction whatever the weight.)
fn weighted<const D: usize>(loss: &Tensor<1>, batch: &Batch<D>) -> Tensor<1> {
    match batch.weight() {
        1.0 => loss.clone(),
        weight => loss.clone().mul_scalar(weight),
    }
}

/// The inputs as a leaf of the graph that the model's parameters are in.
fn beside_parameters<C: Module, const D: usize>(
    model: &C,
    inputs: Tensor<D>,
) -> Result<Tensor<D>, Error> {
    let strategy = checkpointing(model)?;
    Ok(inputs.without_autodiff().autodiff().with_gradient_checkpointing_strategy(strategy))
}

/// The gradient-checkpointing strategy of the parameters, which every tensor of their graph has
/// to share.
///
/// # Errors
/// [`Error::NotTrainable`] if no parameter requires a gradient.
pub(crate) fn checkpointing<C: Module>(model: &C) -> Result<GradientCheckpointingStrategy, Error> {
    #[derive(Default)]
    struct FirstTrainable(Option<GradientCheckpointingStrategy>);
    impl ModuleVisitor for FirstTrainable {
        fn visit_float<const P: usize>(&mut self, param: &Param<Tensor<P>>) {
            if self.0.is_none() && param.is_require_grad() {
                self.0 = param.gradient_checkpointing_strategy();
            }
        }
    }
    let mut found = FirstTrainable::default();
    model.visit(&mut found);
    found.0.ok_or(Error::NotTrainable)
}
