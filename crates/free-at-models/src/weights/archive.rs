//! Archives of PyTorch that the `zip` crate misreads.
//!
//! PyTorch ends an archive with a ZIP64 record and its locator, 76 bytes, even where the older end record after
//! them says all. `zip` (to 9.8.2) leaves the ZIP64 record unread then, and takes the list of files for what
//! stands directly before the older record: 76 bytes late. It notices, and looks elsewhere, unless an entry begins just
//! there, which is so when the first one has 76 bytes: the name of a first file, `FOLDER/data.pkl`, of 30.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use tempfile::NamedTempFile;

/// The older end record, without a comment, which PyTorch does not write.
const END: u64 = 22;
/// Where it has the size and the offset of the list of files.
const SIZE: u64 = 12;
const OFFSET: u64 = 16;
/// The ZIP64 record's locator, directly before it.
const LOCATOR: u64 = 20;

/// A copy of the archive that `zip` reads right, if the archive is one that it misreads: the end record
/// refers to the ZIP64 record, as it would in an archive too large for its own fields.
pub(super) fn mended(path: &Path) -> io::Result<Option<NamedTempFile>> {
    let mut file = File::open(path)?;
    let Some(end) = misread(&mut file)? else { return Ok(None) };
    let mut copy = NamedTempFile::new()?;
    file.rewind()?;
    io::copy(&mut file, &mut copy)?;
    copy.seek(SeekFrom::Start(end + OFFSET))?;
    copy.write_all(&u32::MAX.to_le_bytes())?;
    Ok(Some(copy))
}

/// Where the end record of an archive begins that is misread.
fn misread(file: &mut File) -> io::Result<Option<u64>> {
    let length = file.seek(SeekFrom::End(0))?;
    let Some(end) = length.checked_sub(END).filter(|end| *end >= LOCATOR) else { return Ok(None) };
    if &word(file, end)? != b"PK\x05\x06" || &word(file, end - LOCATOR)? != b"PK\x06\x07" {
        return Ok(None);
    }
    let size = u64::from(u32::from_le_bytes(word(file, end + SIZE)?));
    let offset = u64::from(u32::from_le_bytes(word(file, end + OFFSET)?));
    let taken = end.saturating_sub(size);
    let entry = |file: &mut File, at| io::Result::Ok(&word(file, at)? == b"PK\x01\x02");
    let misread = offset < taken && taken < end && entry(file, offset)? && entry(file, taken)?;
    Ok(misread.then_some(end))
}

fn word(file: &mut File, at: u64) -> io::Result<[u8; 4]> {
    let mut word = [0; 4];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut word)?;
    Ok(word)
}
