//! What holds for every input.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use free_at::prelude::*;
use free_at::train::Descend;
use proptest::prelude::*;

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
                .input_gradient(x.clone() + delta.clone(), &batch.truth(), Objective::CrossEntropy)
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

    /// Adversarial examples stay within epsilon and the bounds, and raise a convex loss.
    #[test]
    fn attacks_stay_in_the_threat_model_and_ascend(
        norm in prop_oneof![Just(Norm::Linf), Just(Norm::L2)],
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
        let attacks: [&dyn Attack<2>; 3] = [&Fgsm::new(), &Bim::new(5), &Pgd::new(5).with_restarts(2)];
        for attack in attacks {
            let run = |threat: &ThreatModel| {
                attack.perturb(&frozen, &batch.inputs(), &batch.truth(), threat, &draws).unwrap()
            };
            for threat in [&threat, &unbounded] {
                let moved = run(threat) - batch.inputs();
                let size = norm.of(moved).max().into_scalar::<f32>();
                prop_assert!(size <= epsilon as f32 + ROUNDING);
            }
            let found = run(&threat);
            prop_assert!(found.clone().min().into_scalar::<f32>() >= 0.0);
            prop_assert!(found.max().into_scalar::<f32>() <= 1.0);
        }
        let loss = |inputs: Tensor<2>| -> Vec<f32> {
            let logits = frozen.logits(inputs).unwrap();
            let values = Objective::CrossEntropy.values(logits, &batch.truth()).unwrap();
            values.try_into_vec_as().unwrap()
        };
        let clean = loss(batch.inputs());
        let fgsm = Fgsm::new();
        let attacked = fgsm.perturb(&frozen, &batch.inputs(), &batch.truth(), &unbounded, &draws);
        for (clean, attacked) in clean.into_iter().zip(loss(attacked.unwrap())) {
            // Cross-entropy of a linear model is convex, so a steepest step cannot lower it.
            prop_assert!(attacked >= clean - ROUNDING);
        }
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
