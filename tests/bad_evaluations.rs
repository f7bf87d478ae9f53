//! Evaluations that make no sense are refused with the reason, and attacks that cheat are found out.

use burn::tensor::{Device, Int, Tensor};
use free_at::attacks::{
    Apgd, ApgdT, Attack, AttackTask, Bim, Evaluation, EvaluationError, FabT, Square, Target,
};
use free_at::prelude::*;
use free_at::{Draws, FrozenModel, Goal, Norm, Objective};

use crate::attack_of::attack_of;
use crate::nets::{ConvNet, RowNet, linf, loader, rows, seeded};

fn refusal(evaluation: Evaluation<4>) -> EvaluationError {
    let model = seeded(SmallCnnConfig::new(1, digits::CLASSES).init(&Device::flex()), 0);
    let test = digits::test().take(16).loader(8, None, &Device::flex()).unwrap();
    evaluation.run(&model, &*test).unwrap_err()
}

#[test]
fn configurations_that_make_no_sense() {
    let evaluation = || Evaluation::new(linf(0.1));
    assert_eq!(refusal(evaluation()), EvaluationError::NoAttack);
    let twice = evaluation().attack(Fgsm::new()).attack(Fgsm::new());
    assert_eq!(refusal(twice), EvaluationError::DuplicateAttack { name: "fgsm".into() });
    let no_batch = evaluation().attack(Fgsm::new()).with_batch_size(0);
    assert_eq!(refusal(no_batch), Error::BatchSize.into());
    let narrow = linf(0.1).with_bounds(Bounds::Range { low: 0.0, high: 0.5 });
    let outside = Evaluation::new(narrow).attack(Fgsm::new());
    assert!(matches!(
        refusal(outside),
        EvaluationError::Core(Error::InputOutOfBounds { high: 0.5, .. })
    ));
    assert!(matches!(
        refusal(evaluation().attack(Bim::new(0))),
        EvaluationError::Core(Error::Steps { .. })
    ));
    let grey = linf(8.0).with_bounds(Bounds::Range { low: 0.0, high: 255.0 });
    let eight_bit = Evaluation::new(grey).attack(Fgsm::new()).with_quantized();
    assert!(matches!(refusal(eight_bit), EvaluationError::Core(Error::Unsupported { .. })));
    let no_targets = evaluation().attack(ApgdT::new().with_targets(0));
    assert!(matches!(
        refusal(no_targets),
        EvaluationError::Core(Error::AttackParameter { attack: "APGD-T", .. })
    ));
    let rho = evaluation().attack(Apgd::ce().with_rho(1.5));
    assert!(matches!(
        refusal(rho),
        EvaluationError::Core(Error::AttackParameter { attack: "APGD", .. })
    ));
}

#[test]
fn targets_that_do_not_exist_or_are_the_truth() {
    let aimed =
        |target| refusal(Evaluation::new(linf(0.1)).attack(Fgsm::new()).with_target(target));
    let classes = digits::CLASSES;
    for k in [0, classes] {
        let expected = Error::TargetClass { class: k, classes };
        assert_eq!(aimed(Target::MostLikely(k)), expected.into());
    }
    let digits = digits::test();
    let truth: Vec<usize> = (0..digits.len()).filter_map(|at| digits.label(at)).collect();
    let mut given: Vec<usize> = truth.iter().map(|label| (label + 1) % classes).collect();
    given[11] = truth[11];
    let expected = Error::TargetIsTruth { sample: 11, class: truth[11] };
    assert_eq!(aimed(Target::Given(given.clone())), expected.into());
    given[11] = classes;
    let expected = Error::TargetClass { class: classes, classes };
    assert_eq!(aimed(Target::Given(given.clone())), expected.into());
    let short = given[..9].to_vec();
    let expected = Error::TargetCount { expected: 10, found: 9 };
    assert_eq!(aimed(Target::Given(short)), expected.into());
}

#[test]
fn models_with_too_few_classes_for_an_attack() {
    let three = ConvNet::new(1, &Device::flex());
    let run = |evaluation: Evaluation<4>| evaluation.run(&three, &*loader(None));
    let of = |attack| run(Evaluation::new(linf(0.1)).attacks([attack])).err();
    let small = |attack: ApgdT| std::sync::Arc::new(attack.with_steps(2).with_targets(2));
    let few = |expected| Some(Error::TooFewClasses { expected, found: 3 }.into());
    assert_eq!(of(small(ApgdT::new())), few(4));
    assert_eq!(of(small(ApgdT::new().with_objective(Objective::Margin))), None);
    // Of more targets than wrong classes as many are aimed at as there are.
    assert_eq!(of(std::sync::Arc::new(FabT::new().with_steps(2))), None);
    assert_eq!(of(std::sync::Arc::new(Apgd::dlr().with_steps(2))), None);
    let aimed = Evaluation::new(linf(0.1)).with_target(Target::Random);
    assert_eq!(run(aimed.attack(Apgd::dlr())).err(), few(4));
    // The way out that the errors and the guide name.
    let auto = AutoAttack::standard().with_targets(2).with_margin().with_queries(20);
    assert!(run(Evaluation::new(linf(0.1)).attacks(auto.attacks())).is_ok());
}

#[test]
fn labels_and_data_that_the_model_does_not_have() {
    struct Foreign;
    impl burn::data::dataloader::batcher::Batcher<u64, Batch<2>> for Foreign {
        fn batch(&self, ids: Vec<u64>, device: &Device) -> Batch<2> {
            let labels = Tensor::<1, Int>::full([ids.len()], 4, device);
            Batch::new(Tensor::full([ids.len(), 6], 0.5, device), labels).unwrap()
        }
    }
    let test = burn::data::dataloader::DataLoaderBuilder::new(Foreign)
        .batch_size(2)
        .set_device(Device::flex())
        .build(burn::data::dataset::InMemDataset::new(vec![0, 1]));
    let model = RowNet::new(1, &Device::flex());
    let refused = Evaluation::new(linf(0.1)).attack(Fgsm::new()).run(&model, &*test);
    let expected = Error::Label { sample: 0, label: 4, classes: 4 };
    assert_eq!(refused.unwrap_err(), expected.into());
    let double = Tensor::<2>::full([1, 6], 0.5, (&Device::flex(), burn::tensor::DType::F64));
    let (frozen, one) = (FrozenModel::new(&model), Tensor::<1, Int>::zeros([1], &Device::flex()));
    let draws = Draws::new(0, vec![0]);
    let task = AttackTask::new(&frozen, double, Goal::untargeted(one), &linf(0.1), draws);
    assert_eq!(task.err(), Some(Error::Precision { found: "F64".into() }));
    let empty = Evaluation::new(linf(0.1)).attack(Fgsm::new()).run(&model, &*rows(&model, 0));
    assert_eq!(empty.unwrap_err(), Error::EmptyBatch.into());
}

#[test]
fn an_attack_by_itself_refuses_what_it_does_not_support() {
    let device = Device::flex();
    let frozen = FrozenModel::new(&RowNet::new(1, &device));
    let labels = Goal::untargeted(Tensor::zeros([1], &device));
    let inputs = Tensor::<2>::full([1, 6], 0.5, &device);
    let threat = ThreatModel::l2(Epsilon::unit(0.5));
    let task = AttackTask::new(&frozen, inputs, labels, &threat, Draws::new(0, vec![0])).unwrap();
    let refused = Square::new().perturb(&task).unwrap_err();
    assert!(matches!(refused, Error::Unsupported { .. }));
}

#[test]
fn an_attack_that_moves_what_is_frozen() {
    // By half of epsilon.
    let nudge = attack_of("nudge", |task: &AttackTask<2>| {
        let moved = task.inputs().clone().slice([0..task.len(), 2..3]).add_scalar(0.05);
        Ok(task.inputs().clone().slice_assign([0..task.len(), 2..3], moved))
    });
    let model = RowNet::new(1, &Device::flex());
    let run = |third| {
        let threat = linf(0.1).with_scale(vec![1.0, 1.0, third, 1.0, 1.0, 1.0]);
        Evaluation::new(threat.with_bounds(Bounds::None))
            .attack(nudge.clone())
            .run(&model, &*rows(&model, 5))
    };
    assert!(run(1.0).is_ok());
    assert!(matches!(run(0.0), Err(EvaluationError::OutsideThreatModel { .. })));
}

#[test]
fn attacks_given_what_does_not_belong_together() {
    let device = Device::flex();
    let frozen = FrozenModel::new(&RowNet::new(1, &device));
    let inputs = || Tensor::<2>::full([2, 6], 0.5, &device);
    let labels = |n| Goal::untargeted(Tensor::zeros([n], &device));
    let draws = |n| Draws::new(0, (0..n).collect());
    let new = |inputs, labels, draws| AttackTask::new(&frozen, inputs, labels, &linf(0.1), draws);
    let refused = new(inputs(), labels(3), draws(2)).err();
    assert_eq!(refused, Some(Error::BatchLength { inputs: 2, labels: 3 }));
    let refused = new(inputs(), labels(2), draws(1)).err();
    assert_eq!(refused, Some(Error::BatchLength { inputs: 2, labels: 1 }));
    let task = new(inputs(), labels(2), draws(2)).unwrap();
    let refused = task.starting_at(Tensor::zeros([2, 5], &device)).err();
    assert_eq!(refused, Some(Error::SampleShape { expected: vec![2, 6], found: vec![2, 5] }));
}

#[test]
fn an_attack_that_leaves_the_threat_model() {
    let test = digits::test().take(64).loader(64, None, &Device::flex()).unwrap();
    let model = seeded(SmallCnnConfig::new(1, digits::CLASSES).init(&Device::flex()), 0);
    for past_bounds in [true, false] {
        let cheat = attack_of("cheat", move |task: &AttackTask<4>| {
            let (inputs, epsilon) = (task.inputs(), task.allowed().epsilon());
            Ok(match past_bounds {
                true => inputs.clone().add_scalar(epsilon),
                false => inputs.clone().add_scalar(2.0 * epsilon).clamp(0.0, 1.0),
            })
        });
        let cheat = Evaluation::new(linf(0.1)).attack(cheat);
        let refused = cheat.run(&model, &*test).unwrap_err();
        assert!(matches!(refused, EvaluationError::OutsideThreatModel { .. }), "{refused}");
    }
}

#[test]
fn an_attack_that_goes_a_little_too_far_or_nowhere() {
    // Every sample to this multiple of ε, or to what is no number.
    let of = |reach: f64| {
        attack_of("reach", move |task: &AttackTask<2>| {
            let (allowed, inputs) = (task.allowed(), task.inputs());
            let step = allowed.steepest_step(inputs.ones_like(), reach * allowed.epsilon());
            Ok(inputs.clone() + step)
        })
    };
    let model = RowNet::new(1, &Device::flex());
    for norm in Norm::ALL {
        let run = |reach| {
            let threat = ThreatModel::new(norm, Epsilon::unit(0.1)).with_bounds(Bounds::None);
            Evaluation::new(threat).attack(of(reach)).run(&model, &*rows(&model, 5))
        };
        assert!(run(1.0).is_ok() && run(1.00001).is_ok());
        for reach in [1.001, f64::NAN] {
            let refused = run(reach).unwrap_err();
            assert!(
                matches!(refused, EvaluationError::OutsideThreatModel { .. }),
                "{norm} {reach}: {refused}"
            );
        }
    }
}

#[test]
fn a_wrong_sample_is_named_by_its_place_in_the_data_set() {
    struct Second;
    impl burn::data::dataloader::batcher::Batcher<u64, Batch<2>> for Second {
        fn batch(&self, ids: Vec<u64>, device: &Device) -> Batch<2> {
            let values: Vec<f32> =
                ids.iter().flat_map(|id| [if *id == 6 { 1.5 } else { 0.5 }; 6]).collect();
            let data = burn::tensor::TensorData::new(values, [ids.len(), 6]);
            Batch::new(Tensor::from_data(data, device), Tensor::zeros([ids.len()], device)).unwrap()
        }
    }
    let test = burn::data::dataloader::DataLoaderBuilder::new(Second)
        .batch_size(5)
        .set_device(Device::flex())
        .build(burn::data::dataset::InMemDataset::new((0..8).collect()));
    let model = RowNet::new(1, &Device::flex());
    let refused = Evaluation::new(linf(0.1)).attack(Fgsm::new()).run(&model, &*test);
    let expected = Error::InputOutOfBounds { sample: 6, value: 1.5, low: 0.0, high: 1.0 };
    assert_eq!(refused.unwrap_err(), expected.into());
}

#[test]
fn inputs_that_are_no_numbers_are_not_evaluated() {
    struct Nan;
    impl burn::data::dataloader::batcher::Batcher<usize, Batch<4>> for Nan {
        fn batch(&self, items: Vec<usize>, device: &Device) -> Batch<4> {
            let inputs = Tensor::full([items.len(), 2, 5, 5], 0.5, device);
            let inputs = inputs.slice_fill([1..2, 0..1, 2..3, 2..3], f32::NAN);
            Batch::new(inputs, Tensor::zeros([items.len()], device)).unwrap()
        }
    }
    let items = burn::data::dataset::InMemDataset::new(vec![0; 4]);
    let test = burn::data::dataloader::DataLoaderBuilder::new(Nan)
        .batch_size(4)
        .set_device(Device::flex())
        .build(items);
    let model = ConvNet::new(1, &Device::flex());
    let refused = Evaluation::new(linf(0.1)).attack(Fgsm::new()).run(&model, &*test);
    let error = refused.unwrap_err();
    assert!(matches!(error, EvaluationError::Core(Error::InputNotFinite { .. })), "{error}");
}

#[test]
fn rounding_is_not_taken_for_a_defect_of_the_attack() {
    let test = digits::test().take(64).loader(64, None, &Device::flex()).unwrap();
    let model = SmallCnnConfig::new(1, digits::CLASSES).init(&Device::flex());
    for threat in [linf(1e-4), ThreatModel::l2(Epsilon::unit(1e-4))] {
        let tiny = Evaluation::new(threat).attack(Fgsm::new()).attack(Pgd::new(3));
        assert!(tiny.run(&model, &*test).is_ok());
    }
}
