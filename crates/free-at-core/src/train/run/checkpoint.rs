//! Checkpoints that survive being killed at any moment.

mod about;
mod checkpointer;
mod folder;

use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Int, Tensor};
use burn::train::SupervisedTraining;
use burn::train::checkpoint::{CheckpointingAction, CheckpointingStrategy};
use burn::train::metric::store::EventStoreClient;
use sha2::{Digest, Sha256};

use super::adversarial_model::AdversarialModel;
use super::guard::Guard;
use super::session::Session;
use crate::files;
use crate::model::classifier::Trainable;
use crate::train::TrainError;
use crate::train::method::interface::Descend;

pub use about::About;

use about::{Moment, Moments};
use checkpointer::{Part, PartCheckpointer, Written};
use folder::{Folder, Found};

/// A folder of checkpoints of one training: parameters, optimiser, schedule, perturbations, and the
/// position in the data.
///
/// Each checkpoint is a folder of its own, `step-N` after N optimiser steps. It is written under
/// another name and renamed once it is complete, with the hash of each of its files; the last two are
/// kept. So a process that is killed, or a disk that is full, leaves the checkpoints before it, and a
/// file that was damaged later is found out: the checkpoint before is used.
///
/// [`Trainer::run`](crate::train::Trainer::run) makes them, and goes on from the newest one. This says what there
/// is.
///
/// ```
/// use burn::module::Module;
/// use burn::nn::LinearConfig;
/// use burn::tensor::Device;
/// use free_at_core::train::Checkpoints;
///
/// # let folder = std::env::temp_dir().join(format!("free-at-checkpoints-{}", std::process::id()));
/// let model = LinearConfig::new(4, 3).init(&Device::flex());
/// let checkpoints = Checkpoints::open(folder.join("checkpoint"), &model)?;
/// match checkpoints.newest() {
///     Some(about) => println!("going on after {} steps", about.steps),
///     None => println!("a new training"),
/// }
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), free_at_core::train::TrainError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Checkpoints {
    folder: Folder,
    newest: Option<Found>,
    skipped: Vec<String>,
}

impl Checkpoints {
    /// The checkpoints in `folder`, which is made if it is not there, of a training of `model`. Those
    /// that are incomplete or damaged are skipped: [`skipped`](Self::skipped) says which.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File) for a folder that cannot be made or read,
    /// [`TrainError::OtherModel`] for the newest whole checkpoint being one of another model.
    pub fn open(folder: impl AsRef<Path>, model: &impl Module) -> Result<Self, TrainError> {
        let folder = Folder::open(folder.as_ref(), signature(model))?;
        let (newest, skipped) = folder.newest()?;
        skipped.iter().for_each(|why| log::warn!("{why}"));
        if let Some((path, about)) = &newest
            && about.model != folder.model
        {
            return Err(TrainError::OtherModel { path: path.display().to_string() });
        }
        Ok(Self { folder, newest, skipped })
    }

    /// The checkpoint from which a training goes on, if there is one.
    pub fn newest(&self) -> Option<&About> {
        self.newest.as_ref().map(|(_, about)| about)
    }

    /// Checkpoints that were not used, each with the reason.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// Accepts a run that does the same after each step as the one of the newest checkpoint, if there is any.
    pub(crate) fn after_step(mut self, name: Option<String>) -> Result<Self, TrainError> {
        let said = |name: &Option<String>| match name {
            Some(name) => format!("with {name}"),
            None => "with nothing".to_string(),
        };
        match &self.newest {
            Some((path, about)) if about.after_step != name => Err(TrainError::OtherAfterStep {
                path: path.display().to_string(),
                expected: said(&name),
                found: said(&about.after_step),
            }),
            _ => {
                self.folder.after_step = name;
                Ok(self)
            }
        }
    }

    /// Makes a checkpoint after every pass of the training and when it is stopped, and goes on from the newest
    /// one, if there is any. A guard's best model is kept before the checkpoint of its pass.
    pub(crate) fn keep<C: Trainable<D>, M: Descend<D>, const D: usize>(
        self,
        session: &Session,
        training: SupervisedTraining<AdversarialModel<C, M, D>>,
        guard: Option<&Guard<C, D>>,
    ) -> SupervisedTraining<AdversarialModel<C, M, D>> {
        let moments = Moments::default();
        let restored = self.newest.as_ref().map(|(path, _)| path.clone());
        let written = Written::default();
        let part = |part| PartCheckpointer {
            part,
            folder: self.folder.clone(),
            moments: moments.clone(),
            written: written.clone(),
            restored: restored.clone(),
        };
        let guard = guard.cloned();
        let before = move |epoch| {
            if let Some(guard) = &guard {
                guard.observe(epoch);
            }
        };
        let each = EachPass { session: session.clone(), moments: moments.clone(), before };
        let training = training
            .with_custom_checkpointers(
                part(Part::Model),
                part(Part::Optimizer),
                part(Part::Schedule),
            )
            .with_checkpointing_strategy(each);
        match &self.newest {
            Some((_, about)) => training.checkpoint(about.passes as usize),
            None => training,
        }
    }
}

/// A checkpoint after every pass. What is old is deleted by whoever completes a new one.
struct EachPass<F> {
    session: Session,
    moments: Moments,
    before: F,
}

impl<F: FnMut(usize) + Send> CheckpointingStrategy for EachPass<F> {
    fn checkpointing(&mut self, epoch: usize, _: &EventStoreClient) -> Vec<CheckpointingAction> {
        if self.session.is_spoilt() {
            return Vec::new(); // the last one is what to go on from
        }
        (self.before)(epoch);
        // Taken now: the files are written while training goes on.
        let state = &self.session.state;
        let (passes, position) = (state.passes(), state.position());
        let moment = Moment { passes, position, steps: state.steps() };
        let mut moments = self.moments.list();
        moments.retain(|(at, _)| at + 2 >= epoch && *at != epoch);
        moments.push((epoch, moment));
        vec![CheckpointingAction::Save]
    }
}

/// What tells models apart whose checkpoints do not fit each other.
fn signature(model: &impl Module) -> String {
    #[derive(Default)]
    struct Shapes {
        path: Vec<String>,
        hash: Sha256,
    }
    impl Shapes {
        fn add(&mut self, shape: &[usize]) {
            self.hash.update(format!("{} {shape:?}\n", self.path.join(".")));
        }
    }
    impl ModuleVisitor for Shapes {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.into());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.add(&param.lazy_shape());
        }
        fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
            self.add(&param.lazy_shape());
        }
    }
    let mut shapes = Shapes::default();
    model.visit(&mut shapes);
    files::hex(&shapes.hash.finalize())
}

#[cfg(test)]
mod tests;
