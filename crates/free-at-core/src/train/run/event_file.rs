//! Scalars for TensorBoard.
//!
//! The crates that write its files pull in a protobuf compiler or old versions of half of the ecosystem; what scalars
//! need of the format is below.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Event files in one folder, each value a scalar `METRIC/SPLIT` whose step is the pass over the data.
///
/// Each process writes a file of its own, from its first epoch on, which tells TensorBoard to drop what older files have
/// of this step and later ones: what a run that goes on makes again is not shown twice. An epoch is one write, so a
/// kill costs no more than that epoch.
#[derive(Debug)]
pub(crate) struct EventFile {
    folder: PathBuf,
    file: Option<File>,
}

impl EventFile {
    /// Makes nothing before the first epoch.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, file: None }
    }

    /// Adds the metrics of an epoch. What cannot be written is logged: a training is worth more than its curves.
    pub(crate) fn write(&mut self, epoch: usize, split: &str, metrics: &BTreeMap<String, f64>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if let Err(error) = self.append(now, epoch as u64, split, metrics) {
            log::error!("{}: no events of epoch {epoch}: {error}", self.folder.display());
        }
    }

    fn append(
        &mut self,
        now: Duration,
        step: u64,
        split: &str,
        metrics: &BTreeMap<String, f64>,
    ) -> io::Result<()> {
        let time = now.as_secs_f64();
        // Out of its place until all is written: readers stop at what was cut off, so after an error the next epoch
        // begins another file.
        let (mut file, mut bytes) = match self.file.take() {
            Some(file) => (file, Vec::new()),
            None => (create(&self.folder, now)?, beginning(time, step)),
        };
        bytes.extend(scalars(time, step, split, metrics));
        file.write_all(&bytes)?;
        self.file = Some(file);
        Ok(())
    }
}

/// A new file, whose name sorts after those of older ones and has the word that TensorBoard looks for.
fn create(folder: &Path, now: Duration) -> io::Result<File> {
    fs::create_dir_all(folder)?;
    let (seconds, rest) = (now.as_secs(), now.subsec_nanos());
    let name = format!("events.out.tfevents.{seconds:010}.{rest:09}.free-at");
    File::options().append(true).create_new(true).open(folder.join(name))
}

/// What a file begins with: the version of the format, and a restart at `step`.
fn beginning(time: f64, step: u64) -> Vec<u8> {
    const START: u64 = 1; // of SessionLog.SessionStatus
    let version = event(time, 0, &field(3, b"brain.Event:2"));
    let restart = event(time, step, &field(7, &varint_field(1, START)));
    [record(&version), record(&restart)].concat()
}

/// One event with all metrics of an epoch.
fn scalars(time: f64, step: u64, split: &str, metrics: &BTreeMap<String, f64>) -> Vec<u8> {
    let value = |(name, value): (&String, &f64)| {
        let tag = field(1, format!("{name}/{split}").as_bytes());
        let number = [&key(2, FOUR_BYTES)[..], &(*value as f32).to_le_bytes()].concat();
        field(1, &[tag, number].concat())
    };
    let summary: Vec<u8> = metrics.iter().flat_map(value).collect();
    record(&event(time, step, &field(5, &summary)))
}

/// An `Event`: when, at which step, what.
fn event(time: f64, step: u64, what: &[u8]) -> Vec<u8> {
    let step = if step == 0 { Vec::new() } else { varint_field(2, step) };
    [&key(1, EIGHT_BYTES)[..], &time.to_le_bytes(), &step, what].concat()
}

/// A TFRecord: the length and the data, each with its checksum.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &checksum(&length), data, &checksum(data)].concat()
}

/// CRC-32C, masked, since checksums of what holds checksums are weak.
fn checksum(data: &[u8]) -> [u8; 4] {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// How protocol buffers hold a value.
const VARINT: u64 = 0;
const EIGHT_BYTES: u64 = 1;
const WITH_LENGTH: u64 = 2;
const FOUR_BYTES: u64 = 5;

fn key(field: u64, held: u64) -> Vec<u8> {
    varint(field << 3 | held)
}

fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
    [&key(number, WITH_LENGTH)[..], &varint(bytes.len() as u64), bytes].concat()
}

fn varint_field(number: u64, value: u64) -> Vec<u8> {
    [key(number, VARINT), varint(value)].concat()
}

/// Seven bits a byte, the lowest first; all but the last have their highest bit set.
fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[cfg(test)]
mod tests;
