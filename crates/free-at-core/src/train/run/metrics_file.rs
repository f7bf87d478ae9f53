//! A line for every epoch.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use burn::train::logger::MetricLogger;
use burn::train::metric::store::{EpochSummary, MetricsUpdate, Split};
use burn::train::metric::{MetricDefinition, MetricId, NumericEntry};
use serde::{Deserialize, Serialize};

use super::event_file::EventFile;
use super::guard::Best;
use super::loading_clock::LoadingClock;
use super::metrics::RobustAccuracyMetric;
use crate::error::Error;
use crate::files::{self, failed};

/// Burn's numeric metrics as JSON lines: one after each pass over the training data and one after
/// each validation.
///
/// Besides the metrics, each with its value over the epoch, a line has the seconds since the one
/// before and, for training, the share of them that was spent waiting for data.
///
/// A run that goes on opens the same file again. What it says of passes that are made again, because
/// they were after the last checkpoint, is dropped, and so is a line that was cut off.
///
/// The folder `tensorboard` beside it has the same for `tensorboard --logdir`: scalars such as `Loss/train`, over the
/// passes.
#[derive(Debug)]
pub struct MetricsFile {
    path: PathBuf,
    file: File,
    events: EventFile,
    clock: LoadingClock,
    names: BTreeMap<String, String>,
    /// Values of the epochs, by metric, split and epoch.
    values: BTreeMap<(String, &'static str, usize), f64>,
    since: Instant,
    waited: Duration,
    passed: Duration,
}

/// One line of a [`MetricsFile`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// The pass over the training data, from 1.
    pub epoch: usize,
    /// `train` or `valid`.
    pub split: String,
    /// Burn's metrics by their names, in Burn's units (accuracies in per cent); those that are no
    /// number are left out.
    #[serde(flatten)]
    pub metrics: BTreeMap<String, f64>,
}

/// Names of what is in a line beside Burn's metrics.
const SECONDS: &str = "seconds";
const WAITING: &str = "waiting_share";

impl EpochMetrics {
    /// The lines of a file, up to the first that is cut off.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn read(path: &Path) -> Result<Vec<Self>, Error> {
        let bytes = std::fs::read(path).map_err(|error| failed(path, error))?;
        let text = String::from_utf8_lossy(&bytes); // a damaged line is none
        Ok(text.lines().map_while(|line| serde_json::from_str(line).ok()).collect())
    }

    /// The epoch with the highest robust accuracy that a guard found.
    pub fn best(lines: &[Self]) -> Option<Best> {
        best(
            lines.iter().filter_map(|line| {
                Some((line.epoch, *line.metrics.get(RobustAccuracyMetric::NAME)?))
            }),
        )
    }
}

/// The first of the highest, of epochs with their robust accuracy in per cent.
fn best(robust: impl Iterator<Item = (usize, f64)>) -> Option<Best> {
    robust.fold(None, |best: Option<Best>, (epoch, per_cent)| {
        let robust_accuracy = per_cent / 100.0;
        best.filter(|best| best.robust_accuracy >= robust_accuracy)
            .or(Some(Best { epoch, robust_accuracy }))
    })
}

impl MetricsFile {
    /// The file at `path`, of which the first `passes` epochs are kept: 0 begins anew.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn open(
        path: impl Into<PathBuf>,
        passes: usize,
        clock: LoadingClock,
    ) -> Result<Self, Error> {
        let path = path.into();
        let mut kept = match passes > 0 && path.exists() {
            true => EpochMetrics::read(&path)?,
            false => Vec::new(),
        };
        kept.retain(|line| line.epoch <= passes);
        let lines: Result<Vec<String>, _> = kept.iter().map(serde_json::to_string).collect();
        let lines = lines.map_err(|error| failed(&path, error))?;
        let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        files::write(&path, text.as_bytes())?;
        let file = OpenOptions::new().append(true).open(&path);
        let file = file.map_err(|error| failed(&path, error))?;
        let values = kept.iter().flat_map(|line| {
            let split = if line.split == "train" { "train" } else { "valid" };
            let of =
                move |(name, value): (&String, &f64)| ((name.clone(), split, line.epoch), *value);
            line.metrics.iter().map(of)
        });
        Ok(Self {
            values: values.collect(),
            events: EventFile::new(path.with_file_name("tensorboard")),
            path,
            file,
            clock,
            names: BTreeMap::new(),
            since: Instant::now(),
            waited: Duration::ZERO,
            passed: Duration::ZERO,
        })
    }

    /// The epoch with the highest robust accuracy so far: what a [`Guard`](crate::train::Guard) of a run that goes
    /// on remembers.
    pub fn best(&self) -> Option<Best> {
        best(self.values.iter().filter_map(|((name, _, epoch), per_cent)| {
            (name == RobustAccuracyMetric::NAME).then_some((*epoch, *per_cent))
        }))
    }

    fn line(&mut self, epoch: usize, split: &'static str) -> EpochMetrics {
        let mut metrics: BTreeMap<String, f64> = self
            .names
            .values()
            .filter_map(|name| {
                let value = self.values.get(&(name.clone(), split, epoch))?;
                Some((name.clone(), *value))
            })
            .collect();
        let now = Instant::now();
        metrics.insert(SECONDS.into(), (now - self.since).as_secs_f64());
        self.since = now;
        if split == "train" {
            let (waited, passed) = (self.clock.waiting(), self.clock.passing());
            let share = (waited - self.waited).as_secs_f64() / (passed - self.passed).as_secs_f64();
            if share.is_finite() {
                metrics.insert(WAITING.into(), share);
            }
            (self.waited, self.passed) = (waited, passed);
        }
        EpochMetrics { epoch, split: split.into(), metrics }
    }
}

fn key(id: &MetricId) -> String {
    format!("{id:?}")
}

impl MetricLogger for MetricsFile {
    fn log(&mut self, update: MetricsUpdate, epoch: usize, split: &Split) {
        // Only what holds for a whole epoch is kept, so memory does not grow with its length.
        for metric in update.entries_numeric {
            let name = self.names.get(&key(&metric.entry.metric_id));
            if let (Some(name), Some(NumericEntry::Final(value))) = (name, metric.numeric_entry)
                && value.is_finite()
            {
                self.values.insert((name.clone(), split.clone().into(), epoch), value);
            }
        }
    }

    fn read_numeric(
        &mut self,
        name: &str,
        epoch: usize,
        split: &Split,
    ) -> Result<Vec<NumericEntry>, String> {
        let value = self.values.get(&(name.to_string(), split.clone().into(), epoch));
        Ok(value.map(|value| NumericEntry::Final(*value)).into_iter().collect())
    }

    fn log_metric_definition(&mut self, definition: MetricDefinition) {
        self.names.insert(key(&definition.metric_id), definition.name.to_string());
    }

    fn log_epoch_summary(&mut self, summary: EpochSummary) {
        let line = self.line(summary.epoch_number, summary.split.into());
        let written = serde_json::to_string(&line)
            .map_err(std::io::Error::from)
            .and_then(|line| self.file.write_all((line + "\n").as_bytes()));
        // Burn's loggers cannot fail; a training is worth more than a line about it.
        if let Err(error) = written {
            log::error!("{}: {error}", self.path.display());
        }
        self.events.write(line.epoch, &line.split, &line.metrics);
    }
}

#[cfg(test)]
mod tests;
