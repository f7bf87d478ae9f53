//! What is known of a checkpoint beside its files.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// What is written beside the files of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The version of the format.
    pub version: u32,
    /// Hash of the names and shapes of the model's tensors.
    pub model: String,
    /// Whole passes over the data before it.
    pub passes: u64,
    /// Optimiser steps in the pass after those, replays included: above 0 where it was interrupted.
    pub position: u64,
    /// Optimiser steps, over all devices.
    pub steps: u64,
    /// The name of the [`AfterStep`](crate::train::AfterStep) that kept a second model, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_step: Option<String>,
    /// Name, size in bytes and SHA-256 of each file.
    pub files: Vec<(String, u64, String)>,
}

/// Of the format of a checkpoint.
pub(super) const VERSION: u32 = 2;

pub(super) const MODEL: &str = "model.bpk";
pub(super) const OPTIMIZER: &str = "optimizer.bpk";
pub(super) const SCHEDULE: &str = "schedule.bpk";
/// The files of a checkpoint, sorted.
pub(super) const FILES: [&str; 3] = [MODEL, OPTIMIZER, SCHEDULE];

/// Where the training was when each of its checkpoints began, by Burn's number for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Moments(Arc<Mutex<Vec<(usize, Moment)>>>);

#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) passes: u64,
    pub(super) position: u64,
    pub(super) steps: u64,
}

impl Moments {
    pub(super) fn list(&self) -> MutexGuard<'_, Vec<(usize, Moment)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn of(&self, epoch: usize) -> Option<Moment> {
        self.list().iter().find(|(at, _)| *at == epoch).map(|(_, moment)| *moment)
    }
}
