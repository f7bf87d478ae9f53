//! Records of evaluations, whole and stopped on the way, with the adversarial examples beside them.

use std::ops::ControlFlow;
use std::path::Path;

use burn::tensor::Device;
use free_at::attacks::{EvaluationError, EvaluationProgress};
use free_at::models::Weights;
use free_at::prelude::*;

use crate::inside::of_lines;
use crate::limits::{Limit, MIB, PATIENCE};
use crate::target::{Files, Target, files_of, fuzz};

/// What an evaluation of this size takes, and its findings, each number as a word in a list that grows.
const LIMIT: Limit = Limit { floor: 64 * MIB, of_each: 64 };

const SAMPLES: usize = 8;
const EXAMPLES: &str = "examples.safetensors";

fn evaluation(folder: &Path) -> Evaluation<4> {
    Evaluation::new(ThreatModel::linf(Epsilon::unit(0.1)))
        .attack(Fgsm::new())
        .attack(Pgd::new(2).with_restarts(2))
        .with_record(folder.join("record.jsonl"))
        .with_examples(folder.join(EXAMPLES))
}

fn run(evaluation: &Evaluation<4>) -> Result<(), EvaluationError> {
    const WEIGHTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/free-8.safetensors");
    let config = SmallCnnConfig::new(1, digits::CLASSES).with_width(8);
    let weights = Weights::open(WEIGHTS).unwrap();
    let model = weights.load(config.init(&Device::flex())).unwrap();
    let samples = digits::test().take(SAMPLES).loader(3, None, &Device::flex()).unwrap();
    evaluation.run(&model, &*samples).map(drop)
}

/// Goes on with the record that is there.
fn read(folder: &Path) -> Result<(), String> {
    run(&evaluation(folder)).map_err(|error| error.to_string())
}

fn whole() -> Files {
    let folder = tempfile::tempdir().unwrap();
    run(&evaluation(folder.path())).unwrap();
    let mut files = files_of(folder.path());
    files.retain(|(name, _)| name != EXAMPLES); // written, never read
    files
}

fn stopped() -> Files {
    let folder = tempfile::tempdir().unwrap();
    let stopping = |_: &EvaluationProgress| -> ControlFlow<()> { ControlFlow::Break(()) };
    let stopped = run(&evaluation(folder.path()).with_progress(stopping));
    assert_eq!(stopped, Err(EvaluationError::Stopped));
    files_of(folder.path())
}

#[test]
fn records_of_evaluations() {
    fuzz(|| Target {
        name: "records",
        inputs: 40,
        limit: LIMIT,
        patience: PATIENCE,
        seeds: vec![whole(), stopped()],
        inside: of_lines,
        read,
    });
}
