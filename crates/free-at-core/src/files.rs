//! Files that are whole or not there.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// Writes to a temporary name beside `path`, makes sure it is on the disk, then renames: whatever
/// happens meanwhile, `path` has its old contents or its new ones. A link stays, and the file that it leads to
/// is written.
///
/// # Errors
/// [`Error::File`], also where [`target`] finds no file.
pub fn write(path: &Path, contents: &[u8]) -> Result<(), Error> {
    let target = target(path).map_err(|error| failed(path, error))?;
    let partial = partial(&target);
    let written = File::create(&partial)
        .and_then(|mut file| file.write_all(contents).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&partial, &target));
    written.map_err(|error| {
        let _ = fs::remove_file(&partial); // what is left of it is of no use
        failed(path, error)
    })
}

/// The file that a name stands for, where links lead, or would stand for if there were one.
///
/// # Errors
/// A folder, a device, a pipe or a socket: renaming would put a file in its place.
pub fn target(path: &Path) -> io::Result<PathBuf> {
    let found = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path.into()),
        found => found?,
    };
    if !found.is_file() {
        let what = if found.is_dir() { "a folder" } else { "a device, a pipe or a socket" };
        return Err(io::Error::other(format!("expected a file, found {what}: name another")));
    }
    match fs::symlink_metadata(path)?.is_symlink() {
        true => fs::canonicalize(path),
        false => Ok(path.into()),
    }
}

/// The same of a value as JSON, indented.
///
/// # Errors
/// [`Error::File`].
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let json = serde_json::to_vec_pretty(value).map_err(|error| failed(path, error))?;
    write(path, &json)
}

/// Reads what [`write_json`] wrote.
///
/// # Errors
/// [`Error::File`] if it cannot be read, [`Error::DamagedFile`] if it is no such value.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let json = fs::read(path).map_err(|error| failed(path, error))?;
    serde_json::from_slice(&json).map_err(|error| damaged(path, error))
}

/// Whether [`write()`] will find its folder and may write there: asked before hours of work.
///
/// # Errors
/// [`Error::File`], as there.
pub fn can_be_written(path: &Path) -> Result<(), Error> {
    let asked = target(path).and_then(|target| {
        let partial = partial(&target);
        fs::write(&partial, []).and_then(|()| fs::remove_file(&partial))
    });
    asked.map_err(|error| failed(path, error))
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

/// The error of a file that could not be read or written.
pub fn failed(path: &Path, reason: impl Display) -> Error {
    Error::File { path: path.display().to_string(), reason: reason.to_string() }
}

/// The error of a file whose contents are wrong.
pub fn damaged(path: &Path, reason: impl Display) -> Error {
    Error::DamagedFile { path: path.display().to_string(), reason: reason.to_string() }
}

/// Bytes in hexadecimal: a hash, say.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(all(test, unix))]
mod tests;
