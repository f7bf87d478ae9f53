//! Finding and reading the files of a data set.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::DataError;

/// How every gzip file begins, and no other file of a data set.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The most bytes that a packed file may have unpacked, 4 GiB: of nothing but zeros, a packed file of 4 MB has as
/// many.
const MOST_UNPACKED: u64 = 4 << 30;

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

/// All bytes of a file, unpacked if it is packed by gzip, whatever it is called.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    read_at_most(path, MOST_UNPACKED)
}

fn read_at_most(path: &Path, most: u64) -> Result<Vec<u8>, DataError> {
    let wrong = |error: io::Error| DataError::file(path, error);
    let mut file = File::open(path).map_err(wrong)?;
    let mut bytes = Vec::new();
    file.by_ref().take(GZIP.len() as u64).read_to_end(&mut bytes).map_err(wrong)?;
    if bytes != GZIP {
        file.read_to_end(&mut bytes).map_err(wrong)?;
        return Ok(bytes);
    }
    bytes.clear();
    // Files that were packed in parts and joined have several members.
    let members = MultiGzDecoder::new(GZIP.as_slice().chain(file));
    members
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| DataError::format(path, format!("it does not unpack: {error}")))?;
    match bytes.len() as u64 > most {
        true => Err(DataError::Unpacked { path: path.display().to_string(), most }),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests;
