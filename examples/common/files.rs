//! Writes a file whole or not at all.

use std::fs;
use std::path::Path;

/// Writes beside `path`, then renames.
///
/// # Errors
/// What the system says, with the file's name.
pub fn write(path: &Path, contents: &[u8]) -> Result<(), String> {
    let partial = path.with_extension("partial");
    fs::write(&partial, contents)
        .and_then(|()| fs::rename(&partial, path))
        .map_err(|error| format!("{} cannot be written: {error}", path.display()))
}
