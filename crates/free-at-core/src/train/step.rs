//! A classifier with a training method, as Burn's training loop wants it.

use burn::module::{Module, ModuleDisplay};
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};
use burn::tensor::Tensor;
use burn::train::{ClassificationOutput, InferenceStep, TrainOutput, TrainStep};

use crate::train::probe::AnyProbe;
use crate::train::session::Session;
use crate::train::state::TrainerState;
use crate::train::{Descend, ValidationOutput};
use crate::{Batch, Classifier, Error, precision};

/// A classifier `C` that trains by method `M` on inputs of rank `D`: the model of Burn's
/// [`Learner`](burn::train::Learner). Made by [`Trainer::learner`](super::Trainer::learner).
///
/// Its record holds the classifier under `model` and the trainer's state, with the perturbation
/// that Free-m carries, under `state`.
#[derive(Module, Debug)]
pub struct AdversarialModel<C, M, const D: usize>
where
    C: Module,
    M: Clone + std::fmt::Debug + Send,
{
    model: C,
    state: TrainerState,
    #[module(skip)]
    method: M,
    #[module(skip)]
    session: Session,
    #[module(skip)]
    probe: Option<AnyProbe<D>>,
}

impl<C: Module, M: Descend<D>, const D: usize> AdversarialModel<C, M, D> {
    pub(crate) fn new(model: C, method: M, session: Session) -> Self {
        let state = session.state.clone();
        Self { model, state, method, session, probe: None }
    }

    /// The same, with a probe of its robust accuracy in validation.
    pub(crate) fn with_probe(self, probe: AnyProbe<D>) -> Self {
        Self { probe: Some(probe), ..self }
    }

    /// What stands for the outcome of a batch that was refused, whose error the data loader gives.
    fn refused(&self, error: Error, batch: &Batch<D>) -> ClassificationOutput {
        self.session.fail(error);
        let device = batch.device();
        let loss = Tensor::full([1], f32::NAN, &device);
        let logits = Tensor::zeros([batch.len(), self.session.classes()], &device);
        ClassificationOutput::new(loss, logits, batch.labels())
    }

    /// The classifier itself.
    pub fn into_classifier(self) -> C {
        self.model
    }
}

impl<C, M, const D: usize> TrainStep for AdversarialModel<C, M, D>
where
    C: Classifier<D> + Module + ModuleDisplay + 'static,
    M: Descend<D>,
{
    type Input = Batch<D>;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch<D>) -> TrainOutput<ClassificationOutput> {
        match self.session.descend(&self.method, &self.model, &batch) {
            Ok(descent) => {
                let item = ClassificationOutput::new(descent.loss, descent.logits, batch.labels());
                TrainOutput::new(&self.model, descent.gradients, item)
            }
            // Burn's step cannot fail. No gradients leave the parameters as they are, and the
            // data loader ends the training with the error before the next step.
            Err(error) => {
                TrainOutput { grads: GradientsParams::new(), item: self.refused(error, &batch) }
            }
        }
    }

    // The optimiser sees the classifier alone, as in a loop of one's own: groups of parameters
    // have the same paths, and the trainer's state is not walked over at every step.

    fn optimize(
        self,
        optimizer: &mut ModuleOptimizer,
        rate: ModuleLearningRate,
        gradients: GradientsParams,
    ) -> Self {
        Self { model: optimizer.step(rate, self.model, gradients), ..self }
    }

    fn optimize_multi(
        self,
        optimizer: &mut ModuleOptimizer,
        rate: ModuleLearningRate,
        gradients: MultiGradientsParams,
    ) -> Self {
        Self { model: optimizer.step_multi(rate, self.model, gradients), ..self }
    }
}

impl<C, M, const D: usize> InferenceStep for AdversarialModel<C, M, D>
where
    C: Classifier<D> + Module + ModuleDisplay + 'static,
    M: Descend<D>,
{
    type Input = Batch<D>;
    type Output = ValidationOutput;

    /// The clean loss and logits, in evaluation mode, and what the guard's probe finds.
    fn step(&self, batch: Batch<D>) -> ValidationOutput {
        if let Err(error) = self.model.check_input(&batch.sample_shape()) {
            return ValidationOutput { clean: self.refused(error, &batch), robust: None };
        }
        let dtype = precision::of(&self.model);
        let logits = precision::logits(&self.model, batch.inputs(), dtype);
        // Cross-entropy needs no more classes than the labels name, so it cannot be refused.
        let loss = crate::Objective::CrossEntropy
            .values(logits.clone(), &batch.truth())
            .map_or_else(|_| Tensor::full([1], f32::NAN, &batch.device()), |values| values.mean());
        let clean = ClassificationOutput::new(loss, logits, batch.labels());
        ValidationOutput { clean, robust: self.robust(&batch) }
    }
}

impl<C, M, const D: usize> AdversarialModel<C, M, D>
where
    C: Classifier<D> + Module + ModuleDisplay + 'static,
    M: Descend<D>,
{
    /// What the probe finds, where it is this batch's turn. An error ends the training.
    fn robust(&self, batch: &Batch<D>) -> Option<crate::train::RobustCount> {
        let probe = self.probe.as_ref()?;
        let measured = probe.measure(&self.model, batch, self.state.passes());
        measured.unwrap_or_else(|error| {
            self.session.fail(error);
            None
        })
    }
}
