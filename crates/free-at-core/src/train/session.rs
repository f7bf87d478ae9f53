//! What one trainer's model, batches and data loader have in common.

use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::DeviceOps;
use burn::module::Module;
use burn::tensor::Device;

use crate::train::state::TrainerState;
use crate::train::watch::LossWatch;
use crate::train::{Descend, Descent};
use crate::{Batch, Classifier, Error};

/// The device, the state, and what has gone wrong. Clones share one session.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) device: Device,
    pub(crate) state: TrainerState,
    /// Whether the backend is fixed by the trainer's type.
    pinned: bool,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    watch: LossWatch,
    failure: Mutex<Option<Error>>,
}

impl Session {
    pub(crate) fn new(device: Device, pinned: bool, watch_every: u64) -> Self {
        let state = TrainerState::new(device.clone());
        let shared = Shared { watch: LossWatch::new(watch_every), failure: Mutex::new(None) };
        Self { device, state, pinned, shared: Arc::new(shared) }
    }

    /// The same session, looking at the loss at another interval.
    pub(crate) fn watching_every(self, steps: u64) -> Self {
        let shared = Shared { watch: LossWatch::new(steps), failure: Mutex::new(self.failure()) };
        Self { shared: Arc::new(shared), ..self }
    }

    /// One forward and backward of `method`, and a look at its loss.
    pub(crate) fn descend<M: Descend<D>, C: Classifier<D> + Module + 'static, const D: usize>(
        &self,
        method: &M,
        model: &C,
        batch: &Batch<D>,
    ) -> Result<Descent, Error> {
        let step = |worker: &mut _| method.descend(model, batch, worker);
        let (steps, descent) = self.state.with_worker(&batch.device(), step);
        let descent = descent?;
        self.shared.watch.look(steps, &descent.loss)?;
        Ok(descent)
    }

    /// Accepts a model on the trainer's device with a parameter to train.
    pub(crate) fn check_model<C: Module>(&self, model: &C) -> Result<(), Error> {
        model
            .devices()
            .iter()
            .try_for_each(|device| self.check_device("model", &self.device, device))
    }

    /// Accepts a batch on `expected`.
    pub(crate) fn check_batch<const D: usize>(
        &self,
        batch: &Batch<D>,
        expected: &Device,
    ) -> Result<(), Error> {
        self.check_device("batch", expected, &batch.device())
    }

    fn check_device(
        &self,
        what: &'static str,
        expected: &Device,
        found: &Device,
    ) -> Result<(), Error> {
        let names = |device: &Device| format!("{:?}", device.clone().without_autodiff());
        let backend = |device: &Device| device.as_dispatch().id().type_id;
        if self.pinned && backend(found) != backend(&self.device) {
            let (expected, found) = (names(&self.device), names(found));
            return Err(Error::Backend { what, expected, found });
        }
        match expected == found {
            true => Ok(()),
            false => Err(Error::Device { what, expected: names(expected), found: names(found) }),
        }
    }

    /// Keeps the first failure, for the data loader to end the training with.
    pub(crate) fn fail(&self, error: Error) {
        self.failure_slot().get_or_insert(error);
    }

    pub(crate) fn failure(&self) -> Option<Error> {
        self.failure_slot().clone()
    }

    /// Waits for the last look at the loss.
    pub(crate) fn finish_pass(&self) {
        if let Err(error) = self.shared.watch.finish() {
            self.fail(error);
        }
    }

    fn failure_slot(&self) -> std::sync::MutexGuard<'_, Option<Error>> {
        self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
