use super::*;
use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor};

use crate::threat::goal::Goal;
use crate::{AttackParameters, AttackTask, Classifier, Epsilon, Norm};

#[derive(Module, Debug)]
struct Model {
    linear: Linear,
}

impl Classifier<2> for Model {
    fn logits(&self, inputs: Tensor<2>) -> Tensor<2> {
        self.linear.forward(inputs)
    }
}

/// Ten gradients, and each feature is moved by so much.
#[derive(Debug, Serialize)]
struct Ten(f32);

impl AttackParameters for Ten {
    fn name(&self) -> String {
        "ten".into()
    }
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }
    fn gradient_computations(&self) -> usize {
        10
    }
    fn norms(&self) -> &'static [Norm] {
        &Norm::ALL
    }
}

impl Attack<2> for Ten {
    fn run_once(&self, task: &AttackTask<2>, _: usize) -> Result<Tensor<2>, Error> {
        Ok(task.inputs().clone() + self.0)
    }
}

fn guard() -> Guard<Model, 2> {
    moving(0.0)
}

fn moving(by: f32) -> Guard<Model, 2> {
    Guard::new(ThreatModel::linf(Epsilon::unit(0.1)), Ten(by))
}

fn model(device: &Device) -> Model {
    Model { linear: LinearConfig::new(4, 2).init(device) }
}

/// Two rows in the middle of their bounds.
fn batch(device: &Device) -> crate::Batch<2> {
    let labels = Tensor::from_data([0i64, 1], device);
    crate::Batch::new(Tensor::ones([2, 4], device) * 0.5, labels).unwrap()
}

fn noting(guard: &Guard<Model, 2>, passes: &[(f64, f64)]) -> Vec<bool> {
    let passes = passes.iter().enumerate().map(|(at, &(robust, training))| {
        guard.note(at + 1, Some(robust), Some(training));
        guard.ends(at + 1)
    });
    passes.collect()
}

#[test]
fn the_best_pass_is_kept() {
    let guard = guard();
    assert_eq!(noting(&guard, &[(0.2, 50.0), (0.4, 60.0), (0.35, 70.0)]), [false; 3]);
    assert_eq!(guard.best(), Some(Best { epoch: 2, robust_accuracy: 0.4 }));
    assert_eq!(guard.overfitting(), None);
}

#[test]
fn a_collapse_while_training_accuracy_rises_is_seen_and_ends_the_training() {
    let passes = [(0.4, 50.0), (0.02, 70.0)];
    let restoring = guard();
    assert_eq!(noting(&restoring, &passes), [false, true]);
    let seen = restoring.overfitting().unwrap();
    assert_eq!((seen.epoch, seen.best.epoch), (2, 1));
    assert!(seen.to_string().contains("from 40.0 % (epoch 1) to 2.0 % (epoch 2)"));
    let reporting = guard().with_response(Response::Report);
    assert_eq!(noting(&reporting, &passes), [false, false]);
    assert!(reporting.overfitting().is_some());
}

#[test]
fn a_small_fall_or_one_with_falling_training_accuracy_is_no_overfitting() {
    for passes in [[(0.4, 50.0), (0.3, 70.0)], [(0.4, 50.0), (0.02, 30.0)]] {
        let guard = guard();
        assert_eq!(noting(&guard, &passes), [false; 2]);
        assert_eq!(guard.overfitting(), None);
    }
    let few = guard().with_samples(8); // 1 of 8 may be chance
    assert_eq!(noting(&few, &[(0.5, 50.0), (0.125, 60.0)]), [false; 2]);
}

#[test]
fn the_guard_counts_accuracies_itself() {
    let device = Device::flex();
    let labels = Tensor::<1, Int>::from_data([0i64, 1], &device);
    let logits = |second: f32| Tensor::<2>::from_data([[1.0, 0.0], [0.0, second]], &device);
    let counts = |robust: f64, second: f32| {
        let of_samples = |share: f64| Tensor::<1>::from_data([512.0 * share], &device);
        let guard = guard();
        let probe = guard.probe();
        for (pass, (robust, second)) in [(0.5, -1.0), (robust, second)].into_iter().enumerate() {
            probe.note_answers(0, &logits(second), &Goal::untargeted(labels.clone()));
            guard.probe.robust.add(0, of_samples(robust), of_samples(1.0));
            guard.observe(pass + 1);
            guard.observe(pass + 1); // once is enough
        }
        (guard.best().unwrap().robust_accuracy, guard.overfitting().is_some())
    };
    // From one of two answers that is right to both, and robust accuracy from a half to nothing.
    assert_eq!(counts(0.0, 1.0), (0.5, true));
    assert_eq!(counts(0.0, -1.0), (0.5, false));
    assert_eq!(counts(0.75, 1.0), (0.75, false));
}

#[test]
fn patience_ends_a_training_that_no_longer_improves() {
    let guard = guard().with_patience(2);
    let passes = [(0.2, 1.0), (0.3, 1.0), (0.29, 1.0), (0.28, 1.0)];
    assert_eq!(noting(&guard, &passes), [false, false, false, true]);
    let before = Some(Best { epoch: 1, robust_accuracy: 0.9 });
    let remembering = self::guard().with_patience(2).remembering(before);
    remembering.note(3, Some(0.5), None);
    assert!(remembering.ends(3));
}

#[test]
fn a_best_model_that_cannot_be_kept_ends_the_training_with_its_error() {
    let guard = guard().on_best(|_, _| Err(Error::EmptyBatch));
    let device = Device::flex();
    let probed = guard.probe.measure(&model(&device), &batch(&device), 1).unwrap();
    assert_eq!(probed.unwrap().samples, 2);
    guard.note(1, Some(0.5), None);
    assert!(guard.ends(1));
    assert_eq!(guard.failure(), Some(Error::EmptyBatch));
}

#[test]
fn the_probe_stays_within_its_share_of_a_pass() {
    let settled = |gradients: usize| {
        let guard = guard();
        guard.probe.fit(0.03, gradients);
        guard.samples_and_interval()
    };
    assert_eq!(settled(400_000), (512, 1)); // CIFAR-10, Free-8: 1.3 %
    assert_eq!(settled(50_000), (150, 1)); // CIFAR-10, ordinary training
    assert_eq!(settled(1_437), (64, 15)); // the digits, ordinary training
    for gradients in [1_000, 10_000, 100_000] {
        let (samples, every) = settled(gradients);
        assert!(10 * samples <= (0.03 * (gradients as u64 * every) as f64).ceil() as usize);
    }
}

#[test]
fn an_attack_that_moves_too_far_is_no_measurement() {
    let device = Device::flex();
    for (by, expected) in [
        (0.1, None),
        (0.11, Some(Error::BeyondBudget { samples: 2 })),
        (f32::NAN, Some(Error::BeyondBudget { samples: 2 })),
    ] {
        let guard = moving(by);
        guard.probe.measure(&model(&device), &batch(&device), 1).unwrap();
        guard.observe(1);
        assert_eq!((guard.failure(), guard.ends(1)), (expected.clone(), expected.is_some()));
    }
}

#[test]
fn an_answer_that_is_no_number_is_wrong() {
    let device = Device::flex();
    let linear =
        Linear { weight: Param::from_tensor(Tensor::full([4, 2], f32::NAN, &device)), bias: None };
    let guard = guard();
    guard.probe.measure(&Model { linear }, &batch(&device), 1).unwrap();
    guard.observe(1);
    assert_eq!(guard.best().map(|best| best.robust_accuracy), Some(0.0));
}
