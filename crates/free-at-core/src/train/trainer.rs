//! The trainer: one type for every method.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use burn::backend::{AutodiffBackend, Dispatch, DispatchDevice};
use burn::data::dataloader::DataLoader;
use burn::optim::ModuleOptimizer;
use burn::optim::lr_scheduler::module_lr_scheduler::{ModuleLearningRate, ModuleLrScheduler};
use burn::tensor::Device;
use burn::train::metric::store::EventStoreClient;
use burn::train::{
    ClassificationOutput, EarlyStoppingStrategy, Interrupter, Learner, SupervisedTraining,
};

use super::TrainError;
use super::method::interface::{Descend, Method};
use super::method::observer::GradientObserver;
use super::method::penalty::GradientPenalty;
use super::method::weight_perturbation::WeightPerturbation;
use super::run::adversarial_model::AdversarialModel;
use super::run::after_step::Kept;
use super::run::loading_clock::LoadingClock;
use super::run::rates::{check_rate, check_schedule};
use super::run::replay::ReplayLoader;
use super::run::session::Session;
use super::run::take_step::{ParameterGradients, take_step};
use super::run::validation::ValidationLoader;
use super::state::trainer_state::TrainerState;
use crate::model::batch::Batch;
use crate::model::classifier::Trainable;

/// Optimiser steps between two looks at the loss.
const WATCH_EVERY: u64 = 25;

/// Trains classifiers by the method `M`, on the backend `B`.
///
/// Usually named by its method: [`FreeAdversarialTrainer`](crate::train::FreeAdversarialTrainer),
/// [`StandardTrainer`](crate::train::StandardTrainer), [`AdversarialTrainer`](crate::train::AdversarialTrainer),
/// [`FastAdversarialTrainer`](crate::train::FastAdversarialTrainer).
///
/// A trainer holds the state of one training (the perturbation that Free-m carries, say): make
/// one for each model.
#[derive(Debug)]
pub struct Trainer<M, B: AutodiffBackend = Dispatch> {
    method: M,
    session: Session,
    backend: PhantomData<fn() -> B>,
}

impl<M: Method> Trainer<M> {
    /// A trainer on any device: `Device::default()` is the backend that is compiled in, and the
    /// environment variable `BURN_DEVICE` overrides it. Autodiff is switched on.
    ///
    /// # Errors
    /// Those of the configuration: see [`Method::check`].
    pub fn new(config: M, device: impl Into<Device>) -> Result<Self, TrainError> {
        Self::checked(config, device.into().autodiff(), false, WATCH_EVERY)
    }
}

impl<M: Method, B: AutodiffBackend> Trainer<M, B> {
    /// A trainer pinned to the backend `B`: only its devices compile here, and a model or batch
    /// of another backend is refused with [`TrainError::Backend`].
    ///
    /// # Errors
    /// Those of the configuration: see [`Method::check`].
    pub fn on(config: M, device: B::Device) -> Result<Self, TrainError>
    where
        B::Device: Into<DispatchDevice>,
    {
        Self::checked(config, Device::new(device).autodiff(), true, WATCH_EVERY)
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    fn checked(method: M, device: Device, pinned: bool, every: u64) -> Result<Self, TrainError> {
        method.check()?;
        let session = Session::new(device, pinned, every);
        Ok(Self { method, session, backend: PhantomData })
    }

    /// Looks at the loss every `steps` optimiser steps, at least 1, and stops training at most
    /// twice as many steps after it stopped being finite. The device does not wait. Default: 25.
    ///
    /// # Errors
    /// [`TrainError::WatchInterval`].
    pub fn watching_loss_every(self, steps: u64) -> Result<Self, TrainError> {
        match steps {
            0 => Err(TrainError::WatchInterval),
            _ => Ok(Self { session: self.session.watching_every(steps), ..self }),
        }
    }

    /// Lets `observer` look at the gradient in the input at each optimiser step. Any number of observers
    /// can look; without one, nothing is computed or kept for them.
    #[must_use]
    pub fn observing(mut self, observer: impl GradientObserver + 'static) -> Self {
        self.session.observers.add(Arc::new(observer));
        self
    }

    /// Adds a penalty on the gradient in the input to the loss, at the cost of two more gradient
    /// computations an optimiser step. [`GradientPenalty`] says which models it is for.
    ///
    /// # Errors
    /// Those of [`GradientPenalty::check`].
    pub fn penalizing(mut self, penalty: GradientPenalty) -> Result<Self, TrainError> {
        penalty.check()?;
        self.session.additions.penalty = Some(penalty);
        Ok(self)
    }

    /// Gives this share of every label to all classes alike, as PyTorch's `CrossEntropyLoss(label_smoothing)`: in
    /// the loss that is descended, and in Free-m, whose gradient is the same, in the one that is climbed. Default: 0.
    ///
    /// # Errors
    /// [`TrainError::Parameter`] for a share below 0 or not below 1.
    pub fn smoothing_labels(mut self, share: f64) -> Result<Self, TrainError> {
        match (0.0..1.0).contains(&share) {
            true => {
                self.session.additions.label_smoothing = share;
                Ok(self)
            }
            false => Err(TrainError::Parameter {
                what: "label smoothing",
                parameter: "share",
                allowed: "from 0 to below 1",
                value: share,
            }),
        }
    }

    /// Moves the weights uphill before each descent, at the cost of one more gradient computation an optimiser step:
    /// AWP.
    ///
    /// # Errors
    /// Those of [`WeightPerturbation::check`].
    pub fn perturbing_weights(mut self, weights: WeightPerturbation) -> Result<Self, TrainError> {
        weights.check()?;
        self.session.additions.weights = Some(weights);
        Ok(self)
    }

    /// The device to create models and batches on, with autodiff.
    pub fn device(&self) -> &Device {
        &self.session.device
    }

    /// The name of the method: `free-8`, `standard`, `pgd-7`.
    pub fn name(&self) -> String {
        self.method.name()
    }

    /// The configuration.
    pub fn config(&self) -> &M {
        &self.method
    }

    /// How often in a row each minibatch is trained on: m for Free-m, otherwise 1.
    pub fn replays(&self) -> usize {
        self.method.replays()
    }

    /// Gradient computations in one optimiser step: 1 for Free-m, K + 1 for K-PGD, 2 more with a
    /// [`GradientPenalty`]; with a [`WeightPerturbation`] the descent counts twice.
    pub fn gradient_computations(&self) -> usize {
        let additions = self.session.additions.gradient_computations(self.method.answers());
        self.method.gradient_computations() + additions
    }

    /// The passes over the data that take as many optimiser steps as so many epochs of ordinary training: n / m,
    /// rounded up.
    pub fn passes(&self, ordinary_epochs: usize) -> usize {
        ordinary_epochs.div_ceil(self.replays())
    }

    /// What is kept from step to step: the carried perturbation and the number of steps.
    pub fn state(&self) -> &TrainerState {
        &self.session.state
    }

    /// Asks the training that [`training`](Self::training) set up to stop: with
    /// `stopper().stop(None)`, from another thread or a signal handler, or as the interrupter of a
    /// renderer of Burn's.
    ///
    /// Burn's own interrupter ends its loop at once. This one lets it end as after a last pass: the
    /// minibatch that is running and one more are trained on, validation is left out, and a checkpoint
    /// is made, from which the pass goes on.
    pub fn stopper(&self) -> Interrupter {
        self.session.stopper()
    }

    /// How long training has waited for data.
    pub fn clock(&self) -> LoadingClock {
        self.session.clock.clone()
    }

    /// What ended a training that ended early because of its data, model or loss.
    ///
    /// Burn reports the same in `LearningResult::error`, there as text. A validation batch that the model
    /// does not take is found here too; Burn's loop shows it as a loss that is no number. Forgotten when
    /// [`training`](Self::training) is called again.
    pub fn failure(&self) -> Option<TrainError> {
        self.session.failure()
    }

    /// Waits for the last step and looks at its loss: for the end of a loop of your own, before the
    /// model is saved. Burn's loop does this after each pass over the data.
    ///
    /// # Errors
    /// [`TrainError::LossNotFinite`], [`Error::Read`](crate::Error::Read).
    pub fn finish(&self) -> Result<(), TrainError> {
        self.session.finish()
    }

    /// Tells the [observers](Self::observing) that pass number `pass` over the data, from 1, is over: for a
    /// loop of your own. Burn's loop does this by itself.
    ///
    /// # Errors
    /// Those of the observers.
    pub fn end_pass(&self, pass: u64) -> Result<(), TrainError> {
        Ok(self.session.observers.end_pass(pass)?)
    }

    /// Burn's training loop over `train`, with this method's replays: metrics, dashboard,
    /// checkpoints, early stopping and devices are set on what is returned, and
    /// [`learner`](Self::learner) gives what it launches.
    ///
    /// `valid` is evaluated as it is, without perturbations, after each pass. Early stopping is set to
    /// what [`stopper`](Self::stopper) needs. [`run`](Self::run) sets up everything.
    pub fn training<C, const D: usize>(
        &self,
        directory: impl AsRef<Path>,
        train: Arc<dyn DataLoader<Batch<D>>>,
        valid: Arc<dyn DataLoader<Batch<D>>>,
    ) -> SupervisedTraining<AdversarialModel<C, M, D>>
    where
        C: Trainable<D>,
        M: Descend<D>,
    {
        self.session.begin_training();
        let train = ReplayLoader::new(train, self.replays(), self.session.clone());
        let valid = ValidationLoader::new(valid, self.session.clone());
        SupervisedTraining::new(directory, Arc::new(train), Arc::new(valid))
            .early_stopping(WhenAsked(self.session.clone()))
    }

    /// The model, optimiser and schedule for [`training`](Self::training). The schedule counts
    /// optimiser steps, replays included.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) or [`TrainError::Backend`] for a model that is elsewhere,
    /// [`TrainError::NotTrainable`] for one without a parameter that requires a gradient;
    /// [`TrainError::LearningRate`] for a schedule that begins with no number or below 0.
    pub fn learner<C, const D: usize>(
        &self,
        model: C,
        optimizer: ModuleOptimizer,
        schedule: impl Into<ModuleLrScheduler>,
    ) -> Result<Learner<AdversarialModel<C, M, D>>, TrainError>
    where
        C: Trainable<D>,
        M: Descend<D>,
    {
        let schedule = schedule.into();
        check_schedule(&schedule, &model, 1)?;
        Ok(Learner::new(self.adversarial_model(model, Kept::nothing())?, optimizer, schedule))
    }

    /// The model as Burn's loop trains it.
    ///
    /// # Errors
    /// Those of [`learner`](Self::learner).
    pub(crate) fn adversarial_model<C, const D: usize>(
        &self,
        model: C,
        kept: Kept<C>,
    ) -> Result<AdversarialModel<C, M, D>, TrainError>
    where
        C: Trainable<D>,
        M: Descend<D>,
    {
        self.session.check_model(&model)?;
        Ok(AdversarialModel::new(model, kept, self.method.clone(), self.session.clone()))
    }

    /// One optimiser step on a minibatch, for a loop of your own: one replay of Free-m.
    ///
    /// Returns the new model, and the loss, logits and labels, which stay on the device until
    /// they are read. Replaying is the loop's business: call it
    /// [`replays`](Self::replays) times for each minibatch.
    ///
    /// # Errors
    /// [`StepError`], which gives the model back with its parameters as they were: one on another
    /// device, one that cannot be trained, a learning rate below 0 or no number, a batch that does not fit, a loss that is no longer
    /// finite. (Only a loss that is not finite is found after the forward pass, which by then has
    /// moved the running statistics of batch norm.)
    pub fn step<C, const D: usize>(
        &self,
        model: C,
        optimizer: &mut ModuleOptimizer,
        learning_rate: impl Into<ModuleLearningRate>,
        batch: &Batch<D>,
    ) -> Result<(C, ClassificationOutput), StepError<C>>
    where
        C: Trainable<D>,
        M: Descend<D>,
    {
        let rate = learning_rate.into();
        let descent = check_rate(&rate, self.state().optimizer_steps() + 1)
            .and_then(|()| self.session.check_model(&model))
            .and_then(|()| self.session.check_batch(batch, self.device()))
            .and_then(|()| self.session.descend(&self.method, &model, batch));
        match descent {
            Ok(descent) => {
                let gradients = ParameterGradients::OfOneDevice(descent.gradients);
                let step = self.state().optimizer_steps();
                let whole = (model, Kept::nothing());
                let (model, _) = take_step(whole, optimizer, rate, gradients, step);
                let shown = batch.shown(descent.logits);
                Ok((model, ClassificationOutput::new(descent.loss, shown, batch.labels())))
            }
            Err(error) => Err(StepError { error, model }),
        }
    }
}

/// Early stopping for those who have none: when the trainer's stopper says so.
#[derive(Clone)]
struct WhenAsked(Session);

impl EarlyStoppingStrategy for WhenAsked {
    fn should_stop(&mut self, _: usize, _: &EventStoreClient) -> bool {
        self.0.is_stopping()
    }
}

/// A step that was refused, with the model, its parameters as they were. `?` turns it into a [`TrainError`].
#[derive(Debug)]
pub struct StepError<C> {
    /// Why.
    pub error: TrainError,
    /// The model that was to be trained.
    pub model: C,
}

impl<C> fmt::Display for StepError<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<C: fmt::Debug> std::error::Error for StepError<C> {}

impl<C> From<StepError<C>> for TrainError {
    fn from(refused: StepError<C>) -> Self {
        refused.error
    }
}
