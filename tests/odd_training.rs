//! Labels, rates and minibatches that no training should go on with, and evaluations of data that have no order.

use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::module::ParamGroup;
use burn::optim::lr_scheduler::constant::ConstantLr;
use burn::optim::lr_scheduler::module_lr_scheduler::{ModuleLrScheduler, ModuleLrSchedulerConfig};
use burn::optim::lr_scheduler::{LrScheduler, LrSchedulerConfig, LrSchedulerRecord};
use burn::tensor::{DType, Device, Int, Tensor};
use free_at::attacks::{AttackTask, EvaluationError, Warning};
use free_at::models::{MlpConfig, ResNetConfig};
use free_at::prelude::*;
use free_at::train::{Descend, Guard, TrainError};
use free_at::{Draws, FrozenModel, Goal, Norm};

use crate::catalogue::{attacks_within, for_each_method, trainer_of};
use crate::nets::{CLASSES, ConvNet, images, launch, linf, loader, sgd, state, values};

/// No class, all of them.
const FOREIGN: [i64; 4] = [-1, -100, CLASSES as i64, i64::MAX];

/// Whatever integers the device makes itself.
fn labels_on(device: &Device, labels: [i64; 3]) -> Tensor<1, Int> {
    Tensor::from_data(labels, (device, DType::I64))
}

/// As a device of smaller integers has it.
fn seen(label: i64) -> i64 {
    label.clamp(i32::MIN.into(), i32::MAX.into())
}

fn labelled(labels: [i64; 3]) -> Batch<4> {
    let device = Device::flex();
    let labels = labels_on(&device, labels);
    let batch = Batch::new(values([3, 2, 5, 5], 1, &device), labels).unwrap();
    batch.with_indices(vec![0, 1, 2]).unwrap()
}

#[test]
fn labels_of_no_class_are_refused_by_every_method() {
    fn test<M: Descend<4>>(method: M) {
        let trainer = trainer_of(method);
        let model = ConvNet::new(1, trainer.device());
        let before = state(&model);
        let mut optimizer = sgd();
        for label in FOREIGN {
            let step = trainer.step(model.clone(), &mut optimizer, 0.1, &labelled([0, label, 2]));
            let refused = step.err().expect("the step is refused").error;
            let expected = Error::Label { sample: 1, label: seen(label), classes: CLASSES };
            assert_eq!(refused, TrainError::Core(expected), "{}", trainer.name());
        }
        // Of a batch that has been accepted replays are not read again, and later ones are.
        let (model, _) = trainer.step(model, &mut optimizer, 0.1, &labelled([0, 1, 2])).unwrap();
        assert_ne!(state(&model), before);
        let later = trainer.step(model, &mut optimizer, 0.1, &labelled([0, 1, 3])).err();
        assert!(later.is_some(), "{}", trainer.name());
    }
    for_each_method!(linf(0.1), test());
}

#[test]
fn labels_of_no_class_are_refused_by_every_attack() {
    let device = Device::flex();
    let model = FrozenModel::new(&ConvNet::new(1, &device));
    let inputs = values([3, 2, 5, 5], 1, &device);
    for threat in [
        linf(0.1),
        ThreatModel::l2(Epsilon::unit(0.5)),
        ThreatModel::new(Norm::L0, Epsilon::unit(3.0)),
    ] {
        for attack in attacks_within::<4>(&threat, &[2, 5, 5]) {
            for label in FOREIGN {
                let goal = Goal::untargeted(labels_on(&device, [0, 1, label]));
                let draws = Draws::new(0, vec![0, 1, 2]);
                let task = AttackTask::new(&model, inputs.clone(), goal, &threat, draws).unwrap();
                let refused = attack.perturb(&task).unwrap_err();
                let expected = Error::Label { sample: 2, label: seen(label), classes: CLASSES };
                assert_eq!(refused, expected, "{}", attack.name());
            }
            // However few samples it works on at a time.
            let goal = Goal::untargeted(labels_on(&device, [0, 1, 7]));
            let draws = Draws::new(0, vec![0, 1, 2]);
            let task = AttackTask::new(&model, inputs.clone(), goal, &threat, draws).unwrap();
            let refused = attack.perturb(&task.with_width(1)).unwrap_err();
            assert_eq!(refused, Error::Label { sample: 2, label: 7, classes: CLASSES });
        }
    }
}

#[test]
fn labels_of_no_class_end_a_training_from_its_validation() {
    struct Wrong;
    impl burn::data::dataloader::batcher::Batcher<i64, Batch<4>> for Wrong {
        fn batch(&self, labels: Vec<i64>, _: &Device) -> Batch<4> {
            labelled([labels[0], labels[1], labels[2]])
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let valid = burn::data::dataloader::DataLoaderBuilder::new(Wrong)
        .batch_size(3)
        .set_device(Device::flex())
        .build(burn::data::dataset::InMemDataset::new(vec![0, 1, -100]));
    let trainer = trainer_of(FreeConfig::new(linf(0.1)).with_replays(2));
    let model = ConvNet::new(1, trainer.device());
    let run = trainer.run(folder.path(), loader(Some(1)), valid);
    let refused = run.launch(model, sgd(), ConstantLr::new(0.1)).unwrap_err();
    let expected = Error::Label { sample: 2, label: -100, classes: CLASSES };
    assert_eq!(refused, TrainError::Core(expected));
}

#[test]
fn learning_rates_that_make_no_sense_are_refused_before_the_first_step() {
    let trainer = trainer_of(FreeConfig::new(linf(0.1)).with_replays(2));
    let model = ConvNet::new(1, trainer.device());
    let is = |error: Option<TrainError>, rate: f64| match error {
        Some(TrainError::LearningRate { value, step: 1 }) => value.to_bits() == rate.to_bits(),
        _ => false,
    };
    for rate in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0] {
        let folder = tempfile::tempdir().unwrap();
        let run = trainer.run(folder.path(), loader(Some(1)), loader(None));
        let refused = run.launch(model.clone(), sgd(), ConstantLr::new(rate)).err();
        assert!(is(refused, rate), "{rate}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is written");
        // Of a schedule for a loop of Burn's own only the first rate is known, which may be 0.
        let learner = trainer.learner::<_, 4>(model.clone(), sgd(), ConstantLr::new(rate));
        assert!(if rate == 0.0 { learner.is_ok() } else { is(learner.err(), rate) }, "{rate}");
        let batch = images(4, 1, &Device::flex());
        let step = trainer.step(model.clone(), &mut sgd(), rate, &batch);
        // A single step of 0 is one that a schedule may end with.
        assert_eq!(step.is_ok(), rate == 0.0);
        assert!(rate == 0.0 || is(step.err().map(TrainError::from), rate));
    }
    assert_eq!(trainer.state().steps(), 1);
}

#[test]
fn parameters_that_overflow_in_the_last_step_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let trainer = trainer_of(StandardConfig::new());
    // One optimiser step in each pass, after the last loss.
    let run = |passes, rate| {
        let kept = Arc::new(std::sync::Mutex::new(0));
        let count = kept.clone();
        let guard = Guard::new(linf(0.1), Pgd::new(1)).with_share(1.0).on_best(move |_, _| {
            *count.lock().unwrap() += 1;
            Ok(())
        });
        let run = trainer.run(folder.path(), loader(Some(1)), loader(None));
        let model = ConvNet::new(1, trainer.device());
        let run = run.accumulating(3).passes(passes).guard(guard);
        let trained = run.launch(model, sgd(), ConstantLr::new(rate));
        let kept = *kept.lock().unwrap();
        (trained, kept)
    };
    let newest = || {
        let mut names: Vec<_> = std::fs::read_dir(folder.path().join("checkpoint"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names.pop()
    };
    assert!(run(1, 0.1).0.is_ok());
    let before = newest();
    let (spoilt, kept) = run(2, 1e39);
    assert!(matches!(spoilt.unwrap_err(), TrainError::ParameterNotFinite { .. }));
    assert_eq!((newest(), kept), (before, 0), "nothing is saved of it");
    // And the run goes on from there.
    let (trained, _) = run(2, 0.1);
    assert_eq!(trained.unwrap().passes, 2);
}

/// A rate that knows as many steps as there are, and falls below 0 after them.
#[derive(Clone)]
struct Falling {
    step: u64,
    steps: u64,
}

impl LrScheduler for Falling {
    fn step(&mut self) -> f64 {
        assert!(self.step < self.steps, "nobody asks for more");
        self.step += 1;
        0.1 * (1.0 - self.step as f64 / self.steps as f64)
    }

    fn to_record(&self) -> LrSchedulerRecord {
        LrSchedulerRecord::new()
    }

    fn load_record(&mut self, _: LrSchedulerRecord) {}
}

#[test]
fn schedules_are_asked_for_no_step_that_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let trainer = trainer_of(FreeConfig::new(linf(0.1)).with_replays(2));
    let model = ConvNet::new(1, trainer.device());
    let run = trainer.run(folder.path(), loader(Some(1)), loader(None));
    let schedule = ModuleLrScheduler::new(Falling { step: 0, steps: 6 });
    assert!(run.launch(model, sgd(), schedule).is_ok());
    // A part that is not trained, and one that is.
    let frozen = ModuleLrSchedulerConfig::new(LrSchedulerConfig::Constant(0.0))
        .with_group(ParamGroup::from_predicate("linear"), LrSchedulerConfig::Constant(0.1));
    let folder = tempfile::tempdir().unwrap();
    let model = ConvNet::new(1, trainer.device());
    let run = trainer.run(folder.path(), loader(Some(1)), loader(None));
    assert!(run.launch(model, sgd(), frozen.init().unwrap()).is_ok());
}

#[test]
fn a_training_without_a_minibatch_is_an_error() {
    let trainer = trainer_of(FreeConfig::new(linf(0.1)).with_replays(2));
    let device = trainer.device();
    let few = digits::train().take(5).loading(64).with_seed(0).dropping_last();
    let (rest, _) = digits::train().take(5).split(9, 0);
    let nothing = [few.build(device).unwrap(), rest.loader(2, Some(0), device).unwrap()];
    for nothing in nothing {
        let folder = tempfile::tempdir().unwrap();
        let model = SmallCnnConfig::new(1, 10).init(device);
        let valid = digits::test().take(8).loader(8, None, &Device::flex()).unwrap();
        let run = trainer.run(folder.path(), nothing.clone(), valid.clone());
        let refused = run.launch(model.clone(), sgd(), ConstantLr::new(0.1)).err();
        assert_eq!(refused, Some(TrainError::NoData));
        let result = launch(&trainer, model, [nothing, valid], folder.path(), (None, 2), 0.1);
        assert!(result.error.is_some());
        assert_eq!(trainer.failure(), Some(TrainError::NoData));
    }
}

/// A ResNet whose last convolutions see a single pixel of an image of 8×8.
fn narrow(device: &Device) -> free_at::models::ResNet {
    let mut config = ResNetConfig::resnet18(10);
    (config.width, config.channels) = (8, 1);
    config.init(device)
}

#[test]
fn a_minibatch_of_one_value_a_channel_is_refused_as_pytorch_does() {
    let trainer = trainer_of(StandardConfig::new());
    let device = trainer.device();
    let batch = |n| digits::train().take(n).batch(device).unwrap();
    let refused = trainer.step(narrow(device), &mut sgd(), 0.1, &batch(1)).err();
    let expected = TrainError::BatchTooSmall { expected: 2, found: 1 };
    assert_eq!(refused.map(TrainError::from), Some(expected));
    assert!(trainer.step(narrow(device), &mut sgd(), 0.1, &batch(2)).is_ok());
    // Where its channels have several pixels one image is enough.
    let wide = ConvNet::new(1, device);
    assert!(trainer.step(wide, &mut sgd(), 0.1, &images(1, 1, &Device::flex().autodiff())).is_ok());
}

#[test]
fn training_leaves_out_a_tiny_last_minibatch_and_is_the_better_for_it() {
    const PASSES: usize = 4;
    let images = digits::train().take(257);
    let device = Device::flex().autodiff();
    let sizes = |loader: &dyn DataLoader<Batch<4>>| -> Vec<usize> {
        loader.iter().map(|batch| batch.unwrap().len()).collect()
    };
    let default = images.loading(32).with_seed(0).build(&device).unwrap();
    assert_eq!((sizes(&*default), default.num_items()), (vec![32; 8], 256));
    let kept = images.loading(32).with_seed(0).keeping_last().build(&device).unwrap();
    assert_eq!((sizes(&*kept).last(), kept.num_items()), (Some(&1), 257));
    // Without a seed, to evaluate, every image comes; a quarter of a minibatch is none to leave out; nor is the only one.
    let all = images.loader(32, None, &device).unwrap();
    assert_eq!(sizes(&*all).last(), Some(&1));
    let quarter = digits::train().take(264).loading(32).with_seed(0).build(&device).unwrap();
    assert_eq!(sizes(&*quarter).last(), Some(&8));
    let only = digits::train().take(3).loading(32).with_seed(0).build(&device).unwrap();
    assert_eq!(sizes(&*only), [3]);

    // Its m replays in batch norm's statistics: two images, so that training goes on at all.
    let clean = |tiny: bool| {
        let trainer = trainer_of(FreeConfig::new(linf(0.05)).with_replays(8));
        let images = digits::train().take(258);
        let loading = images.loading(32).with_seed(0);
        let loading = if tiny { loading.keeping_last() } else { loading };
        let loader = loading.build(trainer.device()).unwrap();
        let (mut model, mut optimizer) = (narrow(trainer.device()), sgd());
        for batch in (0..PASSES).flat_map(|_| loader.iter()) {
            let batch = batch.unwrap();
            for _ in 0..trainer.replays() {
                model = trainer.step(model, &mut optimizer, 0.05, &batch).unwrap().0;
            }
        }
        let test = digits::test().loader(120, None, &Device::flex()).unwrap();
        let report = Evaluation::new(linf(0.05)).attack(Fgsm::new()).run(&model, &*test).unwrap();
        report.clean
    };
    let (without, with) = (clean(false), clean(true));
    assert!(without > with + 0.03, "{without} without, {with} with it");
}

#[test]
fn data_that_come_in_another_order_each_time_are_not_evaluated() {
    let model = ConvNet::new(1, &Device::flex());
    let evaluation = Evaluation::new(linf(0.1)).attack(Fgsm::new());
    assert!(evaluation.run(&model, &*loader(None)).is_ok());
    let refused = evaluation.run(&model, &*loader(Some(3))).unwrap_err();
    assert_eq!(refused, EvaluationError::Shuffled);
    let distances =
        free_at::attacks::Distances::new(Norm::L2).attack(free_at::attacks::Fmn::new(5));
    assert_eq!(distances.run(&model, &*loader(Some(3))).err(), Some(EvaluationError::Shuffled));
    let smoothing = free_at::attacks::Smoothing::new(Epsilon::unit(0.1));
    let certified = smoothing.certify(&model, &*loader(Some(3)));
    assert_eq!(certified.err(), Some(EvaluationError::Shuffled));
}

#[test]
fn autoattack_aims_at_as_many_classes_as_there_are() {
    const FIVE: usize = 5;
    let device = Device::flex();
    let model = MlpConfig::new(6, FIVE).init(&device);
    let inputs = values([20, 6], 7, &device);
    let labels = model.logits(inputs.clone()).argmax(1).squeeze_dim::<1>(1);
    let labels: Vec<usize> =
        labels.try_into_vec_as::<i64>().unwrap().into_iter().map(|label| label as usize).collect();
    let rows: Vec<f32> = inputs.try_into_vec_as().unwrap();
    let test: Arc<dyn DataLoader<Batch<2>>> = rows_of(rows, labels);
    let evaluate = |attacks: AutoAttack| {
        let evaluation = Evaluation::new(linf(0.1)).attacks(attacks.with_queries(20).attacks());
        evaluation.run(&model, &*test).unwrap()
    };
    let (standard, by_hand) =
        (evaluate(AutoAttack::standard()), evaluate(AutoAttack::standard().for_classes(FIVE)));
    let fewer: Vec<&str> = standard
        .warnings
        .iter()
        .filter_map(|warning| match warning {
            Warning::FewerTargets { attack, classes: FIVE } => Some(attack.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(fewer, ["apgd-t", "fab-t"]);
    assert!(standard.to_string().contains("aims at 4 wrong classes"));
    assert_eq!((standard.hash, standard.worst_case), (by_hand.hash, by_hand.worst_case));
    assert!(!by_hand.warnings.iter().any(|w| matches!(w, Warning::FewerTargets { .. })));
}

/// A loader of these rows of six numbers.
fn rows_of(rows: Vec<f32>, labels: Vec<usize>) -> Arc<dyn DataLoader<Batch<2>>> {
    use burn::data::dataloader::{DataLoaderBuilder, batcher::Batcher};
    use burn::data::dataset::InMemDataset;
    struct Rows;
    impl Batcher<(Vec<f32>, usize), Batch<2>> for Rows {
        fn batch(&self, items: Vec<(Vec<f32>, usize)>, device: &Device) -> Batch<2> {
            let (rows, labels): (Vec<_>, Vec<_>) = items.into_iter().unzip();
            Batch::from_samples(&rows, &[6], &labels, 5, &Bounds::None, device).unwrap()
        }
    }
    let items = rows.chunks(6).map(<[f32]>::to_vec).zip(labels).collect();
    let builder = DataLoaderBuilder::new(Rows).batch_size(20).set_device(Device::flex());
    builder.build(InMemDataset::new(items))
}
