//! CIFAR-10 and CIFAR-100, from the binary version's files.

use std::path::Path;

use crate::reading::{find, read};
use crate::source::{Memory, Pixels};
use crate::{DataError, ImageDataset};

/// Channels, height, width.
const SHAPE: [usize; 3] = [3, 32, 32];
const PIXELS: usize = 3 * 32 * 32;

/// A version of the data set.
pub(crate) struct Version {
    /// Bytes before the pixels of a record; the last of them is the label.
    pub(crate) labels: usize,
    /// The folder inside the published archive.
    pub(crate) folder: &'static str,
    pub(crate) names: &'static [&'static str],
}

impl Version {
    /// The records of these files, of which none may be missing, with at most `most` each.
    pub(crate) fn read(
        &self,
        folder: &Path,
        files: &[&str],
        most: usize,
    ) -> Result<ImageDataset, DataError> {
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for name in files {
            let path = find(folder, &[name.to_string(), format!("{}/{name}", self.folder)])?;
            let bytes = read(&path)?;
            let record = self.labels + PIXELS;
            let records = bytes.len() / record;
            if bytes.len() % record != 0 || !(1..=most).contains(&records) {
                return Err(DataError::Length {
                    path: path.display().to_string(),
                    expected: format!("a multiple of {record}, at most {most} records,"),
                    found: bytes.len() as u64,
                });
            }
            for (number, record) in bytes.chunks_exact(record).enumerate() {
                let label = usize::from(record[self.labels - 1]);
                if label >= self.names.len() {
                    let (path, classes) = (path.display().to_string(), self.names.len());
                    return Err(DataError::Label { path, record: number, label, classes });
                }
                labels.push(label);
                pixels.extend_from_slice(&record[self.labels..]);
            }
        }
        let memory = Memory { pixels: Pixels::Bytes(pixels), labels, shape: SHAPE, white: 255 };
        let names = self.names.iter().map(ToString::to_string).collect();
        Ok(ImageDataset::in_memory(memory, names))
    }
}

#[cfg(test)]
mod tests;
