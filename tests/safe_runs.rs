//! Runs that are stopped, and go on as if they had not been.

use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn::optim::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::tensor::Device;
use burn::train::metric::{AccuracyMetric, LossMetric, MetricMetadata};
use burn::train::metric::{Metric, SerializedEntry};
use free_at::prelude::*;
use free_at::train::{
    Best, Checkpoints, Descend, EpochMetrics, EveryNth, Guard, MetricsFile, Response,
};

use crate::nets::{ConvNet, linf, loader, sgd, state};

const EPOCHS: usize = 3;

fn free() -> FreeAdversarialTrainer {
    FreeAdversarialTrainer::new(FreeConfig::new(linf(0.1)).with_replays(3), Device::flex()).unwrap()
}

/// Asks for a stop while it is told of minibatch number `at`.
#[derive(Clone)]
struct StopAt {
    at: usize,
    stopper: burn::train::Interrupter,
}

impl Metric for StopAt {
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
            Some(0) => self.stopper.stop(Some("asked")),
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

/// A run that goes on from whatever checkpoint is there, and is asked to stop after `stop` steps.
fn run<M: Descend<4>>(trainer: &Trainer<M>, folder: &Path, stop: Option<usize>) -> (ConvNet, bool) {
    let model = ConvNet::new(1, trainer.device());
    let checkpoints = Checkpoints::open(folder.join("checkpoint"), &model).unwrap();
    let stop = StopAt { at: stop.unwrap_or(0), stopper: trainer.stopper() };
    let steps = 3 * trainer.replays() * EPOCHS;
    let schedule = CosineAnnealingLrSchedulerConfig::new(0.1, steps).init().unwrap();
    let training = trainer
        .training(folder, loader(Some(3)), loader(None))
        .metrics((LossMetric::new(),))
        .metric_train(stop)
        .with_application_logger(None)
        .num_epochs(EPOCHS);
    let training = checkpoints.keep(trainer, training, None);
    let result = training.launch(trainer.learner(model, sgd(), schedule).unwrap());
    assert!(result.error.is_none(), "{:?}", result.error);
    let whole = trainer.state().passes() == EPOCHS as u64;
    (result.model.into_classifier(), whole)
}

#[test]
fn a_run_stopped_inside_a_pass_goes_on_from_there() {
    let whole = tempfile::tempdir().unwrap();
    let (uninterrupted, done) = run(&free(), whole.path(), None);
    assert!(done);
    let parts = tempfile::tempdir().unwrap();
    let mut steps = Vec::new();
    let resumed = loop {
        let trainer = free();
        let (model, done) = run(&trainer, parts.path(), Some(2));
        steps.push(trainer.state().steps());
        if done {
            break model;
        }
        assert!(steps.len() < 20, "no progress: {steps:?}");
    };
    // A pass has 9 steps: most stops were inside one, and inside a minibatch's replays.
    assert!(steps.len() > EPOCHS && steps.iter().any(|step| step % 3 != 0), "{steps:?}");
    assert_eq!(*steps.last().unwrap(), 27);
    assert_eq!(state(&resumed), state(&uninterrupted));
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
        .on_best(move |model: &ConvNet, _| {
            model
                .clone()
                .save_file(&keep)
                .map_err(|error| Error::Data { reason: error.to_string() })
        });
    let metrics = folder.path().join("metrics.jsonl");
    let (learner, guard) = trainer.guarded_learner(model, sgd(), 0.1, &guard, 22).unwrap();
    let training = trainer
        .training(folder.path(), loader(Some(3)), loader(None))
        .metric_train_numeric(EveryNth::new(2, AccuracyMetric::new()))
        .metric_valid_numeric(AccuracyMetric::new())
        .with_metric_logger(MetricsFile::open(&metrics, 0, trainer.clock()).unwrap())
        .with_application_logger(None)
        .num_epochs(EPOCHS);
    let result = guard.watch(training).launch(learner);
    assert!(result.error.is_none() && guard.failure().is_none());

    let lines = EpochMetrics::read(&metrics).unwrap();
    let splits: Vec<_> = lines.iter().map(|line| (line.epoch, line.split.as_str())).collect();
    assert_eq!(splits[..4], [(1, "train"), (1, "valid"), (2, "train"), (2, "valid")]);
    assert!(lines[0].metrics["waiting_share"] < 1.0 && lines[0].metrics.contains_key("Accuracy"));
    assert_eq!(EpochMetrics::best(&lines), guard.best());
    // What was kept has the robust accuracy that was reported for it.
    let kept = ConvNet::new(9, &Device::flex()).try_load_file(&best_file).unwrap();
    assert_eq!(state(&kept), state(&guard.best_model().unwrap()));
    let samples = loader(None);
    let report = Evaluation::new(linf(0.1)).attack(Pgd::new(3)).run(&kept, &*samples).unwrap();
    assert!((0.0..=1.0).contains(&report.worst_case));
    let Best { robust_accuracy, .. } = guard.best().unwrap();
    assert!((robust_accuracy * 12.0).fract() < 1e-6, "twelve samples: {robust_accuracy}");
}

#[test]
fn the_probe_does_not_change_the_training() {
    let plain = tempfile::tempdir().unwrap();
    let train = |guarded: bool| {
        let trainer = free();
        let model = ConvNet::new(1, trainer.device());
        let guard = Guard::new(linf(0.1), Pgd::new(2)).with_share(1.0);
        let (learner, guard) =
            trainer.guarded_learner(model.clone(), sgd(), 0.1, &guard, 22).unwrap();
        let training = trainer
            .training(plain.path(), loader(Some(3)), loader(None))
            .with_application_logger(None)
            .num_epochs(2);
        let result = match guarded {
            true => guard.watch(training).launch(learner),
            false => training.launch(trainer.learner(model, sgd(), 0.1).unwrap()),
        };
        state(&result.model.into_classifier())
    };
    assert_eq!(train(true), train(false));
}
