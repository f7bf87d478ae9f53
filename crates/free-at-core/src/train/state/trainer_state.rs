//! The state of a training, on all devices, and across a restart of the program.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    Param, ParamId,
};
use burn::tensor::{DType, Device, Int, Shape, Tensor, TensorData};

use super::slot::Slot;
use super::worker::{Worker, key_of};
use crate::train::TrainError;

/// The state of a training beyond model, optimiser and schedule: the workers of every device, and
/// how often the data has been passed over.
///
/// It is a Burn module, part of [`AdversarialModel`](crate::train::AdversarialModel), so Burn's
/// checkpoints hold it. In a loop of your own, save and load it beside the model:
///
/// ```
/// use burn::module::Module;
/// # use burn::tensor::Device;
/// # use free_at_core::train::{FreeAdversarialTrainer, FreeConfig};
/// # use free_at_core::{Epsilon, ThreatModel};
/// # let config = FreeConfig::new(ThreatModel::linf(Epsilon::pixels(8.0)));
/// # let (trainer, resumed) = (
/// #     FreeAdversarialTrainer::new(config.clone(), Device::flex())?,
/// #     FreeAdversarialTrainer::new(config, Device::flex())?,
/// # );
/// let record = trainer.state().clone().into_record(); // or `.save_file("state.bpk")`
/// resumed.state().clone().try_load_record(record)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Clones share one state.
#[derive(Debug, Clone)]
pub struct TrainerState {
    shared: Arc<Mutex<Shared>>,
    /// Where tensors are put that a file is read into; each goes to its own device when used.
    home: Device,
}

#[derive(Debug, Default)]
struct Shared {
    /// Whole passes over the data.
    passes: u64,
    /// Optimiser steps of each device in the pass after those: where it was interrupted.
    position: u64,
    /// The workers no step is using now, ordered by device.
    idle: Vec<Worker>,
}

impl TrainerState {
    pub(crate) fn new(home: Device) -> Self {
        Self { shared: Arc::default(), home: home.without_autodiff() }
    }

    /// The number that tells the worker of `device` from others.
    pub(crate) fn key(device: &Device) -> u64 {
        key_of(device).into()
    }

    /// The perturbation that Free-m carries on `device`, `[rows, features]`; none before the
    /// first step there.
    pub fn perturbation(&self, device: &Device) -> Option<Tensor<2>> {
        let key = key_of(device);
        let state = self.lock();
        state.idle.iter().find(|worker| worker.device == key)?.perturbation.clone()
    }

    /// Optimiser steps, each of which all devices take together.
    pub(crate) fn optimizer_steps(&self) -> u64 {
        self.lock().idle.iter().map(|worker| worker.steps).max().unwrap_or(0)
    }

    /// Steps taken, over all devices.
    pub fn steps(&self) -> u64 {
        self.lock().idle.iter().map(|worker| worker.steps).sum()
    }

    /// Whole passes over the data.
    pub fn passes(&self) -> u64 {
        self.lock().passes
    }

    /// Optimiser steps taken in the pass that was interrupted, replays included; 0 between passes.
    pub fn position(&self) -> u64 {
        self.lock().position
    }

    /// Pass number `pass`, from 1, is over.
    pub(crate) fn end_pass(&self, pass: u64) {
        let mut state = self.lock();
        state.passes = state.passes.max(pass);
        state.position = 0;
    }

    /// The pass stops here for now.
    pub(crate) fn pause_pass(&self, position: u64) {
        self.lock().position = position;
    }

    /// Runs a step with the worker of `device`. A step that fails, or panics, leaves it as it was.
    pub(crate) fn with_worker<T>(
        &self,
        device: &Device,
        step: impl FnOnce(&mut Worker) -> Result<T, TrainError>,
    ) -> Result<T, TrainError> {
        /// Gives the worker back however the step ends.
        struct Borrowed<'a> {
            state: &'a TrainerState,
            worker: Worker,
        }
        impl Drop for Borrowed<'_> {
            fn drop(&mut self) {
                self.state.give_back(std::mem::take(&mut self.worker));
            }
        }
        // Other devices step at the same time, so the lock is not held meanwhile.
        let mut borrowed = Borrowed { state: self, worker: self.take(key_of(device)) };
        let mut next = borrowed.worker.clone();
        let done = step(&mut next)?;
        next.steps += 1;
        borrowed.worker = next;
        borrowed.worker.write(); // nobody else holds its tensors any more
        Ok(done)
    }

    fn take(&self, device: u32) -> Worker {
        let mut state = self.lock();
        let own = state.idle.iter().position(|worker| worker.device == device);
        // A training may be resumed on another kind of device than it was saved on.
        let restored = || state.idle.iter().position(|worker| worker.restored);
        let worker = match own.or_else(restored) {
            Some(at) => state.idle.remove(at),
            None => Worker::default(),
        };
        Worker { device, restored: false, ..worker }
    }

    fn give_back(&self, worker: Worker) {
        let mut state = self.lock();
        state.idle.push(worker);
        state.idle.sort_by_key(|worker| worker.device);
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // A step that panicked elsewhere leaves the table whole: it holds no half-done change.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// What is recorded, by path: `table` = [passes, number of workers, position], and for worker i
// `i.numbers` = [device, steps, rows, features, tensors kept by name] and `i.perturbation`, where there is
// one; for each tensor that is kept by name `i.kept.k.about` = [rows, columns, type, name] and `i.kept.k.values`.
// Numbers come before what they announce, so a fresh state learns from them what to load.

impl Module for TrainerState {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        let state = self.lock();
        within(visitor, "table", |v| v.visit_int(&self.numbers(state.table())));
        for (i, worker) in state.idle.iter().enumerate() {
            within(visitor, &i.to_string(), |visitor| {
                within(visitor, "numbers", |v| v.visit_int(&self.numbers(worker.numbers())));
                if let Some(delta) = &worker.perturbation {
                    let param = Param::initialized(ParamId::new(), delta.clone());
                    within(visitor, "perturbation", |v| v.visit_float(&param));
                }
                within(visitor, "kept", |visitor| {
                    for (at, (name, values)) in worker.kept.iter().enumerate() {
                        within(visitor, &at.to_string(), |visitor| {
                            let about = Slot::of(name, values).numbers();
                            let values = Param::initialized(ParamId::new(), values.clone());
                            within(visitor, "about", |v| v.visit_int(&self.numbers(about)));
                            within(visitor, "values", |v| v.visit_float(&values));
                        });
                    }
                });
            });
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        {
            let mut state = self.lock();
            if let Some([passes, workers, position]) =
                self.map_numbers(mapper, "table", state.table())
            {
                (state.passes, state.position) = (passes, position);
                state.idle.resize_with(workers.min(MOST_ENTRIES) as usize, Worker::default);
            }
            for (i, worker) in state.idle.iter_mut().enumerate() {
                mapper.enter_module(&i.to_string(), "Worker");
                self.map_worker(mapper, worker);
                mapper.exit_module(&i.to_string(), "Worker");
            }
        }
        self
    }

    // Each worker's tensors stay on its own device, whatever device the model is on.
    fn collect_devices(&self, devices: Devices) -> Devices {
        devices
    }

    fn fork(self, _: &Device) -> Self {
        self
    }

    fn to_device(self, _: &Device) -> Self {
        self
    }

    fn train(self) -> Self {
        self
    }

    fn valid(&self) -> Self {
        self.clone()
    }

    fn materialize(self) -> Self {
        self
    }
}

/// More devices, or tensors by name, than any training has.
const MOST_ENTRIES: u64 = 1 << 12;

/// The sizes that a record names, if a tensor can have them: a damaged record may claim any, and room for none does not fit
/// what it holds, which is an error of whoever reads it.
fn believable(rows: u64, columns: u64) -> [usize; 2] {
    const MOST: u64 = 1 << 36; // numbers
    match rows.checked_mul(columns) {
        Some(1..=MOST) => [rows as usize, columns as usize],
        _ => [0, 0],
    }
}

impl TrainerState {
    fn map_worker<M: ModuleMapper>(&self, mapper: &mut M, worker: &mut Worker) {
        if let Some([device, steps, rows, features, kept]) =
            self.map_numbers(mapper, "numbers", worker.numbers())
        {
            let shape = believable(rows, features);
            let room = (rows > 0).then(|| Tensor::zeros(shape, (&self.home, DType::F32)));
            *worker = Worker {
                device: device as u32,
                steps,
                perturbation: room,
                kept: (0..kept.min(MOST_ENTRIES))
                    .map(|at| (at.to_string(), self.room(&Slot::default())))
                    .collect(),
                restored: true,
                ..Worker::default()
            };
        }
        if let Some(delta) = worker.perturbation.take() {
            mapper.enter_module("perturbation", "Param");
            let param = mapper.map_float(Param::initialized(ParamId::new(), delta));
            mapper.exit_module("perturbation", "Param");
            worker.perturbation = Some(param.into_value().without_autodiff());
        }
        mapper.enter_module("kept", "Worker");
        worker.kept = std::mem::take(&mut worker.kept)
            .into_iter()
            .enumerate()
            .map(|(at, kept)| self.map_kept(mapper, at, kept))
            .collect();
        mapper.exit_module("kept", "Worker");
    }

    fn map_kept<M: ModuleMapper>(
        &self,
        mapper: &mut M,
        at: usize,
        (name, values): (String, Tensor<2>),
    ) -> (String, Tensor<2>) {
        mapper.enter_module(&at.to_string(), "Worker");
        let about = Slot::of(&name, &values).numbers();
        let (name, values) = match self.map_numbers(mapper, "about", about).map(Slot::from) {
            Some(about) => (about.name.clone(), self.room(&about)),
            None => (name, values),
        };
        mapper.enter_module("values", "Param");
        let values = mapper.map_float(Param::initialized(ParamId::new(), values));
        mapper.exit_module("values", "Param");
        mapper.exit_module(&at.to_string(), "Worker");
        (name, values.into_value().without_autodiff())
    }

    /// Where a tensor is put that a file is read into.
    fn room(&self, Slot { rows, columns, dtype, .. }: &Slot) -> Tensor<2> {
        let shape = believable(*rows as u64, *columns as u64);
        Tensor::zeros(shape, (&self.home, *dtype))
    }

    /// Offers numbers to a mapper; what it put in their place, if it did.
    fn map_numbers<M: ModuleMapper, const N: usize>(
        &self,
        mapper: &mut M,
        name: &str,
        numbers: [u64; N],
    ) -> Option<[u64; N]> {
        mapper.enter_module(name, "Param");
        let param = mapper.map_int(self.numbers(numbers));
        mapper.exit_module(name, "Param");
        // Most mappers leave integers alone; only one that loads a record makes a tensor of them.
        if !param.is_initialized() {
            return None;
        }
        let read = param.val().try_into_vec_as::<i64>().ok()?;
        let read: Vec<u64> = read.into_iter().map(|number| number as u64).collect();
        read.try_into().ok()
    }

    /// Numbers as a parameter that becomes a tensor only when somebody reads it.
    fn numbers<const N: usize>(&self, numbers: [u64; N]) -> Param<Tensor<1, Int>> {
        let data = TensorData::from(numbers.map(|number| number as i64));
        Param::uninitialized(
            ParamId::new(),
            move |device, _| Tensor::from_data(data, device),
            self.home.clone(),
            false,
            Shape::from([N]),
        )
    }
}

impl Shared {
    fn table(&self) -> [u64; 3] {
        [self.passes, self.idle.len() as u64, self.position]
    }
}

fn within<V: ModuleVisitor>(visitor: &mut V, name: &str, visit: impl FnOnce(&mut V)) {
    visitor.enter_module(name, "TrainerState");
    visit(visitor);
    visitor.exit_module(name, "TrainerState");
}

impl ModuleDisplayDefault for TrainerState {
    fn content(&self, content: Content) -> Option<Content> {
        content.add("steps", &(self.steps() as usize)).optional()
    }
}

impl ModuleDisplay for TrainerState {}

#[cfg(test)]
mod tests;
