//! Short lines for where there is no terminal.

use std::collections::BTreeMap;
use std::time::Instant;

use burn::train::logger::{EvaluationProgressLogger, TrainingProgressLogger};
use burn::train::metric::{MetricDefinition, MetricEntry, MetricId, NumericEntry};
use burn::train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation,
    MetricsRendererTraining,
};

/// A renderer of Burn's that prints one line for each pass over the training data and one for each validation.
#[derive(Debug)]
pub struct ShortLines {
    names: Vec<(MetricId, String)>,
    values: BTreeMap<String, f64>,
    epoch: usize,
    epochs: usize,
    split: String,
    since: Instant,
}

impl Default for ShortLines {
    fn default() -> Self {
        Self::new()
    }
}

impl ShortLines {
    /// Before the first line.
    pub fn new() -> Self {
        let (names, values, split) = (Vec::new(), BTreeMap::new(), String::new());
        Self { names, values, epoch: 1, epochs: 1, split, since: Instant::now() }
    }

    fn note(&mut self, state: MetricState) {
        let MetricState::Numeric(MetricEntry { metric_id, .. }, Some(NumericEntry::Final(value))) =
            state
        else {
            return;
        };
        let name = self.names.iter().find(|(id, _)| *id == metric_id).map(|(_, name)| name);
        if let Some(name) = name.filter(|_| value.is_finite()) {
            self.values.insert(name.clone(), value);
        }
    }
}

impl MetricsRendererTraining for ShortLines {
    fn update_train(&mut self, state: MetricState) {
        self.note(state);
    }

    fn update_valid(&mut self, state: MetricState) {
        self.note(state);
    }
}

impl TrainingProgressLogger for ShortLines {
    fn start(&mut self, epochs: usize, first: usize, _: Option<usize>, _: Option<&str>) {
        (self.epochs, self.epoch) = (epochs, first);
    }

    fn update_epoch(&mut self, epoch: usize) {
        self.epoch = epoch + 1;
    }

    fn start_split(&mut self, split: &str, _: usize) {
        self.split = split.into();
        self.values.clear();
        self.since = Instant::now();
    }

    fn update_split(&mut self, _: usize) {}

    fn end_split(&mut self) {
        let values =
            self.values.iter().map(|(name, value)| format!(", {} {value:.3}", name.to_lowercase()));
        let (epoch, epochs, split) = (self.epoch, self.epochs, &self.split);
        let seconds = self.since.elapsed().as_secs_f64();
        println!("epoch {epoch}/{epochs} {split}{}, {seconds:.1} s", values.collect::<String>());
    }

    fn end(&mut self) {}

    fn log_event_training(&mut self, _: String) {}
}

impl MetricsRenderer for ShortLines {
    fn manual_close(&mut self) {}

    fn register_metric(&mut self, definition: MetricDefinition) {
        self.names.push((definition.metric_id, definition.name.to_string()));
    }
}

// A renderer of Burn's is one of evaluations too; this one never gets any.

impl MetricsRendererEvaluation for ShortLines {
    fn update_test(&mut self, _: EvaluationName, _: MetricState) {}
}

impl EvaluationProgressLogger for ShortLines {
    fn start_global_progress(&mut self, _: usize) {}

    fn start_test(&mut self, _: &str, _: usize) {}

    fn update_test_progress(&mut self, _: usize) {}

    fn end_test(&mut self) {}

    fn end_global_progress(&mut self) {}

    fn log_event_evaluation(&mut self, _: String) {}
}
