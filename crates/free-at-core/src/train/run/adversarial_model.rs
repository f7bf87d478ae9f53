//! A classifier with a training method, as Burn's training loop wants it.

use burn::module::Module;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};
use burn::tensor::Tensor;
use burn::train::{ClassificationOutput, InferenceStep, TrainOutput, TrainStep};

use super::after_step::Kept;
use super::finite::check_finite;
use super::rates::check_rate;
use super::robust_accuracy::{AnyProbe, RobustCount};
use super::session::Session;
use super::take_step::{ParameterGradients, take_step};
use super::validation_output::ValidationOutput;
use crate::model::batch::Batch;
use crate::model::classifier::Trainable;
use crate::model::precision;
use crate::threat::objective::Objective;
use crate::train::TrainError;
use crate::train::method::interface::Descend;
use crate::train::state::trainer_state::TrainerState;

/// A classifier `C` that trains by method `M` on inputs of rank `D`: the model of Burn's
/// [`Learner`](burn::train::Learner). Made by [`Trainer::learner`](crate::train::Trainer::learner).
///
/// Its record holds the classifier under `model`, the trainer's state, with the perturbation that Free-m
/// carries, under `state`, and the model that an [`AfterStep`](crate::train::AfterStep) keeps under `kept.model`.
#[derive(Module, Debug)]
pub struct AdversarialModel<C, M, const D: usize>
where
    C: Module,
    M: Clone + std::fmt::Debug + Send,
{
    model: C,
    state: TrainerState,
    kept: Kept<C>,
    #[module(skip)]
    method: M,
    #[module(skip)]
    session: Session,
    #[module(skip)]
    probe: Option<AnyProbe<D>>,
}

impl<C: Module, M: Descend<D>, const D: usize> AdversarialModel<C, M, D> {
    pub(crate) fn new(model: C, kept: Kept<C>, method: M, session: Session) -> Self {
        let state = session.state.clone();
        Self { model, state, kept, method, session, probe: None }
    }

    /// The same, with a probe of its robust accuracy in validation.
    pub(crate) fn with_probe(self, probe: AnyProbe<D>) -> Self {
        Self { probe: Some(probe), ..self }
    }

    /// What stands for the outcome of a batch that was refused, whose error the data loader gives.
    fn refused(&self, error: TrainError, batch: &Batch<D>) -> ClassificationOutput {
        self.session.fail(error);
        let device = batch.device();
        let loss = Tensor::full([1], f32::NAN, &device);
        let logits = Tensor::zeros([batch.len(), self.session.classes()], &device);
        ClassificationOutput::new(loss, logits, batch.labels())
    }

    /// The classifier to use: the model that was kept beside the trained one, where one was, and else that.
    pub fn into_classifier(self) -> C {
        self.kept.model().unwrap_or(self.model)
    }

    /// The classifier with the weights that were trained, whatever was kept beside it.
    pub fn into_trained(self) -> C {
        self.model
    }

    /// What validation and the guard see.
    fn shown(&self) -> C {
        self.kept.model().unwrap_or_else(|| self.model.clone())
    }

    fn take_step(
        self,
        optimizer: &mut ModuleOptimizer,
        rate: ModuleLearningRate,
        gradients: ParameterGradients,
    ) -> Self {
        let step = self.state.optimizer_steps();
        if let Err(error) = check_rate(&rate, step) {
            self.session.fail(error);
            return self;
        }
        let (model, kept) = take_step((self.model, self.kept), optimizer, rate, gradients, step);
        // No validation comes before the checkpoint of a training that stops.
        if self.session.is_stopping()
            && let Err(error) = check_finite(&model)
        {
            self.session.fail(error);
        }
        Self { model, kept, ..self }
    }
}

impl<C, M, const D: usize> TrainStep for AdversarialModel<C, M, D>
where
    C: Trainable<D>,
    M: Descend<D>,
{
    type Input = Batch<D>;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch<D>) -> TrainOutput<ClassificationOutput> {
        match self.session.descend(&self.method, &self.model, &batch) {
            Ok(descent) => {
                if let Some(probe) = &self.probe {
                    let worker = TrainerState::key(&batch.device());
                    probe.note_answers(
                        worker,
                        &descent.logits,
                        &batch.untargeted().without_autodiff(),
                    );
                }
                let shown = batch.shown(descent.logits);
                let item = ClassificationOutput::new(descent.loss, shown, batch.labels());
                TrainOutput { grads: descent.gradients, item }
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
        self.take_step(optimizer, rate, ParameterGradients::OfOneDevice(gradients))
    }

    fn optimize_multi(
        self,
        optimizer: &mut ModuleOptimizer,
        rate: ModuleLearningRate,
        gradients: MultiGradientsParams,
    ) -> Self {
        self.take_step(optimizer, rate, ParameterGradients::OfSeveral(gradients))
    }
}

impl<C, M, const D: usize> InferenceStep for AdversarialModel<C, M, D>
where
    C: Trainable<D>,
    M: Descend<D>,
{
    type Input = Batch<D>;
    type Output = ValidationOutput;

    /// The clean loss and logits, in evaluation mode, and what the guard's probe finds.
    fn step(&self, batch: Batch<D>) -> ValidationOutput {
        let model = self.shown();
        let fits = model.check_input(&batch.sample_shape()).map_err(TrainError::from);
        if let Err(error) = fits.and_then(|()| self.session.check_finite(&self.model)) {
            return ValidationOutput { clean: self.refused(error, &batch), robust: None };
        }
        let logits = precision::logits(&model, batch.inputs(), None, precision::of(&model));
        let loss = match Objective::CrossEntropy.values(logits.clone(), &batch.untargeted()) {
            Ok(values) => values.mean(),
            Err(error) => {
                return ValidationOutput {
                    clean: self.refused(error.into(), &batch),
                    robust: None,
                };
            }
        };
        let clean = ClassificationOutput::new(loss, batch.shown(logits), batch.labels());
        ValidationOutput { clean, robust: self.robust(&model, &batch) }
    }
}

impl<C, M, const D: usize> AdversarialModel<C, M, D>
where
    C: Trainable<D>,
    M: Descend<D>,
{
    /// What the probe finds, where it is this batch's turn. An error ends the training.
    fn robust(&self, shown: &C, batch: &Batch<D>) -> Option<RobustCount> {
        let probe = self.probe.as_ref()?;
        let measured = probe.measure(shown, batch, self.state.passes());
        measured.unwrap_or_else(|error| {
            self.session.fail(error.into());
            None
        })
    }
}
