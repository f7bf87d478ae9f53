//! Files that are whole or not there.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use free_at_core::Error;

/// Writes beside `path`, then renames.
pub(crate) fn write(path: &Path, contents: &[u8]) -> Result<(), Error> {
    let partial = partial(path);
    fs::write(&partial, contents)
        .and_then(|()| fs::rename(&partial, path))
        .map_err(|error| failed(path, error))
}

/// Whether [`write`] will find its folder and may write there: asked before hours of work.
pub(crate) fn can_be_written(path: &Path) -> Result<(), Error> {
    let partial = partial(path);
    fs::write(&partial, [])
        .and_then(|()| fs::remove_file(&partial))
        .map_err(|error| failed(path, error))
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

pub(crate) fn failed(path: &Path, reason: impl Display) -> Error {
    Error::File { path: path.display().to_string(), reason: reason.to_string() }
}

pub(crate) fn damaged(path: &Path, reason: impl Display) -> Error {
    Error::DamagedFile { path: path.display().to_string(), reason: reason.to_string() }
}
