//! The three parts of a checkpoint, which Burn writes from a thread each.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use burn::train::checkpoint::{Checkpoint, Checkpointer, CheckpointerError};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::files::{self, hex};

use super::about::{FILES, MODEL, Moment, Moments, OPTIMIZER, SCHEDULE};
use super::folder::Folder;

/// What Burn saves of a training.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    /// The model with the trainer's state.
    Model,
    Optimizer,
    Schedule,
}

impl Part {
    fn file(self) -> &'static str {
        match self {
            Self::Model => MODEL,
            Self::Optimizer => OPTIMIZER,
            Self::Schedule => SCHEDULE,
        }
    }
}

/// Files of checkpoints that are not complete yet, by the number of steps before them.
pub(super) type Written = Arc<Mutex<Vec<(u64, Vec<(String, u64, String)>)>>>;

/// Burn's checkpointer of one part. The one that writes the last part completes the checkpoint.
pub(super) struct PartCheckpointer {
    pub(super) part: Part,
    pub(super) folder: Folder,
    pub(super) moments: Moments,
    pub(super) written: Written,
    /// The checkpoint to go on from.
    pub(super) restored: Option<PathBuf>,
}

impl PartCheckpointer {
    fn write(&self, moment: Moment, contents: &[u8]) -> Result<(), Error> {
        let name = self.part.file().to_string();
        files::write(&self.folder.beside(moment)?.join(&name), contents)?;
        let file = (name, contents.len() as u64, hex(&Sha256::digest(contents)));
        match self.note(moment, file) {
            Some(files) => self.folder.complete_with(moment, files),
            None => Ok(()),
        }
    }

    /// Takes note of a file; all of the checkpoint's if it was the last.
    fn note(
        &self,
        moment: Moment,
        file: (String, u64, String),
    ) -> Option<Vec<(String, u64, String)>> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let at = match written.iter().position(|(steps, _)| *steps == moment.steps) {
            Some(at) => at,
            None => {
                written.push((moment.steps, Vec::new()));
                written.len() - 1
            }
        };
        written[at].1.push(file);
        (written[at].1.len() == FILES.len()).then(|| written.remove(at).1)
    }
}

impl<R: Checkpoint> Checkpointer<R> for PartCheckpointer {
    fn save(&self, epoch: usize, record: R) -> Result<(), CheckpointerError> {
        let moment = self.moments.of(epoch).ok_or_else(|| {
            CheckpointerError::Unknown(format!("epoch {epoch} has no checkpoint to be part of"))
        })?;
        let bytes = record.checkpoint_into_bytes().map_err(CheckpointerError::Record)?;
        self.write(moment, &bytes).map_err(|error| CheckpointerError::Unknown(error.to_string()))
    }

    // The folder deletes whole checkpoints.
    fn delete(&self, _: usize) -> Result<(), CheckpointerError> {
        Ok(())
    }

    fn restore(&self, _: usize) -> Result<R, CheckpointerError> {
        match &self.restored {
            Some(folder) => R::load(folder.join(self.part.file())),
            None => Err(CheckpointerError::Unknown("there is no checkpoint".into())),
        }
    }
}
