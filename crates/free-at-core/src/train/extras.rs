//! What a trainer does beside its method: observers, and a penalty on the input gradient.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Tensor;

use crate::train::{GradientObserver, GradientPenalty, Observation, Phase, Worker};
use crate::{Batch, Classifier, Error};

/// Clones share the observers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extras {
    observers: Vec<Arc<dyn GradientObserver>>,
    pub(crate) penalty: Option<GradientPenalty>,
}

impl Extras {
    pub(crate) fn observe_with(&mut self, observer: Arc<dyn GradientObserver>) {
        self.observers.push(observer);
    }

    /// Whether anybody looks on.
    pub(crate) fn observes(&self) -> bool {
        !self.observers.is_empty()
    }

    /// Shows a gradient computation to all observers. Without any it does nothing.
    pub(crate) fn show<const D: usize>(
        &self,
        (step, worker, phase): (u64, u64, Phase),
        batch: &Batch<D>,
        (seen, gradient, logits): (&Tensor<D>, &Tensor<D>, &Tensor<2>),
    ) -> Result<(), Error> {
        if self.observers.is_empty() {
            return Ok(());
        }
        // An attack's gradient is each sample's own; a training step's is of the weighted mean.
        let share = match phase {
            Phase::Ascent => 1.0,
            Phase::Descent => f64::from(batch.weight()) / batch.len() as f64,
        };
        let tensors = (seen.clone(), gradient.clone(), logits.clone());
        let observation = Observation::new((step, worker, phase), batch, tensors, share);
        self.observers.iter().try_for_each(|observer| observer.observe(&observation))
    }

    pub(crate) fn end_pass(&self, pass: u64) -> Result<(), Error> {
        self.observers.iter().try_for_each(|observer| observer.end_pass(pass))
    }

    /// The loss with the penalty, if there is one.
    pub(crate) fn penalized<C: Classifier<D> + Module + 'static, const D: usize>(
        &self,
        model: &C,
        inputs: &Tensor<D>,
        batch: &Batch<D>,
        losses: Tensor<1>,
    ) -> Result<Tensor<1>, Error> {
        match &self.penalty {
            Some(penalty) => penalty.added(model, inputs, batch, losses),
            None => Ok(losses.mean()),
        }
    }
}

impl Worker {
    /// Shows one gradient computation to the trainer's observers, if it has any: what the model saw
    /// instead of the batch, the gradient there, and the logits.
    ///
    /// # Errors
    /// Those of the observers.
    pub fn show<const D: usize>(
        &self,
        phase: Phase,
        batch: &Batch<D>,
        what: (&Tensor<D>, &Tensor<D>, &Tensor<2>),
    ) -> Result<(), Error> {
        self.extras.show((self.steps() + 1, self.key(), phase), batch, what)
    }
}
