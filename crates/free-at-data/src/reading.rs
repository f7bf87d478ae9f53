//! Finding and reading the files of a data set.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use crate::DataError;

/// The first of these that is there, relative to `folder`.
pub(crate) fn find(folder: &Path, names: &[String]) -> Result<PathBuf, DataError> {
    if !folder.is_dir() {
        return Err(DataError::NoFolder { path: folder.display().to_string() });
    }
    let found = names.iter().map(|name| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| DataError::NoFile {
        folder: folder.display().to_string(),
        expected: names.join(", "),
    })
}

/// All bytes of a file, unpacked if its name ends in `.gz`.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(|error| DataError::file(path, error))?;
    match path.extension().is_some_and(|extension| extension == "gz") {
        true => GzDecoder::new(file)
            .read_to_end(&mut bytes)
            .map_err(|error| DataError::format(path, format!("it does not unpack: {error}")))?,
        false => file.read_to_end(&mut bytes).map_err(|error| DataError::file(path, error))?,
    };
    Ok(bytes)
}
