//! What holds for every input.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use free_at::attacks::{Attack, AttackTask, Bim};
use free_at::prelude::*;
use free_at::train::{Clamp, Descend, GradientObserver, ModelMode, Observation};
use free_at::{Draws, FrozenModel, Goal, Norm, Objective};
use proptest::prelude::*;

use crate::catalogue::{attacks_within, for_each_method, trainer_of};
use crate::nets::{ConvNet, LinearNet, images, linf, sgd, state};

/// Rounding of single precision over a handful of operations on values of order 1.
const ROUNDING: f32 = 1e-5;

fn trained<M: Descend<4>>(trainer: &Trainer<M>, steps: usize) -> ConvNet {
    let mut model = ConvNet::new(1, trainer.device());
    let mut optimizer = sgd();
    for step in 0..steps {
        let batch = images(6, step as u64, trainer.device());
        (model, _) = trainer.step(model, &mut optimizer, 0.1, &batch).unwrap();
    }
    model
}

#[test]
fn epsilon_towards_zero_is_standard_training_exactly() {
    // Inputs are at least 0.05, so x + δ rounds to x, and every number after it is the same.
    let tiny = linf(1e-12);
    let free = FreeAdversarialTrainer::new(FreeConfig::new(tiny.clone()), Device::flex()).unwrap();
    // In training mode running statistics would move at each step uphill, too.
    let tiny = Adversary::new(tiny).attacking_in(ModelMode::Evaluation);
    let pgd = AdversarialConfig::new(tiny.clone(), Pgd::new(2));
    let pgd = AdversarialTrainer::new(pgd, Device::flex()).unwrap();
    let fast = FastAdversarialTrainer::new(FastConfig::new(tiny), Device::flex()).unwrap();
    let standard = StandardTrainer::new(StandardConfig::new(), Device::flex()).unwrap();
    let expected = state(&trained(&standard, 4));
    assert_eq!(state(&trained(&free, 4)), expected);
    assert_eq!(state(&trained(&pgd, 4)), expected);
    assert_eq!(state(&trained(&fast, 4)), expected);

    let other = FreeAdversarialTrainer::new(FreeConfig::new(linf(0.1)), Device::flex()).unwrap();
    assert_ne!(state(&trained(&other, 4)), expected, "the comparison can fail");
}

#[test]
fn every_method_is_standard_training_as_epsilon_goes_to_zero() {
    /// Of parameters that a step of another method moves by 1e-2. Running statistics are left out: a method
    /// may show the model the same inputs twice.
    const NEAR: f32 = 1e-5;
    let parameters = |model: ConvNet| {
        let mut state = state(&model);
        state.retain(|path, _| !path.contains("running"));
        state.into_values().flatten().collect::<Vec<f32>>()
    };
    let standard = StandardTrainer::new(StandardConfig::new(), Device::flex()).unwrap();
    let expected = parameters(trained(&standard, 4));
    fn test<M: Descend<4>>(method: M, expected: &[f32], parameters: &dyn Fn(ConvNet) -> Vec<f32>) {
        let trainer = trainer_of(method);
        if trainer.name().starts_with("mart") {
            return; // its loss rules out the likeliest wrong class at any ε
        }
        let found = parameters(trained(&trainer, 4));
        let apart = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart < NEAR, "{}: {apart}", trainer.name());
    }
    for_each_method!(linf(1e-12), test(&expected, &parameters));
}

/// What the model is shown in training, held to the threat model.
#[derive(Debug)]
struct Within {
    epsilon: f32,
}

impl GradientObserver for Within {
    fn observe(&self, seen: &Observation<'_>) -> Result<(), Error> {
        let size = seen.perturbation().max_abs().into_scalar::<f32>();
        assert!(size <= self.epsilon + ROUNDING, "{:?}: {size}", seen.phase());
        let shown = seen.seen();
        let (low, high) = (shown.clone().min(), shown.max());
        assert!(low.into_scalar::<f32>() >= 0.0 && high.into_scalar::<f32>() <= 1.0);
        Ok(())
    }
}

#[test]
fn every_method_shows_the_model_nothing_outside_the_threat_model() {
    fn test<M: Descend<4>>(method: M) {
        let trainer = trainer_of(method);
        // N-FGSM does not project: noise of 2 ε and a step of ε, within the bounds.
        let epsilon = if trainer.name() == "n-fgsm" { 0.9 } else { 0.3 };
        trained(&trainer.observing(Within { epsilon }), 6);
    }
    for_each_method!(linf(0.3), test());
}

fn rows(values: &[f32], device: &Device) -> Batch<2> {
    let n = values.len() / 4;
    let labels = (0..n).map(|at| at as i64 % 3).collect::<Vec<_>>();
    Batch::new(
        Tensor::from_data(TensorData::new(values.to_vec(), [n, 4]), device),
        Tensor::<1, Int>::from_data(labels.as_slice(), device),
    )
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// With m = 1 each minibatch is seen once, and δ moves by one FGSM step from where it was.
    #[test]
    fn m_of_one_is_one_fgsm_step_carried_over(
        epsilon in 0.01..0.3f64,
        first in proptest::collection::vec(0.0..1.0f32, 12),
        second in proptest::collection::vec(0.0..1.0f32, 12),
    ) {
        let threat = linf(epsilon);
        let config = FreeConfig::new(threat.clone()).with_replays(1).with_clamp(Clamp::OnUpdate);
        let trainer = FreeAdversarialTrainer::new(config, Device::flex()).unwrap();
        let device = trainer.device();
        let mut model = LinearNet::new(1, device);
        let mut optimizer = sgd();
        let mut delta = Tensor::<2>::zeros([3, 4], &Device::flex());
        for values in [first, second] {
            let batch = rows(&values, device);
            let x = batch.inputs().inner();
            let allowed = threat.around(&x).unwrap();
            let gradient = FrozenModel::new(&model)
                .input_gradient(x.clone() + delta.clone(), &batch.untargeted(), Objective::CrossEntropy)
                .unwrap()
                .gradient;
            delta = allowed.project(&x, delta + allowed.steepest_step(gradient, epsilon));
            (model, _) = trainer.step(model, &mut optimizer, 0.1, &batch).unwrap();
            let carried = trainer.state().perturbation(device).unwrap();
            prop_assert_eq!(
                carried.try_into_vec_as::<f32>().unwrap(),
                delta.clone().try_into_vec_as::<f32>().unwrap()
            );
        }
    }

    #[test]
    fn adversarial_examples_stay_within_epsilon_and_the_bounds(
        norm in proptest::sample::select(Norm::ALL.to_vec()),
        epsilon in 0.01..0.5f64,
        values in proptest::collection::vec(0.0..1.0f32, 12),
        seed: u64,
    ) {
        let device = Device::flex();
        let batch = rows(&values, &device);
        let model = LinearNet::new(seed % 8, &device);
        let frozen = FrozenModel::new(&model);
        let threat = ThreatModel::new(norm, Epsilon::unit(epsilon));
        let unbounded = threat.clone().with_bounds(Bounds::None);
        let draws = Draws::new(seed, vec![0, 1, 2]);
        for attack in attacks_within::<2>(&threat, &[4]) {
            let run = |threat: &ThreatModel| {
                let (x, y) = (batch.inputs(), batch.untargeted());
                attack.perturb(&AttackTask::new(&frozen, x, y, threat, draws.clone()).unwrap()).unwrap()
            };
            for threat in [&threat, &unbounded] {
                let moved = run(threat) - batch.inputs();
                let size = norm.of(moved).max().into_scalar::<f32>();
                prop_assert!(size <= epsilon as f32 + ROUNDING, "{}: {size}", attack.name());
            }
            let found = run(&threat);
            prop_assert!(found.clone().min().into_scalar::<f32>() >= 0.0);
            prop_assert!(found.max().into_scalar::<f32>() <= 1.0);
        }
    }
}

/// On a linear model every objective rises along its gradient, sample by sample.
#[test]
fn every_attack_ascends_every_objective_untargeted_and_targeted() {
    const RISE: f32 = 0.01; // an attack that does nothing, or descends, gains nothing
    let device = Device::flex();
    let batch = rows(&[0.5; 12], &device);
    let frozen = FrozenModel::new(&LinearNet::new(1, &device));
    let truth = batch.labels();
    let target = Tensor::<1, Int>::from_data([1, 2, 0], &device);
    let (dlr, margin, ce) = (Objective::Dlr, Objective::Margin, Objective::CrossEntropy);
    let cases = [
        (Goal::untargeted(truth.clone()), vec![ce, margin, dlr]),
        (Goal::targeted(truth, target).unwrap(), vec![ce, margin]),
    ];
    for threat in [linf(0.1), ThreatModel::l2(Epsilon::unit(0.2))] {
        for (labels, objectives) in &cases {
            for &objective in objectives {
                let attacks: [&dyn Attack<2>; 3] = [
                    &Fgsm::new().with_objective(objective),
                    &Bim::new(5).with_objective(objective),
                    &Pgd::new(5).with_objective(objective),
                ];
                for attack in attacks {
                    let draws = Draws::new(0, vec![0, 1, 2]);
                    let (x, y) = (batch.inputs(), labels.clone());
                    let task = AttackTask::new(&frozen, x, y, &threat, draws).unwrap();
                    let found = attack.perturb(&task).unwrap();
                    let values = |inputs| -> Vec<f32> {
                        let logits = frozen.logits(inputs).unwrap();
                        objective.values(logits, labels).unwrap().try_into_vec_as().unwrap()
                    };
                    let (before, after) = (values(batch.inputs()), values(found));
                    // Of three classes, one that comes last has a DLR of 1, which is its largest.
                    let can_rise = |before: &f32| objective != dlr || *before < 1.0 - ROUNDING;
                    assert!(before.iter().any(can_rise));
                    for (before, after) in before.iter().zip(&after).filter(|(b, _)| can_rise(b)) {
                        let name = attack.name();
                        assert!(after > &(before + RISE), "{name}, {threat}: {before} to {after}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_targeted_attack_reaches_its_target() {
    let device = Device::flex();
    let batch = rows(&[0.5; 12], &device);
    let frozen = FrozenModel::new(&LinearNet::new(1, &device));
    let target = Tensor::<1, Int>::from_data([2, 2, 1], &device);
    let labels = Goal::targeted(batch.labels(), target).unwrap();
    let wide = linf(5.0).with_bounds(Bounds::None);
    let draws = Draws::new(0, vec![0, 1, 2]);
    let task = AttackTask::new(&frozen, batch.inputs(), labels.clone(), &wide, draws).unwrap();
    let attacks = attacks_within::<2>(&wide, &[4]);
    let can_aim = |attack: &&Arc<dyn Attack<2>>| attack.check_classes(3, true).is_ok();
    assert!(attacks.iter().filter(can_aim).count() + 1 == attacks.len(), "all but DLR");
    for attack in attacks.iter().filter(can_aim) {
        let found = attack.perturb(&task).unwrap();
        let fooled = labels.fooled(frozen.logits(found).unwrap());
        let fooled: Vec<i32> = fooled.int().try_into_vec_as().unwrap();
        assert_eq!(fooled, [1, 1, 1], "{}", attack.name());
        assert!(attack.runs(true) <= attack.runs(false), "aims at the one class");
    }
}

#[test]
fn the_model_given_to_an_evaluation_may_be_trained_or_evaluated() {
    let device = Device::flex().autodiff();
    let model = ConvNet::new(1, &device);
    model.logits(images(6, 1, &device).inputs());
    let batch = images(6, 2, &device);
    let read = |net: &ConvNet| -> Vec<f32> {
        let logits = FrozenModel::new(net).logits(batch.inputs()).unwrap();
        logits.try_into_vec_as().unwrap()
    };
    assert_eq!(read(&model), read(&model.valid()));
    assert_eq!(read(&model), read(&model.valid().train()));
}
