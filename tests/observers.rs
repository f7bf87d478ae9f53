//! Observers see what training sees, and change nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use burn::tensor::{Device, Tensor};
use free_at::observe::{
    GradientAlignment, GradientNorm, HardSample, HardestSamples, ObserverError, SaliencyMaps,
};
use free_at::prelude::*;
use free_at::train::{Descend, EpochMetrics, EveryNth, MetricsFile};
use free_at::train::{GradientObserver, Observation, Phase, TrainError};
use free_at::{FrozenModel, Objective};

use crate::nets::{
    CLASSES, ConvNet, LinearNet, images, launch, linf, loader, nameless_loader, sgd, state, values,
};

/// Rounding of norms and means of some hundred numbers in single precision.
const ROUNDING: f64 = 1e-5;

fn indexed(n: usize, seed: u64, device: &Device) -> Batch<4> {
    let places = (0..n).map(|at| 100 * seed as usize + at).collect();
    images(n, seed, device).with_indices(places).unwrap()
}

/// The parameters after eight steps on two minibatches.
fn trained<M: Descend<4>>(trainer: &Trainer<M>) -> BTreeMap<String, Vec<f32>> {
    let mut model = ConvNet::new(1, trainer.device());
    let mut optimizer = sgd();
    for pass in 1..=2 {
        for minibatch in 0..2 {
            let batch = indexed(6, minibatch, trainer.device());
            for _ in 0..2 {
                model = trainer.step(model, &mut optimizer, 0.1, &batch).unwrap().0;
            }
        }
        trainer.end_pass(pass).unwrap();
    }
    state(&model)
}

#[test]
fn a_run_with_observers_ends_in_the_same_parameters_bit_for_bit() {
    fn compare<M: Descend<4>>(config: M) {
        let folder = tempfile::tempdir().unwrap();
        let trainer = || Trainer::<M>::new(config.clone(), Device::flex()).unwrap();
        let (norm, alignment) = (GradientNorm::new(), GradientAlignment::new());
        let maps = SaliencyMaps::new().writing_to(folder.path().join("maps"));
        let hardest = HardestSamples::new().writing_to(folder.path().join("hardest.json"), 3);
        let watched = trainer()
            .observing(norm.clone())
            .observing(alignment)
            .observing(maps)
            .observing(hardest);
        assert_eq!(trained(&watched), trained(&trainer()), "{}", watched.name());
        assert!(norm.take().unwrap().unwrap() > 0.0);
        assert!(folder.path().join("maps/saliency-002.png").exists());
        assert!(folder.path().join("hardest.json").exists());
    }
    compare(FreeConfig::new(linf(0.1)).with_replays(2));
    compare(StandardConfig::new());
    compare(FastConfig::new(linf(0.1)));
    compare(AdversarialConfig::new(linf(0.1), Pgd::new(2)));
}

/// Remembers gradients, perturbations and what they were of.
#[derive(Clone, Debug, Default)]
struct Notes(Arc<Mutex<Vec<Note>>>);

#[derive(Debug)]
struct Note {
    step: u64,
    phase: Phase,
    minibatch: u64,
    gradient: Vec<f32>,
    perturbation: Vec<f32>,
    seen: Vec<f32>,
    places: Vec<usize>,
    shape: Vec<usize>,
}

fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as().unwrap()
}

impl GradientObserver for Notes {
    fn observe(&self, seen: &Observation<'_>) -> Result<(), Error> {
        self.0.lock().unwrap().push(Note {
            step: seen.step(),
            phase: seen.phase(),
            minibatch: seen.minibatch(),
            gradient: read(seen.gradient()),
            perturbation: read(seen.perturbation()),
            seen: read(seen.seen()),
            places: seen.indices().unwrap_or_default().to_vec(),
            shape: seen.sample_shape().to_vec(),
        });
        Ok(())
    }
}

fn rows(seed: u64, device: &Device) -> Batch<2> {
    let labels = Tensor::from_data([0, 1, 2, 1], device);
    Batch::new(values([4, 4], seed, device), labels).unwrap()
}

#[test]
fn observers_see_each_samples_own_gradient_where_the_model_saw_it() {
    let notes = Notes::default();
    let config = FreeConfig::new(linf(0.1)).with_replays(2);
    let trainer = FreeAdversarialTrainer::new(config, Device::flex()).unwrap();
    let trainer = trainer.observing(notes.clone());
    let (mut model, mut optimizer) = (LinearNet::new(1, trainer.device()), sgd());
    let places = vec![7, 5, 9, 0];
    let batch = rows(3, trainer.device()).with_indices(places.clone()).unwrap();
    for step in 1..=3 {
        let frozen = FrozenModel::new(&model);
        model = trainer.step(model, &mut optimizer, 0.1, &batch).unwrap().0;
        let notes = notes.0.lock().unwrap();
        let note = notes.last().unwrap();
        assert_eq!((note.step, note.phase, note.minibatch), (step, Phase::Descent, batch.serial()));
        assert_eq!((&note.places, &note.shape), (&places, &vec![4]));
        let seen = Tensor::<1>::from_data(note.seen.as_slice(), &Device::flex()).reshape([4, 4]);
        let expected =
            frozen.input_gradient(seen, &batch.untargeted(), Objective::CrossEntropy).unwrap();
        for (found, expected) in note.gradient.iter().zip(read(expected.gradient)) {
            assert!((f64::from(found - expected)).abs() < ROUNDING, "{found} {expected}");
        }
        let largest = note.perturbation.iter().fold(0.0f32, |most, d| most.max(d.abs()));
        let expected = if step == 1 { 0.0 } else { 0.1 };
        assert!((f64::from(largest) - expected).abs() < ROUNDING);
    }
}

#[test]
fn fgsm_rs_shows_its_step_uphill_and_other_methods_one_gradient() {
    let phases =
        |notes: &Notes| notes.0.lock().unwrap().iter().map(|n| n.phase).collect::<Vec<_>>();
    let fast = Notes::default();
    let trainer = FastAdversarialTrainer::new(FastConfig::new(linf(0.1)), Device::flex()).unwrap();
    trained(&trainer.observing(fast.clone()));
    assert_eq!(phases(&fast)[..4], [Phase::Ascent, Phase::Descent, Phase::Ascent, Phase::Descent]);
    let pgd = Notes::default();
    let config = AdversarialConfig::new(linf(0.1), Pgd::new(3));
    trained(&AdversarialTrainer::new(config, Device::flex()).unwrap().observing(pgd.clone()));
    assert_eq!(phases(&pgd), [Phase::Descent; 8]);
}

#[test]
fn the_mean_norm_and_the_alignment_are_those_of_the_gradients() {
    let (notes, norm, alignment) =
        (Notes::default(), GradientNorm::new(), GradientAlignment::new());
    let config = FreeConfig::new(linf(0.2)).with_replays(2);
    let trainer = FreeAdversarialTrainer::new(config, Device::flex()).unwrap();
    let trainer =
        trainer.observing(notes.clone()).observing(norm.clone()).observing(alignment.clone());
    trained(&trainer);
    let notes = notes.0.lock().unwrap();
    let width = 2 * 5 * 5;
    let samples =
        |note: &Note| note.gradient.chunks(width).map(<[f32]>::to_vec).collect::<Vec<_>>();
    let length = |v: &[f32]| v.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    let lengths: Vec<f64> = notes.iter().flat_map(samples).map(|v| length(&v)).collect();
    let mean = lengths.iter().sum::<f64>() / lengths.len() as f64;
    assert!((norm.take().unwrap().unwrap() - mean).abs() < ROUNDING * mean);
    assert_eq!(norm.take().unwrap(), None, "nothing new since");

    // Replays of one minibatch are compared, the last of one with the first of the next are not.
    let mut cosines = Vec::new();
    for pair in notes.windows(2).filter(|pair| pair[0].minibatch == pair[1].minibatch) {
        for (a, b) in samples(&pair[0]).iter().zip(samples(&pair[1])) {
            let product: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(a * b)).sum();
            cosines.push(product / (length(a) * length(&b)));
        }
    }
    assert_eq!(cosines.len(), 4 * 6);
    let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
    assert!((alignment.take().unwrap().unwrap() - mean).abs() < ROUNDING);
    assert!(mean < 1.0 - 100.0 * ROUNDING, "the comparison can fail");
}

#[test]
fn ordinary_training_has_no_gradients_to_align() {
    let alignment = GradientAlignment::new();
    let trainer = StandardTrainer::new(StandardConfig::new(), Device::flex()).unwrap();
    let trainer = trainer.observing(alignment.clone());
    let (mut model, mut optimizer) = (LinearNet::new(1, trainer.device()), sgd());
    for seed in 0..3 {
        let batch = rows(seed, trainer.device());
        model = trainer.step(model, &mut optimizer, 0.1, &batch).unwrap().0;
    }
    assert_eq!(alignment.take().unwrap(), None);
}

#[test]
fn saliency_maps_average_the_samples_of_each_class() {
    let (notes, maps) = (Notes::default(), SaliencyMaps::new());
    let trainer = StandardTrainer::new(StandardConfig::new(), Device::flex()).unwrap();
    let trainer = trainer.observing(notes.clone()).observing(maps.clone());
    let model = LinearNet::new(1, trainer.device());
    let batch = rows(3, trainer.device());
    drop(trainer.step(model, &mut sgd(), 0.1, &batch).unwrap());
    let gradient = &notes.0.lock().unwrap()[0].gradient;
    let relative: Vec<Vec<f32>> = gradient
        .chunks(4)
        .map(|row| {
            let largest = row.iter().fold(0.0f32, |most, v| most.max(v.abs()));
            row.iter().map(|v| v.abs() / largest).collect()
        })
        .collect();
    let found = maps.take().unwrap();
    // The labels are 0, 1, 2, 1.
    let second: Vec<f32> = (0..4).map(|at| 0.5 * (relative[1][at] + relative[3][at])).collect();
    for (found, expected) in found.iter().zip([&relative[0], &second, &relative[2]]) {
        for (found, expected) in found.iter().zip(expected) {
            assert!(f64::from(found - expected).abs() < ROUNDING);
        }
    }
    assert_eq!(found.len(), CLASSES);
    assert!(maps.take().unwrap().is_empty(), "nothing new since");
}

#[test]
fn the_hardest_samples_are_those_with_the_largest_running_loss() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hardest.json");
    let hardest = HardestSamples::new().writing_to(&path, 2);
    let trainer = StandardTrainer::new(StandardConfig::new(), Device::flex()).unwrap();
    let trainer = trainer.observing(hardest.clone());
    let (mut model, mut optimizer) = (LinearNet::new(1, trainer.device()), sgd());
    let batch = rows(3, trainer.device()).with_indices(vec![40, 10, 30, 20]).unwrap();
    let mut running: Option<Vec<f64>> = None;
    for _ in 0..3 {
        let logits = FrozenModel::new(&model).logits(batch.inputs()).unwrap();
        let losses = Objective::CrossEntropy.values(logits, &batch.untargeted()).unwrap();
        let losses: Vec<f64> = losses.try_into_vec_as().unwrap();
        running = Some(match running {
            None => losses,
            Some(before) => before.iter().zip(losses).map(|(b, l)| b + 0.1 * (l - b)).collect(),
        });
        model = trainer.step(model, &mut optimizer, 0.3, &batch).unwrap().0;
    }
    trainer.end_pass(1).unwrap();
    let mut expected: Vec<(usize, f64)> =
        [40, 10, 30, 20].into_iter().zip(running.unwrap()).collect();
    expected.sort_by(|one, other| other.1.total_cmp(&one.1));
    let written = std::fs::read(&path).unwrap();
    let written: Vec<HardSample> = serde_json::from_slice(&written).unwrap();
    assert_eq!(written, hardest.hardest(2).unwrap());
    assert_eq!(hardest.hardest(9).unwrap().len(), 4);
    for (found, (index, loss)) in written.iter().zip(expected) {
        assert_eq!((found.index, found.seen), (index, 3));
        assert!((found.loss - loss).abs() < ROUNDING);
    }
}

#[test]
fn what_an_observer_cannot_do_is_a_typed_error_that_keeps_the_model() {
    let step = |observed: StandardTrainer| {
        let model = LinearNet::new(1, observed.device());
        let before = state(&model);
        let refused = observed.step(model, &mut sgd(), 0.1, &rows(3, observed.device()));
        let Err(refused) = refused else { panic!("it was not refused") };
        assert_eq!(state(&refused.model), before);
        refused.error
    };
    let trainer = || StandardTrainer::new(StandardConfig::new(), Device::flex()).unwrap();
    let error = step(trainer().observing(HardestSamples::new()));
    let expected = ObserverError::NoIndices { observer: "HardestSamples" };
    assert_eq!(error, Error::from(expected).into());
    let error = step(trainer().observing(SaliencyMaps::new().writing_to("nowhere")));
    let expected = ObserverError::NoImages { observer: "SaliencyMaps", found: vec![4] };
    assert_eq!(error, Error::from(expected).into());
    assert!(!std::path::Path::new("nowhere").exists());
}

#[test]
fn in_burns_loop_the_metrics_are_logged_and_files_written_after_each_pass() {
    let folder = tempfile::tempdir().unwrap();
    let (norm, alignment) = (GradientNorm::new(), GradientAlignment::new());
    let maps = SaliencyMaps::new().writing_to(folder.path().join("maps"));
    let config = FreeConfig::new(linf(0.1)).with_replays(3);
    let trainer = FreeAdversarialTrainer::new(config, Device::flex()).unwrap();
    let trainer = trainer.observing(norm.clone()).observing(alignment.clone()).observing(maps);
    let path = folder.path().join("metrics.jsonl");
    let metrics = MetricsFile::open(&path, 0, trainer.clock()).unwrap();
    let model = ConvNet::new(1, trainer.device());
    let result = trainer
        .training(folder.path(), loader(Some(3)), loader(None))
        .metric_train_numeric(EveryNth::new(4, norm))
        .metric_train_numeric(alignment)
        .with_metric_logger(metrics)
        .with_application_logger(None)
        .num_epochs(2)
        .launch(trainer.learner(model, sgd(), 0.1).unwrap());
    assert!(result.error.is_none(), "{:?}", result.error);
    let lines = EpochMetrics::read(&path).unwrap();
    for line in lines.iter().filter(|line| line.split == "train") {
        assert!(line.metrics["Gradient Norm"] > 0.0, "{line:?}");
        assert!((-1.0..=1.0).contains(&line.metrics["Gradient Alignment"]), "{line:?}");
    }
    assert_eq!(lines.iter().filter(|line| line.split == "train").count(), 2);
    for pass in 1..=2 {
        assert!(folder.path().join(format!("maps/saliency-00{pass}.png")).exists());
    }
}

#[test]
fn an_observer_that_fails_ends_burns_loop_with_its_error() {
    let folder = tempfile::tempdir().unwrap();
    let failure = |add: &dyn Fn(FreeAdversarialTrainer) -> FreeAdversarialTrainer| {
        let config = FreeConfig::new(linf(0.1)).with_replays(2);
        let trainer = add(FreeAdversarialTrainer::new(config, Device::flex()).unwrap());
        let model = ConvNet::new(1, trainer.device());
        let data = [nameless_loader(), loader(None)];
        let result = launch(&trainer, model, data, folder.path(), (None, 1), 0.1);
        assert!(result.error.is_some());
        trainer.failure().unwrap()
    };
    // Batches that do not say which images they have.
    let error = failure(&|trainer| trainer.observing(HardestSamples::new()));
    let expected = ObserverError::NoIndices { observer: "HardestSamples" };
    assert_eq!(error, Error::from(expected).into());
    // As does one that cannot write at the end of a pass.
    let file = folder.path().join("file");
    std::fs::write(&file, "no folder").unwrap();
    let maps = file.join("maps");
    let error = failure(&|trainer| trainer.observing(SaliencyMaps::new().writing_to(&maps)));
    assert!(matches!(error, TrainError::Core(Error::File { .. })), "{error}");
}
