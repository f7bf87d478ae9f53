//! The folder: which checkpoints are whole, and how one becomes so.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::files::{self, failed, hex};

use super::about::{About, FILES, Moment, VERSION};

const ABOUT: &str = "about.json";
const PREFIX: &str = "step-";
const INCOMPLETE: &str = "incomplete-";
/// How many checkpoints are kept.
const KEPT: usize = 2;

/// A whole checkpoint and what it says of itself.
pub(super) type Found = (PathBuf, About);

/// What is written beside the files of a checkpoint, with its own hash.
#[derive(Serialize, Deserialize)]
struct Sealed {
    #[serde(flatten)]
    about: About,
    /// SHA-256 of the rest. None in what earlier programs wrote.
    #[serde(default)]
    seal: Option<String>,
}

impl Sealed {
    fn new(about: About) -> serde_json::Result<Self> {
        let seal = Some(seal(&about)?);
        Ok(Self { about, seal })
    }
}

fn seal(about: &About) -> serde_json::Result<String> {
    Ok(hex(&Sha256::digest(serde_json::to_vec(about)?)))
}

#[derive(Debug, Clone)]
pub(super) struct Folder {
    path: Arc<Path>,
    pub(super) model: String,
    /// Who keeps a second model, if anybody does.
    pub(super) after_step: Option<String>,
}

impl Folder {
    pub(super) fn open(path: &Path, model: String) -> Result<Self, Error> {
        fs::create_dir_all(path).map_err(|error| failed(path, error))?;
        files::can_be_written(&path.join(ABOUT))?;
        Ok(Self { path: path.into(), model, after_step: None })
    }

    /// The newest whole checkpoint, and what is wrong with those after it.
    pub(super) fn newest(&self) -> Result<(Option<Found>, Vec<String>), Error> {
        let mut skipped = Vec::new();
        for (_, path) in self.complete()? {
            match check(&path) {
                Ok(about) => return Ok((Some((path, about)), skipped)),
                Err(why) => skipped.push(format!(
                    "the checkpoint {} is damaged and was skipped: {why}",
                    path.display()
                )),
            }
        }
        Ok((None, skipped))
    }

    /// Checkpoints that were completed, newest first.
    fn complete(&self) -> Result<Vec<(u64, PathBuf)>, Error> {
        let entries = fs::read_dir(&self.path).map_err(|error| failed(&self.path, error))?;
        let mut found: Vec<(u64, PathBuf)> = entries
            .flatten()
            .filter_map(|entry| Some((number(&entry.path(), PREFIX)?, entry.path())))
            .collect();
        found.sort_by(|a, b| b.cmp(a));
        Ok(found)
    }

    /// Where the files of the checkpoint of this moment are written until it is complete.
    pub(super) fn beside(&self, moment: Moment) -> Result<PathBuf, Error> {
        let path = self.path.join(format!("{INCOMPLETE}{}", moment.steps));
        fs::create_dir_all(&path).map_err(|error| failed(&path, error))?;
        Ok(path)
    }

    /// Gives the checkpoint its name, and deletes what is older than the last two.
    pub(super) fn complete_with(
        &self,
        moment: Moment,
        files: Vec<(String, u64, String)>,
    ) -> Result<(), Error> {
        let beside = self.beside(moment)?;
        let Moment { passes, position, steps } = moment;
        let (model, after_step) = (self.model.clone(), self.after_step.clone());
        let version = VERSION;
        let about = About { version, model, passes, position, steps, after_step, files };
        let json = Sealed::new(about).and_then(|sealed| serde_json::to_vec_pretty(&sealed));
        let json = json.map_err(|error| failed(&beside, error))?;
        files::write(&beside.join(ABOUT), &json)?;
        let path = self.path.join(format!("{PREFIX}{steps:010}"));
        // One of the same step is there if a run went on from an older one, or stopped at once.
        let replaced = path.with_extension("replaced");
        let moved = match path.exists() {
            true => fs::rename(&path, &replaced),
            false => Ok(()),
        };
        moved
            .and_then(|()| fs::rename(&beside, &path))
            .and_then(|()| File::open(&*self.path)?.sync_all())
            .map_err(|error| failed(&path, error))?;
        self.tidy(&path, steps);
        Ok(())
    }

    /// Deletes all but the last checkpoints up to `last`, of so many steps. What cannot be deleted stays, and so
    /// does one of more steps that is being written meanwhile.
    fn tidy(&self, last: &Path, steps: u64) {
        let complete = self.complete().unwrap_or_default();
        let kept: Vec<&PathBuf> = complete
            .iter()
            .map(|(_, path)| path)
            .filter(|path| **path <= *last)
            .take(KEPT)
            .collect();
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            let in_the_making = number(&path, INCOMPLETE).is_some_and(|number| number > steps);
            if path.is_dir() && !in_the_making && !kept.contains(&&path) {
                let _ = fs::remove_dir_all(path);
            }
        }
    }
}

/// The number of steps in a folder's name.
fn number(path: &Path, prefix: &str) -> Option<u64> {
    path.file_name()?.to_str()?.strip_prefix(prefix)?.parse().ok()
}

/// Reads what a checkpoint says of itself, and compares its files with that.
fn check(path: &Path) -> Result<About, String> {
    let sealed: Sealed = serde_json::from_slice(&read(path, ABOUT, None)?)
        .map_err(|error| format!("{ABOUT} is not what was written: {error}"))?;
    if sealed.about.version != VERSION {
        let found = sealed.about.version;
        return Err(format!("its format has version {found}, this program reads {VERSION}"));
    }
    check_seal(path, &sealed)?;
    let about = sealed.about;
    check_names(&about)?;
    for (name, size, hash) in &about.files {
        if hex(&Sha256::digest(read(path, name, Some(*size))?)) != *hash {
            return Err(format!("{name} has other contents than were written"));
        }
    }
    Ok(about)
}

/// Accepts what a checkpoint says of itself if it is what was written, or could be.
fn check_seal(path: &Path, Sealed { about, seal: found }: &Sealed) -> Result<(), String> {
    let written = match found {
        Some(found) => seal(about).is_ok_and(|expected| *found == expected),
        // Without a seal: every pass takes a step, and every place in one is a step.
        None => about.passes <= about.steps && about.position <= about.steps,
    };
    match written && number(path, PREFIX) == Some(about.steps) {
        true => Ok(()),
        false => Err(format!("{ABOUT} has other contents than were written")),
    }
}

/// Accepts the files of a checkpoint, each once. A name that leads elsewhere could be that of anything.
fn check_names(about: &About) -> Result<(), String> {
    let mut names: Vec<&str> = about.files.iter().map(|(name, ..)| name.as_str()).collect();
    names.sort_unstable();
    match names == FILES {
        true => Ok(()),
        false => Err(format!(
            "{ABOUT} is not what was written: it names the files {names:?}, expected {FILES:?}"
        )),
    }
}

/// The contents of a file of a checkpoint, of `size` bytes if that is known.
fn read(folder: &Path, name: &str, size: Option<u64>) -> Result<Vec<u8>, String> {
    let path = folder.join(name);
    let unreadable = |error: std::io::Error| format!("{name} cannot be read: {error}");
    let found = fs::metadata(&path).map_err(unreadable)?;
    if !found.is_file() {
        return Err(format!("{name} cannot be read: it is no regular file"));
    }
    match size {
        // A wrong length may be beyond all memory.
        Some(size) if size != found.len() => {
            Err(format!("{name} has {} of {size} bytes", found.len()))
        }
        _ => fs::read(&path).map_err(unreadable),
    }
}
