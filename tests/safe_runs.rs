//! Runs that are stopped, and go on as if they had not been.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use burn::module::Module;
use burn::optim::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::tensor::Device;
use burn::train::metric::MetricMetadata;
use burn::train::metric::{Metric, SerializedEntry};
use free_at::prelude::*;
use free_at::train::{Best, Descend, EpochMetrics, Guard, Response};

use crate::catalogue::{for_each_method, trainer_of};
use crate::nets::{ConvNet, linf, loader, sgd, state};

const EPOCHS: usize = 3;

fn free() -> FreeAdversarialTrainer {
    trainer_of(FreeConfig::new(linf(0.1)).with_replays(3))
}

/// Does something while it is told of minibatch number `at`, from 1.
struct AtMinibatch {
    at: usize,
    then: Arc<dyn Fn() + Send + Sync>,
}

impl Clone for AtMinibatch {
    fn clone(&self) -> Self {
        Self { at: self.at, then: self.then.clone() }
    }
}

impl Metric for AtMinibatch {
    type Input = ();

    fn name(&self) -> Arc<String> {
        Arc::new("Stop".into())
    }

    fn update(
        &mut self,
        _: &(),
        _: &MetricMetadata,
    ) -> Result<SerializedEntry, burn::tensor::TensorReadError> {
        match self.at.checked_sub(1) {
            Some(0) => {
                (self.then)();
                self.at = 0;
            }
            Some(left) => self.at = left,
            None => {}
        }
        Ok(SerializedEntry::not_available(None))
    }

    fn compute(&mut self) -> Result<SerializedEntry, burn::tensor::TensorReadError> {
        Ok(SerializedEntry::not_available(None))
    }

    fn clear(&mut self) {}
}

/// A run that goes on from whatever checkpoint is there, and does something at minibatch number `at`.
fn run_with<M: Descend<4>>(
    trainer: &Trainer<M>,
    folder: &Path,
    at: usize,
    then: impl Fn() + Send + Sync + 'static,
) -> (ConvNet, bool) {
    let model = ConvNet::new(1, trainer.device());
    let steps = 3 * trainer.replays() * EPOCHS;
    let schedule = CosineAnnealingLrSchedulerConfig::new(0.1, steps).init().unwrap();
    let trained = trainer
        .run(folder, loader(Some(3)), loader(None))
        .metric_train(AtMinibatch { at, then: Arc::new(then) })
        .passes(EPOCHS)
        .launch(model, sgd(), schedule)
        .unwrap();
    let whole = trained.passes == EPOCHS as u64;
    (trained.model, whole)
}

/// The same that is asked to stop after `stop` steps, if at all.
fn run<M: Descend<4>>(trainer: &Trainer<M>, folder: &Path, stop: Option<usize>) -> (ConvNet, bool) {
    let stopper = trainer.stopper();
    run_with(trainer, folder, stop.unwrap_or(0), move || stopper.stop(Some("asked")))
}

fn stopped_and_resumed<M: Descend<4>>(method: M) {
    let whole = tempfile::tempdir().unwrap();
    let (uninterrupted, done) = run(&trainer_of(method.clone()), whole.path(), None);
    assert!(done);
    let parts = tempfile::tempdir().unwrap();
    let mut steps = Vec::new();
    let resumed = loop {
        let trainer = trainer_of(method.clone());
        let (model, done) = run(&trainer, parts.path(), Some(method.replays().min(2)));
        steps.push(trainer.state().steps());
        if done {
            break model;
        }
        assert!(steps.len() < 20, "{}: no progress: {steps:?}", method.name());
    };
    // With replays most stops are inside a pass and inside a minibatch; else its three minibatches are over
    // when the metrics come to the first.
    assert!(method.replays() == 1 || steps.iter().any(|step| step % 3 != 0), "{steps:?}");
    assert_eq!(*steps.last().unwrap(), (3 * EPOCHS * method.replays()) as u64);
    assert_eq!(state(&resumed), state(&uninterrupted), "{}", method.name());
}

#[test]
fn a_run_stopped_inside_a_pass_goes_on_from_there() {
    for_each_method!(Adversary::new(linf(0.1)).with_seed(4), stopped_and_resumed());
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().unwrap().is_dir() {
            true => copy(&from, &to),
            false => drop(std::fs::copy(from, to).unwrap()),
        }
    }
}

/// What a killed process leaves is its folder as it was at that moment.
fn killed_and_resumed<M: Descend<4>>(method: M) {
    let (alive, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let trainer = trainer_of(method.clone());
    let steps_a_pass = 3 * trainer.replays();
    let saved = (EPOCHS - 1) * steps_a_pass;
    let (from, to) = (alive.path().to_path_buf(), killed.path().to_path_buf());
    // In the last pass, once the checkpoint of the one before is there: threads of their own write it.
    let (uninterrupted, _) = run_with(&trainer, alive.path(), saved + 2, move || {
        let checkpoint = from.join(format!("checkpoint/step-{saved:010}"));
        let waited = (0..2000).find(|_| {
            std::thread::sleep(Duration::from_millis(5));
            checkpoint.exists()
        });
        assert!(waited.is_some(), "{} was not written", checkpoint.display());
        copy(&from, &to);
    });
    let resumed = trainer_of(method.clone());
    let (model, done) = run(&resumed, killed.path(), None);
    assert!(done && resumed.state().steps() == (EPOCHS * steps_a_pass) as u64);
    assert_eq!(state(&model), state(&uninterrupted), "{}", method.name());
}

#[test]
fn a_run_that_was_killed_goes_on_from_its_last_checkpoint() {
    for_each_method!(Adversary::new(linf(0.1)).with_seed(4), killed_and_resumed());
}

#[test]
fn a_training_that_is_over_stays_over() {
    let folder = tempfile::tempdir().unwrap();
    let (first, _) = run(&free(), folder.path(), None);
    let again = free();
    let (second, done) = run(&again, folder.path(), None);
    assert!(done);
    assert_eq!((again.state().steps(), state(&second)), (27, state(&first)));
}

#[test]
fn the_guard_keeps_the_best_model_and_its_metrics_are_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let best_file = folder.path().join("best.bpk");
    let trainer = free();
    let model = ConvNet::new(1, trainer.device());
    let keep = best_file.clone();
    let guard = Guard::new(linf(0.1), Pgd::new(3))
        .with_samples(12)
        .with_share(1.0)
        .with_response(Response::Report)
        .on_best(move |model: &ConvNet, _| model.clone().save_file(&keep).map_err(Error::other));
    let metrics = folder.path().join("metrics.jsonl");
    let trained = trainer
        .run(folder.path(), loader(Some(3)), loader(None))
        .passes(EPOCHS)
        .metrics_every(2)
        .guard(guard)
        .launch(model, sgd(), 0.1)
        .unwrap();

    let lines = EpochMetrics::read(&metrics).unwrap();
    let splits: Vec<_> = lines.iter().map(|line| (line.epoch, line.split.as_str())).collect();
    assert_eq!(splits[..4], [(1, "train"), (1, "valid"), (2, "train"), (2, "valid")]);
    assert!(lines[0].metrics["waiting_share"] < 1.0 && lines[0].metrics.contains_key("Accuracy"));
    assert_eq!(EpochMetrics::best(&lines), trained.best);
    // What was kept has the robust accuracy that was reported for it.
    let kept = ConvNet::new(9, &Device::flex()).try_load_file(&best_file).unwrap();
    assert_eq!(state(&kept), state(&trained.best_model.unwrap()));
    let samples = loader(None);
    let report = Evaluation::new(linf(0.1)).attack(Pgd::new(3)).run(&kept, &*samples).unwrap();
    assert!((0.0..=1.0).contains(&report.worst_case));
    let Best { robust_accuracy, .. } = trained.best.unwrap();
    assert!((robust_accuracy * 12.0).fract() < 1e-6, "twelve samples: {robust_accuracy}");
}

#[test]
fn the_probe_does_not_change_the_training() {
    let train = |guarded: bool| {
        let folder = tempfile::tempdir().unwrap();
        let trainer = free();
        let model = ConvNet::new(1, trainer.device());
        let guard = Guard::new(linf(0.1), Pgd::new(2)).with_share(1.0);
        let run = trainer.run(folder.path(), loader(Some(3)), loader(None)).passes(2);
        let run = if guarded { run.guard(guard) } else { run };
        state(&run.launch(model, sgd(), 0.1).unwrap().model)
    };
    assert_eq!(train(true), train(false));
}
