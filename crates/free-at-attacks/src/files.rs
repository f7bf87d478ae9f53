//! Files that are whole or not there.

use std::fmt::Display;
use std::fs;
use std::path::Path;

use free_at_core::Error;

/// Writes beside `path`, then renames.
pub(crate) fn write(path: &Path, contents: &[u8]) -> Result<(), Error> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    fs::write(&partial, contents)
        .and_then(|()| fs::rename(&partial, path))
        .map_err(|error| failed(path, error))
}

pub(crate) fn failed(path: &Path, reason: impl Display) -> Error {
    Error::File { path: path.display().to_string(), reason: reason.to_string() }
}

pub(crate) fn damaged(path: &Path, reason: impl Display) -> Error {
    Error::DamagedFile { path: path.display().to_string(), reason: reason.to_string() }
}
