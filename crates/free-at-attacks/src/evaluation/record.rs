//! The file from which a stopped evaluation goes on.
//!
//! JSON, one object a line: first the hash of the evaluation, then each finding as it is made. Lines are
//! only ever added, so a killed process leaves all of them readable but the last. Adversarial
//! examples, where they are wanted, stand in a file beside it, in the order of the lines.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use free_at_core::Error;
use free_at_core::files::{self, damaged, failed};
use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;
use super::tally::Finding;
use crate::error::EvaluationError;

#[derive(Serialize, Deserialize)]
struct Header {
    free_at_record: u32,
    /// Of configuration, data and parameters.
    hash: String,
    /// What the model says of the first few samples, where that tells it from others.
    #[serde(default)]
    answers: Option<Vec<f32>>,
    /// Values of one adversarial example; 0 where none are kept.
    features: usize,
}

const FORMAT: u32 = 3;

/// A finding with the adversarial examples of what it broke, one after the other.
pub(super) type WithExamples = (Finding, Vec<f32>);

pub(super) struct Record {
    path: PathBuf,
    lines: File,
    examples: Option<File>,
}

impl Record {
    /// Opens the record of the evaluation with this fingerprint, or starts it; with what it holds.
    /// `features` are the values of an adversarial example, where these are kept.
    pub(super) fn open(
        path: &Path,
        of: &Fingerprint,
        features: Option<usize>,
    ) -> Result<(Self, Vec<WithExamples>), EvaluationError> {
        if !path.exists() {
            let header = Header {
                free_at_record: FORMAT,
                hash: of.key().into(),
                answers: of.answers().map(Into::into),
                features: features.unwrap_or(0),
            };
            let line = serde_json::to_string(&header).map_err(|error| failed(path, error))?;
            if features.is_some() {
                files::write(&beside(path), &[])?;
            }
            files::write(path, (line + "\n").as_bytes())?;
        }
        // Locked before it is read: what another evaluation is writing is not ours to cut.
        let mut lines = open(path)?;
        let busy = |error: std::fs::TryLockError| {
            failed(path, format!("another evaluation is at work on it ({error})"))
        };
        lines.try_lock().map_err(busy)?;
        let mut text = Vec::new();
        lines.read_to_end(&mut text).map_err(|error| failed(path, error))?;
        let text = String::from_utf8(text).map_err(|error| damaged(path, error))?;
        // What follows the last newline was being written when the process ended.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut entries = text[..whole].lines().enumerate();
        let header = entries.next().map(|(_, line)| serde_json::from_str::<Header>(line));
        let header = match header {
            Some(Ok(header)) if header.free_at_record == FORMAT => header,
            Some(Ok(Header { free_at_record: version, .. })) => {
                let reason = format!(
                    "it has version {version}, this program reads version {FORMAT}: go on with the version of \
                     free-at that began it, or begin anew with another record"
                );
                return Err(failed(path, reason).into());
            }
            _ => return Err(damaged(path, "line 1 is no header of a record").into()),
        };
        let recorded = Fingerprint::recorded(header.hash, header.answers);
        if !recorded.matches(of) {
            let path = path.display().to_string();
            let (expected, found) = (of.hash(), recorded.hash());
            return Err(EvaluationError::OtherEvaluation { path, expected, found });
        }
        if header.features != features.unwrap_or(0) {
            let reason = "it was begun with adversarial examples and is to go on without, or the \
                          other way round: do as before, or use another record";
            return Err(failed(path, reason).into());
        }
        let findings = entries
            .map(|(at, line)| {
                let finding = serde_json::from_str::<Finding>(line);
                finding.map_err(|error| damaged(path, format!("line {}: {error}", at + 1)))
            })
            .collect::<Result<Vec<_>, Error>>()?;
        check(&findings).map_err(|reason| damaged(path, reason))?;
        cut(path, &mut lines, whole as u64)?;
        let (examples, kept) = match features {
            Some(features) => {
                let broken: usize = findings.iter().map(|finding| finding.examples()).sum();
                let (file, values) = examples(&beside(path), broken.saturating_mul(features))?;
                (Some(file), values)
            }
            None => (None, Vec::new()),
        };
        let mut kept = kept.into_iter();
        let with_examples = |finding: Finding| {
            let values = finding.examples() * features.unwrap_or(0);
            (finding, kept.by_ref().take(values).collect())
        };
        let findings = findings.into_iter().map(with_examples).collect();
        Ok((Self { path: path.into(), lines, examples }, findings))
    }

    /// Adds a finding: its examples first, so that a line never lacks them.
    pub(super) fn add(&mut self, finding: &Finding, examples: &[f32]) -> Result<(), Error> {
        if let Some(file) = &mut self.examples {
            let bytes: Vec<u8> = examples.iter().flat_map(|value| value.to_le_bytes()).collect();
            let written = file.write_all(&bytes).and_then(|()| file.sync_data());
            written.map_err(|error| failed(&beside(&self.path), error))?;
        }
        let line = serde_json::to_string(finding).map_err(|error| failed(&self.path, error))?;
        let written = self.lines.write_all((line + "\n").as_bytes());
        written.and_then(|()| self.lines.sync_data()).map_err(|error| failed(&self.path, error))
    }
}

/// Accepts findings that an evaluation can go on from: their costs add up to a number, and norms are norms.
fn check(findings: &[Finding]) -> Result<(), String> {
    /// More than any evaluation computes; what comes after it still fits.
    const MOST: u64 = 1 << 53;
    let (mut computed, mut seconds) = (0u64, 0.0);
    for (at, finding) in findings.iter().enumerate() {
        let line = at + 2; // after the header
        let costs = finding.gradient_computations.saturating_add(finding.forward_passes);
        computed = computed.saturating_add(costs);
        seconds += finding.seconds.max(0.0);
        if computed > MOST || finding.seconds < 0.0 || seconds > MOST as f64 {
            return Err(format!("line {line}: no evaluation costs so much, or less than nothing"));
        }
        let is_norm = |norm: f64| norm.is_finite() && norm >= 0.0;
        if let Some(broken) = finding.broken.iter().find(|broken| !is_norm(broken.norm)) {
            return Err(format!("line {line}: {} is no norm", broken.norm));
        }
    }
    Ok(())
}

/// The file of adversarial examples that belongs to a record.
fn beside(record: &Path) -> PathBuf {
    let mut name = record.as_os_str().to_owned();
    name.push(".examples");
    name.into()
}

fn open(path: &Path) -> Result<File, Error> {
    let file = OpenOptions::new().read(true).write(true).open(path);
    file.map_err(|error| failed(path, error))
}

/// Drops what is beyond `length`, and goes on writing from there.
fn cut(path: &Path, file: &mut File, length: u64) -> Result<(), Error> {
    let cut = file.set_len(length).and_then(|()| file.seek(SeekFrom::Start(length)));
    cut.map(|_| ()).map_err(|error| failed(path, error))
}

/// The first `count` values of the file of examples, and the file to write on after them.
fn examples(path: &Path, count: usize) -> Result<(File, Vec<f32>), Error> {
    const BYTES: usize = 4;
    let mut file = open(path)?;
    let found = file.metadata().map_err(|error| failed(path, error))?.len();
    // Before there is room for them: the record may name more than any memory holds.
    let length = count.checked_mul(BYTES).filter(|length| *length as u64 <= found);
    let Some(length) = length else {
        let reason = format!("{count} values of {BYTES} bytes expected, found {found} bytes");
        return Err(damaged(path, reason));
    };
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes).map_err(|error| damaged(path, error))?;
    let values = bytes.chunks_exact(BYTES).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let values = values.collect();
    cut(path, &mut file, bytes.len() as u64)?;
    Ok((file, values))
}

#[cfg(test)]
mod tests;
