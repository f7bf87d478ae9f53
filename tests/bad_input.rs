//! Bad input is a typed error, by every way in, and loses nothing.

use std::path::Path;

use burn::module::Module;
use burn::optim::lr_scheduler::constant::ConstantLr;
use burn::tensor::{Device, Int, Tensor};
use burn::train::metric::{AccuracyMetric, TopKAccuracyMetric};
use burn::train::{ClassificationOutput, LearningResult};
use free_at::attacks::{AttackParameters, AttackTask, EvaluationError};
use free_at::prelude::*;
use free_at::train::{AdversarialModel, Descend, Descent, Step, StepError, TrainError};
use free_at::{Draws, FrozenModel, Goal, Norm, Trainable};

use crate::catalogue::{attacks_within, for_each_method, trainer_of};
use crate::nets::{CLASSES, ConvNet, LinearNet, images, launch, linf, loader, sgd, state};

fn free(config: FreeConfig) -> Result<FreeAdversarialTrainer, TrainError> {
    FreeAdversarialTrainer::new(config, Device::flex())
}

fn trainer() -> FreeAdversarialTrainer {
    free(FreeConfig::new(linf(0.1))).unwrap()
}

fn step(batch: &Batch<4>) -> Result<(), TrainError> {
    let trainer = trainer();
    let model = ConvNet::new(1, trainer.device());
    trainer.step(model, &mut sgd(), 0.1, batch)?;
    Ok(())
}

/// What a refused step says; its success has no `Debug` for `unwrap_err`.
fn refusal<C>(result: Result<(C, ClassificationOutput), StepError<C>>) -> StepError<C> {
    result.err().expect("the step is refused")
}

#[test]
fn configurations_that_make_no_sense() {
    for epsilon in [0.0, -0.1, f64::NAN, f64::INFINITY] {
        fn test<M: Descend<4>>(method: M) {
            let name = method.name();
            let error = Trainer::<M>::new(method, Device::flex()).err();
            let is_epsilon = matches!(error, Some(TrainError::Core(Error::Epsilon { .. })));
            // Standard training has no adversary.
            assert_eq!(is_epsilon, name != "standard", "{name}: {error:?}");
        }
        let threat = linf(epsilon);
        for_each_method!(threat.clone(), test());
        let model = ConvNet::new(1, &Device::flex());
        let refused = Evaluation::new(threat).attack(Fgsm::new()).run(&model, &*loader(None));
        assert!(matches!(refused, Err(EvaluationError::Core(Error::Epsilon { .. }))));
    }
    let config = || FreeConfig::new(linf(0.1));
    assert_eq!(free(config().with_replays(0)).err(), Some(TrainError::Replays));
    let standard = StandardConfig::new().with_replays(0);
    let refused = StandardTrainer::new(standard, Device::flex()).err();
    assert_eq!(refused, Some(TrainError::Replays));
    for size in [0.0, -0.1, f64::NAN, f64::INFINITY] {
        let stepping = || Adversary::new(linf(0.1)).with_step_size(Epsilon::unit(size));
        let fast = FastConfig::new(stepping());
        let refused = [
            free(FreeConfig::new(stepping())).err(),
            FastAdversarialTrainer::new(fast, Device::flex()).err(),
        ];
        for error in refused {
            assert!(matches!(error, Some(TrainError::Core(Error::StepSize { .. }))));
        }
    }
    let pgd = |attack| {
        let config = AdversarialConfig::new(linf(0.1), attack);
        match AdversarialTrainer::new(config, Device::flex()) {
            Err(TrainError::Core(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(pgd(Pgd::new(0)), Error::Steps { .. }));
    assert!(matches!(pgd(Pgd::new(1).with_restarts(0)), Error::Restarts { .. }));
    let backwards = Pgd::new(1).with_step_size(Epsilon::unit(-1.0));
    assert!(matches!(pgd(backwards), Error::StepSize { .. }));
    // Two grey levels, or twice the whole range?
    let unit = Adversary::new(linf(0.1)).with_step_size(Epsilon::unit(2.0));
    let refused = free(FreeConfig::new(unit.clone())).err();
    let expected = Error::StepSizeUnit { step: 2.0, low: 0.0, high: 1.0 };
    assert_eq!(refused, Some(expected.clone().into()));
    let attack = Pgd::new(1).with_step_size(Epsilon::unit(2.0));
    assert_eq!(attack.check_support(&linf(0.1), &[4]), Err(expected));
    let twice = AdversarialConfig::new(unit, Pgd::new(7));
    let refused = AdversarialTrainer::new(twice, Device::flex()).err();
    assert!(matches!(refused, Some(TrainError::Core(Error::StepSizeUnit { .. }))));
    let own = Adversary::new(linf(0.1)).with_step_size(Epsilon::unit(0.01));
    let config = AdversarialConfig::new(own, Pgd::new(7));
    let refused = AdversarialTrainer::new(config, Device::flex()).err();
    assert_eq!(refused, Some(TrainError::StepSizeOfAttack { method: "pgd-7".into() }));
    assert_eq!(trainer().watching_loss_every(0).err(), Some(TrainError::WatchInterval));
}

#[test]
fn batches_that_the_carried_perturbation_does_not_fit() {
    let trainer = trainer();
    let device = trainer.device();
    let mut optimizer = sgd();
    let model = ConvNet::new(1, device);
    let (model, _) = trainer.step(model, &mut optimizer, 0.1, &images(4, 1, device)).unwrap();
    let before = state(&model);

    let larger = trainer.step(model, &mut optimizer, 0.1, &images(5, 1, device));
    let StepError { error, model } = refusal(larger);
    assert_eq!(error, TrainError::BatchTooLarge { allowed: 4, found: 5 });

    let labels = Tensor::<1, Int>::zeros([4], device);
    let wide = Batch::new(Tensor::<4>::zeros([4, 2, 5, 6], device), labels).unwrap();
    let StepError { error, model } = refusal(trainer.step(model, &mut optimizer, 0.1, &wide));
    let expected = Error::SampleShape { expected: vec![2, 5, 5], found: vec![2, 5, 6] };
    assert_eq!(error, expected.into());

    assert_eq!(state(&model), before, "the model comes back as it was");
    assert!(trainer.step(model, &mut optimizer, 0.1, &images(3, 1, device)).is_ok());
}

#[test]
fn batches_and_models_on_another_device() {
    use burn::backend::{Autodiff, Flex};
    // A device of another backend: one that records operations and executes none, in a scope.
    let there = Device::capture();
    let checked = there.capture_scope(|scope| {
        let refused = step(&images_of_zeros(4, &there)).unwrap_err();
        assert!(
            matches!(refused, TrainError::Core(Error::Device { what: "batch", .. })),
            "{refused}"
        );

        let model = SmallCnnConfig::new(1, 10).init(&there.clone().autodiff());
        let learner = trainer().learner(model.clone(), sgd(), ConstantLr::new(0.1));
        let refused = learner.err().expect("the learner is refused");
        assert!(
            matches!(refused, TrainError::Core(Error::Device { what: "model", .. })),
            "{refused}"
        );

        let config = FreeConfig::new(linf(0.1));
        let pinned = FreeAdversarialTrainer::<Autodiff<Flex>>::on(config, Default::default());
        let learner = pinned.unwrap().learner(model, sgd(), ConstantLr::new(0.1));
        let refused = learner.err().expect("the learner is refused");
        assert!(matches!(refused, TrainError::Backend { what: "model", .. }), "{refused}");
        scope.complete([], [])
    });
    assert!(checked.is_ok());
}

fn images_of_zeros(n: usize, device: &Device) -> Batch<4> {
    let labels = Tensor::<1, Int>::zeros([n], device);
    Batch::new(Tensor::zeros([n, 2, 5, 5], device), labels).unwrap()
}

#[test]
fn models_that_cannot_be_trained() {
    for_each_method!(linf(0.1), untrainable());
}

fn untrainable<M: Descend<4>>(method: M) {
    let trainer = trainer_of(method);
    let batch = images(4, 1, trainer.device());
    let model = ConvNet::new(1, trainer.device());
    for untrainable in [model.clone().freeze(), model.valid()] {
        let refused = trainer.step(untrainable.clone(), &mut sgd(), 0.1, &batch);
        assert_eq!(refusal(refused).error, TrainError::NotTrainable);
        let refused = trainer.learner(untrainable, sgd(), ConstantLr::new(0.1)).err();
        assert_eq!(refused, Some(TrainError::NotTrainable));
    }
}

#[test]
fn a_first_batch_outside_the_bounds_is_refused_by_every_adversarial_method() {
    fn test<M: Descend<4>>(method: M) {
        let trainer = trainer_of(method);
        let model = ConvNet::new(1, trainer.device());
        let batch = images(4, 1, trainer.device());
        let normalised = (batch.inputs() - 0.5) / 0.25;
        let wrong = Batch::new(normalised, batch.labels()).unwrap();
        let wrong = wrong.with_indices(vec![0, 1, 2, 3]).unwrap();
        let refused = match trainer.step(model, &mut sgd(), 0.1, &wrong) {
            Ok((model, _)) => {
                assert_eq!(trainer.name(), "standard", "it trains on whatever comes");
                return drop(model);
            }
            Err(refused) => refused,
        };
        assert!(matches!(refused.error, TrainError::Core(Error::InputOutOfBounds { .. })));
        // The training can begin with another batch, and later ones are not read.
        let (model, _) = trainer.step(refused.model, &mut sgd(), 0.1, &batch).unwrap();
        trainer.step(model, &mut sgd(), 0.1, &wrong).unwrap();
    }
    for_each_method!(linf(0.1), test());
}

#[test]
fn samples_that_a_method_cannot_tell_apart_or_does_not_know() {
    let config = FreeConfig::new(linf(0.1)).with_memory(3);
    let trainer = trainer_of(config);
    let batch = images(4, 1, trainer.device());
    let nameless = Batch::new(batch.inputs(), batch.labels()).unwrap();
    let model = ConvNet::new(1, trainer.device());
    let refused = refusal(trainer.step(model, &mut sgd(), 0.1, &nameless));
    assert_eq!(refused.error, TrainError::NoIndices);
    let refused = refusal(trainer.step(refused.model, &mut sgd(), 0.1, &batch));
    assert_eq!(refused.error, TrainError::SampleIndex { index: 3, samples: 3 });
}

/// A training that goes on with another data set's size, and one that meets samples of another shape.
#[test]
fn a_memory_of_another_size() {
    let of = |samples| trainer_of(FreeConfig::new(linf(0.1)).with_memory(samples));
    let before = of(8);
    let batch = images(4, 1, before.device());
    before.step(ConvNet::new(1, before.device()), &mut sgd(), 0.1, &batch).unwrap();
    let after = of(9);
    let record = before.state().clone().into_record();
    after.state().clone().try_load_record(record).unwrap();
    let model = ConvNet::new(1, after.device());
    let refused = refusal(after.step(model, &mut sgd(), 0.1, &batch));
    let (name, expected, found) = ("perturbations", [9, 50], [8, 50]);
    assert_eq!(refused.error, TrainError::Remembered { name, expected, found });
}

/// A method of one's own that keeps what cannot be recorded, or remembers what was never asked for.
#[test]
fn what_cannot_be_kept() {
    #[derive(Debug, Clone)]
    struct Keeps(&'static str, bool);
    impl free_at::train::Method for Keeps {
        fn name(&self) -> String {
            "keeps".into()
        }
        fn check(&self) -> Result<(), TrainError> {
            Ok(())
        }
        fn gradient_computations(&self) -> usize {
            1
        }
    }
    impl Descend<4> for Keeps {
        fn descend<C: Trainable<4>>(
            &self,
            step: &mut Step<'_, C, 4>,
        ) -> Result<Descent, TrainError> {
            let rows = Tensor::<2>::ones([step.batch().len(), 2], &Device::flex());
            match self.1 {
                true => step.remember(self.0, rows)?,
                false => step.keep(self.0, Some(rows))?,
            }
            step.descend(step.inputs())
        }
    }
    let step = |keeps: Keeps| {
        let trainer = trainer_of(keeps);
        let batch = images(4, 1, trainer.device());
        let model = ConvNet::new(1, trainer.device());
        trainer.step(model, &mut sgd(), 0.1, &batch).map(drop).map_err(|refused| refused.error)
    };
    let long = "a name of more bytes than a record holds";
    assert_eq!(step(Keeps("rows", false)), Ok(()));
    assert_eq!(step(Keeps(long, false)), Err(TrainError::KeptName { name: long, most: 33 }));
    let (expected, found) = ([4, 0], [4, 2]);
    let never = TrainError::Remembered { name: "rows", expected, found };
    assert_eq!(step(Keeps("rows", true)), Err(never));
}

#[test]
fn a_model_that_returns_other_rows_than_it_was_given() {
    for_each_method!(linf(0.1), other_rows());
}

fn other_rows<M: Descend<2>>(method: M) {
    #[derive(Module, Debug)]
    struct Half {
        net: LinearNet,
    }
    impl Classifier<2> for Half {
        fn logits(&self, rows: Tensor<2>) -> Tensor<2> {
            let n = rows.dims()[0];
            self.net.logits(rows.slice_dim(0, ..n / 2))
        }
    }
    let trainer = trainer_of(method);
    let device = trainer.device();
    let labels = Tensor::<1, Int>::zeros([4], device);
    let batch = Batch::new(Tensor::<2>::zeros([4, 4], device), labels).unwrap();
    let batch = batch.with_indices(vec![0, 1, 2, 3]).unwrap();
    let model = Half { net: LinearNet::new(1, device) };
    let refused = refusal(trainer.step(model, &mut sgd(), 0.1, &batch));
    assert_eq!(refused.error, Error::Logits { expected: 4, found: 2 }.into());
}

#[test]
fn a_model_with_fewer_logits_than_the_labels_have_classes() {
    let expected = Error::Classes { classes: digits::CLASSES, logits: 3 };
    let model = SmallCnnConfig::new(1, 3).init(&Device::flex());
    let test = digits::test().take(8).loader(8, None, &Device::flex()).unwrap();
    let attacked = Evaluation::new(linf(0.1)).attack(Fgsm::new()).run(&model, &*test);
    assert_eq!(attacked.unwrap_err(), expected.clone().into());
    fn step<M: Descend<4>>(method: M, expected: &Error) {
        let trainer = trainer_of(method);
        let batch = digits::train().take(8).batch(trainer.device()).unwrap();
        let model = SmallCnnConfig::new(1, 3).init(trainer.device());
        let refused = refusal(trainer.step(model, &mut sgd(), 0.1, &batch));
        assert_eq!(refused.error, expected.clone().into());
    }
    for_each_method!(linf(0.1), step(&expected));
}

#[test]
fn a_batch_on_another_device_is_refused_by_every_method() {
    fn step<M: Descend<4>>(method: M, there: &Device) {
        let trainer = trainer_of(method);
        let model = ConvNet::new(1, trainer.device());
        let refused = refusal(trainer.step(model, &mut sgd(), 0.1, &images_of_zeros(4, there)));
        let is_device =
            matches!(&refused.error, TrainError::Core(Error::Device { what: "batch", .. }));
        assert!(is_device, "{}", refused.error);
    }
    let there = Device::capture();
    let checked = there.capture_scope(|scope| {
        for_each_method!(linf(0.1), step(&there));
        scope.complete([], [])
    });
    assert!(checked.is_ok());
}

/// Whatever a network says of one sample, an attack goes on with the others, within the threat model.
#[test]
fn every_attack_bears_a_model_whose_answers_are_no_numbers() {
    #[derive(Module, Debug)]
    struct Broken {
        net: LinearNet,
        factor: f64,
    }
    impl Classifier<2> for Broken {
        fn logits(&self, rows: Tensor<2>) -> Tensor<2> {
            let [n, classes] = [rows.dims()[0], CLASSES];
            let logits = self.net.logits(rows.clone());
            // Of rows that begin with less than a half.
            let which = rows.slice([0..n, 0..1]).lower_scalar(0.5).expand([n, classes]);
            logits.clone().mask_where(which, logits.mul_scalar(self.factor))
        }
    }
    let device = Device::flex();
    let inputs = Tensor::<2>::from_data([[0.2, 0.5, 0.5, 0.5], [0.8, 0.5, 0.5, 0.5]], &device);
    for factor in [f64::NAN, f64::INFINITY] {
        let model = Broken { net: LinearNet::new(1, &device), factor };
        let frozen = FrozenModel::new(&model);
        for norm in Norm::ALL {
            let threat = ThreatModel::new(norm, Epsilon::unit(0.1));
            for attack in attacks_within::<2>(&threat, &[4]) {
                let goal = Goal::untargeted(Tensor::from_data([0, 1], &device));
                let draws = Draws::new(0, vec![0, 1]);
                let task = AttackTask::new(&frozen, inputs.clone(), goal, &threat, draws).unwrap();
                let moved = attack.perturb(&task).unwrap() - inputs.clone();
                let size = threat.norm().of(moved).max().into_scalar::<f32>();
                assert!(size <= 0.1001, "{}, {factor}: {size}", attack.name());
            }
        }
    }
}

#[test]
fn a_loss_that_turns_nan_is_seen_at_the_end_of_a_short_loop() {
    let trainer = trainer();
    let mut model = ConvNet::new(1, trainer.device());
    let batch = images(4, 1, trainer.device());
    for _ in 0..3 {
        (model, _) = trainer.step(model, &mut sgd(), 1e30, &batch).unwrap();
    }
    assert!(matches!(trainer.finish(), Err(TrainError::LossNotFinite { step: 3, .. })));
}

#[test]
fn a_loss_that_turns_nan_stops_a_loop_of_ones_own() {
    const EVERY: u64 = 4;
    let trainer = trainer().watching_loss_every(EVERY).unwrap();
    let mut model = ConvNet::new(1, trainer.device());
    let mut optimizer = sgd();
    let batch = images(4, 1, trainer.device());
    for step in 1..=3 * EVERY {
        match trainer.step(model, &mut optimizer, 1e30, &batch) {
            Ok((next, _)) => model = next,
            Err(StepError { error, .. }) => {
                assert!(matches!(error, TrainError::LossNotFinite { step: 4 | 8, .. }), "{error}");
                assert!(step <= 2 + 2 * EVERY, "noticed at step {step}");
                return;
            }
        }
    }
    panic!("a loss that is not finite went unnoticed");
}

fn in_burns_loop(
    trainer: &FreeAdversarialTrainer,
    directory: &Path,
    (from, epochs): (Option<usize>, usize),
    rate: f64,
) -> LearningResult<AdversarialModel<ConvNet, FreeConfig, 4>> {
    let loaders = [loader(Some(1)), loader(None)];
    launch(trainer, ConvNet::new(1, trainer.device()), loaders, directory, (from, epochs), rate)
}

#[test]
fn a_loss_that_turns_nan_stops_burns_loop_and_what_was_saved_stays() {
    let directory = tempfile::tempdir().unwrap();
    let saved = directory.path().join("checkpoint/model-1.bpk");
    assert!(in_burns_loop(&trainer(), directory.path(), (None, 1), 0.05).error.is_none());
    let before = std::fs::read(&saved).unwrap();

    // A pass has 24 steps: none of them is looked at before the pass ends.
    let trainer = trainer().watching_loss_every(100).unwrap();
    let result = in_burns_loop(&trainer, directory.path(), (Some(1), 3), 1e30);
    assert!(result.error.is_some());
    assert!(matches!(trainer.failure(), Some(TrainError::LossNotFinite { .. })));
    assert_eq!(std::fs::read(&saved).unwrap(), before);
    assert!(!directory.path().join("checkpoint/model-2.bpk").exists());
}

#[test]
fn bad_data_in_burns_loop_ends_it_with_that_error() {
    let directory = tempfile::tempdir().unwrap();
    let trainer = trainer();
    let model = SmallCnnConfig::new(1, 3).init(trainer.device());
    let data = digits::train().take(8).loader(8, None, &Device::flex()).unwrap();
    let result = trainer
        .training(directory.path(), data.clone(), data)
        .metrics((AccuracyMetric::new(), TopKAccuracyMetric::new(1)))
        .with_application_logger(None)
        .num_epochs(1)
        .launch(trainer.learner(model, sgd(), ConstantLr::new(0.1)).unwrap());
    assert!(result.error.is_some());
    assert_eq!(trainer.failure(), Some(Error::Classes { classes: 10, logits: 3 }.into()));
}

#[test]
fn an_error_inside_burns_loop_ends_it_with_that_error() {
    let directory = tempfile::tempdir().unwrap();
    let trainer = trainer();
    // A first step on a smaller batch leaves no room for the loader's.
    let model = ConvNet::new(1, trainer.device());
    trainer.step(model, &mut sgd(), 0.1, &images(2, 1, trainer.device())).unwrap();
    let result = in_burns_loop(&trainer, directory.path(), (None, 1), 0.05);
    assert!(result.error.is_some());
    assert_eq!(trainer.failure(), Some(TrainError::BatchTooLarge { allowed: 2, found: 8 }));
}
