//! What one trainer's model, batches and data loader have in common.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::backend::DeviceOps;
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Device, Tensor};
use burn::train::Interrupter;

use super::finite::check_finite;
use super::label_watch::LabelWatch;
use super::loading_clock::LoadingClock;
use super::loss_watch::LossWatch;
use crate::error::Error;
use crate::error::convert::device_name;
use crate::model::batch::Batch;
use crate::model::classifier::Trainable;
use crate::model::gradient::checkpointing;
use crate::train::TrainError;
use crate::train::method::additions::Additions;
use crate::train::method::interface::Descend;
use crate::train::method::observer::Observers;
use crate::train::method::step::{Descent, Step};
use crate::train::state::trainer_state::TrainerState;

/// The device, the state, and what has gone wrong. Clones share one session.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) device: Device,
    pub(crate) state: TrainerState,
    pub(crate) clock: LoadingClock,
    pub(crate) observers: Observers,
    pub(crate) additions: Additions,
    /// Whether the backend is fixed by the trainer's type.
    pinned: bool,
    shared: Arc<Shared>,
}

struct Shared {
    watch: LossWatch,
    labels: LabelWatch,
    failure: Mutex<Option<TrainError>>,
    /// Whether a batch's inputs have been found to be within their bounds.
    checked: AtomicBool,
    /// Logits of the last step's model; 0 before that.
    classes: AtomicUsize,
    /// Which model that was, where it matters; 0 for none.
    model: AtomicU64,
    /// Passes after which the parameters were found to be finite.
    finite_after: AtomicU64,
    /// Who may ask for a stop; not the one that Burn's loop looks at, which would end it without a
    /// checkpoint.
    stopper: Interrupter,
    /// The position in the pass at which every device stops.
    stop_at: AtomicU64,
    /// Whether devices average their gradients, rather than add them up.
    averaging: AtomicBool,
}

/// No pass is as long.
const NEVER: u64 = u64::MAX;

impl Shared {
    fn new(watch_every: u64) -> Arc<Self> {
        Arc::new(Self {
            watch: LossWatch::new(watch_every),
            labels: LabelWatch::default(),
            failure: Mutex::new(None),
            checked: AtomicBool::new(false),
            classes: AtomicUsize::new(0),
            model: AtomicU64::new(0),
            finite_after: AtomicU64::new(0),
            stopper: Interrupter::new(),
            stop_at: AtomicU64::new(NEVER),
            averaging: AtomicBool::new(false),
        })
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("failure", &self.failure).finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) fn new(device: Device, pinned: bool, watch_every: u64) -> Self {
        let state = TrainerState::new(device.clone());
        let (clock, shared) = (LoadingClock::default(), Shared::new(watch_every));
        let (observers, additions) = (Observers::default(), Additions::default());
        Self { device, state, clock, observers, additions, pinned, shared }
    }

    /// The same session, looking at the loss at another interval.
    pub(crate) fn watching_every(self, steps: u64) -> Self {
        Self { shared: Shared::new(steps), ..self }
    }

    /// One forward and backward of `method`, and a look at its loss.
    pub(crate) fn descend<M: Descend<D>, C: Trainable<D>, const D: usize>(
        &self,
        method: &M,
        model: &C,
        batch: &Batch<D>,
    ) -> Result<Descent, TrainError> {
        model.check_input(&batch.sample_shape())?;
        let (found, expected) = (batch.len(), model.smallest_batch(&batch.sample_shape()));
        if found < expected {
            return Err(TrainError::BatchTooSmall { expected, found });
        }
        self.check_first_inputs(method, batch)?;
        let watched = LabelWatch::concerns(batch).then(|| model_key(model));
        let known = watched.filter(|key| *key == self.shared.model.load(Ordering::Relaxed));
        let limited = match known {
            Some(_) => Some(self.shared.labels.look(batch, self.classes())?),
            None => None, // left to the model
        };
        let batch = limited.as_ref().unwrap_or(batch);
        self.state.with_worker(&batch.device(), |worker| {
            let here = (worker.key(), worker.steps() + 1);
            let mut step = Step::new(model, batch, worker, &self.observers, &self.additions);
            let descent = method.descend(&mut step)?;
            self.shared.classes.store(descent.logits.dims()[1], Ordering::Relaxed);
            if let Some(key) = watched {
                self.shared.model.store(key, Ordering::Relaxed);
            }
            self.shared.watch.look(here.0, here.1, &descent.loss)?;
            Ok(descent)
        })
    }

    /// Accepts the first batch of a training if its inputs are within the bounds of what is trained against: then
    /// they are in the unit that ε is. It waits for the device, this once.
    fn check_first_inputs<M: Descend<D>, const D: usize>(
        &self,
        method: &M,
        batch: &Batch<D>,
    ) -> Result<(), TrainError> {
        let threat = method.threat().filter(|_| !self.shared.checked.load(Ordering::Relaxed));
        if let Some(threat) = threat {
            batch.check_inputs(threat.bounds())?;
            self.shared.checked.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Accepts a model on the trainer's device with a parameter to train.
    pub(crate) fn check_model<C: Module>(&self, model: &C) -> Result<(), TrainError> {
        let mut devices = model.devices().into_iter();
        devices.try_for_each(|device| self.check_device("model", &self.device, &device))?;
        checkpointing(model).map(drop).ok_or(TrainError::NotTrainable)
    }

    /// Accepts a batch on `expected`.
    pub(crate) fn check_batch<const D: usize>(
        &self,
        batch: &Batch<D>,
        expected: &Device,
    ) -> Result<(), TrainError> {
        self.check_device("batch", expected, &batch.device())
    }

    fn check_device(
        &self,
        what: &'static str,
        expected: &Device,
        found: &Device,
    ) -> Result<(), TrainError> {
        let backend = |device: &Device| device.as_dispatch().id().type_id;
        if self.pinned && backend(found) != backend(&self.device) {
            let (expected, found) = (device_name(&self.device), device_name(found));
            return Err(TrainError::Backend { what, expected, found });
        }
        match expected == found {
            true => Ok(()),
            false => Err(Error::elsewhere(what, expected, found).into()),
        }
    }

    /// The number of logits that the last step's model gave, at least 1.
    pub(crate) fn classes(&self) -> usize {
        self.shared.classes.load(Ordering::Relaxed).max(1)
    }

    /// Accepts a model whose parameters are finite; looked at once after each pass over the data.
    pub(crate) fn check_finite<C: Module>(&self, model: &C) -> Result<(), TrainError> {
        let passes = self.state.passes();
        match self.shared.finite_after.swap(passes, Ordering::Relaxed) == passes {
            true => self.failure().map_or(Ok(()), Err),
            false => check_finite(model),
        }
    }

    /// Whether the parameters are no numbers any more, and not worth a checkpoint.
    pub(crate) fn is_spoilt(&self) -> bool {
        let spoilt = |error: &TrainError| {
            matches!(
                error,
                TrainError::ParameterNotFinite { .. } | TrainError::LossNotFinite { .. }
            )
        };
        self.failure_slot().as_ref().is_some_and(spoilt)
    }

    /// Forgets what ended an earlier training.
    pub(crate) fn begin_training(&self) {
        *self.failure_slot() = None;
        self.shared.labels.reset();
        self.shared.watch.reset();
        self.shared.model.store(0, Ordering::Relaxed);
        self.shared.finite_after.store(0, Ordering::Relaxed);
        self.shared.stopper.reset();
        self.shared.stop_at.store(NEVER, Ordering::SeqCst);
    }

    /// The handle that asks for a stop.
    pub(crate) fn stopper(&self) -> Interrupter {
        self.shared.stopper.clone()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.shared.stopper.should_stop()
    }

    /// Where in the pass to stop, as the device that `leads` decides at its position `here`: one
    /// step on, since other devices may have taken this one already and wait for its gradients.
    pub(crate) fn stops_at(&self, leads: bool, here: u64) -> u64 {
        if leads && self.is_stopping() && self.shared.stop_at.load(Ordering::SeqCst) == NEVER {
            self.shared.stop_at.store(here + 1, Ordering::SeqCst);
        }
        self.shared.stop_at.load(Ordering::SeqCst)
    }

    /// Devices average their gradients.
    pub(crate) fn set_averaging(&self, averaging: bool) {
        self.shared.averaging.store(averaging, Ordering::Relaxed);
    }

    pub(crate) fn is_averaging(&self) -> bool {
        self.shared.averaging.load(Ordering::Relaxed)
    }

    /// Keeps the first failure, for the data loader to end the training with.
    pub(crate) fn fail(&self, error: TrainError) {
        self.failure_slot().get_or_insert(error);
    }

    pub(crate) fn failure(&self) -> Option<TrainError> {
        self.failure_slot().clone()
    }

    /// Looks at the last labels and the last loss before anything is saved.
    pub(crate) fn finish(&self) -> Result<(), TrainError> {
        self.shared.labels.finish()?;
        self.shared.watch.finish()
    }

    fn failure_slot(&self) -> MutexGuard<'_, Option<TrainError>> {
        self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells models apart: the identifier of a parameter, which training keeps.
fn model_key<C: Module>(model: &C) -> u64 {
    #[derive(Default)]
    struct First(Option<ParamId>);
    impl ModuleVisitor for First {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.get_or_insert(param.id);
        }
    }
    let mut first = First::default();
    model.visit(&mut first);
    first.0.map_or(0, |id| id.val())
}
