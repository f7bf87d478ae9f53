//! The evaluation: verdicts, counts, what it costs, and that no verdict depends on the batch.

use burn::tensor::{Device, Tensor};
use free_at::attacks::{
    Apgd, ApgdT, Attack, AttackTask, EvaluationError, FabT, Square, Target, Verdict,
    wilson_interval,
};
use free_at::data::Image;
use free_at::models::SmallCnn;
use free_at::prelude::*;
use free_at::{Draws, FrozenModel, Goal, Norm, Objective};

use crate::catalogue::attacks_within;
use crate::nets::{RowNet, linf, rows};
use crate::reference::{loader, model};

const SAMPLES: usize = 60;
const EPSILON: f64 = 0.1;
/// Of a norm, where a kernel adds in another order for another batch size.
const ROUNDING: f64 = 1e-4;

fn evaluation() -> Evaluation<4> {
    Evaluation::new(linf(EPSILON)).with_seed(1)
}

/// A budget within which most samples can be broken.
fn budget(norm: Norm) -> Epsilon {
    Epsilon::unit(match norm {
        Norm::Linf => EPSILON,
        Norm::L2 => 0.6,
        Norm::L1 => 3.0,
        Norm::L0 => 6.0,
    })
}

/// Every attack that there is in this norm.
fn every_attack(norm: Norm) -> Evaluation<4> {
    let threat = ThreatModel::new(norm, budget(norm));
    let attacks = attacks_within(&threat, &[1, 8, 8]);
    Evaluation::new(threat).with_seed(1).attacks(attacks)
}

#[test]
fn verdicts_do_not_depend_on_the_batch_size() {
    let model = model("free-8");
    for norm in Norm::ALL {
        for target in [None, Some(Target::Random), Some(Target::MostLikely(1))] {
            let evaluation = every_attack(norm).independently();
            let evaluation = match &target {
                Some(target) => evaluation.with_target(target.clone()),
                None => evaluation,
            };
            let all = evaluation.run(&model, &*loader(SAMPLES, SAMPLES)).unwrap();
            // So small that an attack that refills its batch is given more than one lot of samples.
            let some = evaluation.clone().with_batch_size(3);
            let by_7 = some.run(&model, &*loader(SAMPLES, 7)).unwrap();
            assert_eq!(all.verdicts(), by_7.verdicts());
            let accuracies =
                |r: &RobustnessReport| r.attacks.iter().map(|a| a.accuracy).collect::<Vec<_>>();
            assert_eq!(accuracies(&all), accuracies(&by_7), "{norm}, {target:?}");
            assert_eq!(all.hash, by_7.hash);
            let norms = |r: &RobustnessReport| r.samples.iter().map(|s| s.norm).collect::<Vec<_>>();
            for (a, b) in norms(&all).into_iter().zip(norms(&by_7)) {
                assert!((a.unwrap_or(0.0) - b.unwrap_or(0.0)).abs() < ROUNDING, "{a:?}, {b:?}");
            }
            assert!(all.clean > 0.8 && all.worst_case < all.clean, "{all}");
        }
    }
}

#[test]
fn the_parts_of_a_report_add_up() {
    let report = every_attack(Norm::Linf).independently();
    let report = report.run(&model("free-8"), &*loader(SAMPLES, 16)).unwrap();
    let verdicts = report.verdicts();
    let count = |wanted| verdicts.iter().filter(|v| **v == wanted).count();
    let (wrong, robust) = (count(Verdict::Misclassified), count(Verdict::Robust));
    let share = |n: usize| n as f64 / SAMPLES as f64;
    assert_eq!(verdicts.len(), SAMPLES);
    assert_eq!(report.clean, share(SAMPLES - wrong));
    assert_eq!(report.worst_case, share(robust));
    assert_eq!(report.worst_case_interval, wilson_interval(robust, SAMPLES));
    for attack in &report.attacks {
        assert_eq!(attack.attacked, SAMPLES - wrong);
        assert_eq!(attack.accuracy, share(SAMPLES - wrong - attack.broken));
        assert!(report.worst_case <= attack.accuracy && attack.accuracy <= report.clean);
    }
    for sample in &report.samples {
        assert_eq!(sample.verdict == Verdict::Broken, sample.attack.is_some());
        assert!(sample.norm.is_none_or(|norm| norm > 0.0 && norm <= EPSILON * 1.001));
    }
    // FGSM costs one gradient for each sample that is right; restarts run on what still stands.
    let right = (SAMPLES - wrong) as u64;
    let of = |name: &str| report.attacks.iter().find(|attack| attack.name == name).unwrap();
    assert_eq!(of("fgsm").gradient_computations, right);
    assert!(of("pgd-5x3").gradient_computations < 3 * 5 * right);
    assert_eq!(report.under("square-200").unwrap(), of("square-200").accuracy);
    assert_eq!(of("square-200").gradient_computations, 0);
}

#[test]
fn a_cascade_gives_each_attack_what_still_stands_and_comes_to_the_same_worst_case() {
    let model = model("free-8");
    let cascade = every_attack(Norm::Linf).run(&model, &*loader(SAMPLES, 16)).unwrap();
    let apart =
        every_attack(Norm::Linf).independently().run(&model, &*loader(SAMPLES, 16)).unwrap();
    assert_eq!(cascade.verdicts(), apart.verdicts());
    assert!(cascade.attacks[0].broken > 0);
    for pair in cascade.attacks.windows(2) {
        assert_eq!(pair[1].attacked, pair[0].attacked - pair[0].broken);
        assert!(pair[1].accuracy <= pair[0].accuracy);
    }
    assert_eq!(cascade.attacks.last().unwrap().accuracy, cascade.worst_case);
    assert!(cascade.to_string().contains("+ fgsm") && !apart.to_string().contains("+ fgsm"));
}

#[test]
fn restarts_cost_little_more_than_the_robust_samples() {
    /// Beyond the share of robust samples: the one restart of ten that broken ones may take.
    const SLACK: f64 = 0.1;
    for name in ["standard", "free-8"] {
        let attack = Pgd::new(100).with_restarts(10);
        let report = evaluation().attack(attack).run(&model(name), &*loader(SAMPLES, SAMPLES));
        let attack = &report.unwrap().attacks[0];
        let without_compaction = (attack.attacked * 100 * 10) as f64;
        let robust = 1.0 - attack.broken as f64 / attack.attacked as f64;
        let cost = attack.gradient_computations as f64 / without_compaction;
        assert!(cost <= robust + SLACK, "{name}: {cost} for {robust} robust");
        assert!(cost >= robust, "robust samples take every step");
    }
}

/// A network that writes down how many images it is asked about at a time.
#[derive(burn::module::Module, Debug)]
struct Asked {
    net: SmallCnn,
    #[module(skip)]
    sizes: std::sync::Arc<std::sync::Mutex<Vec<usize>>>,
}

impl Classifier<4> for Asked {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        self.sizes.lock().unwrap().push(images.dims()[0]);
        self.net.logits(images)
    }
}

#[test]
fn a_batch_is_refilled_while_an_attack_runs() {
    const BATCH: usize = 8;
    const STEPS: usize = 50;
    for attack in [Pgd::new(STEPS), Pgd::new(STEPS).with_objective(Objective::Margin)] {
        let model = Asked { net: model("standard"), sizes: Default::default() };
        let report = evaluation().attack(attack).with_batch_size(BATCH).with_quantized();
        let report = report.run(&model, &*loader(SAMPLES, SAMPLES)).unwrap();
        let sizes = model.sizes.lock().unwrap().clone();
        assert!(sizes[1..].iter().all(|size| *size <= BATCH), "after the clean answers");
        // After these and the checks the batch is full until nobody waits any more.
        const CHECKS: usize = 1 + 2 + 5 + 2;
        let full = sizes[CHECKS..].iter().take_while(|size| **size == BATCH).count();
        let attack = &report.attacks[0];
        // Every second sample is broken early, so most of the work is done in a full batch.
        assert!(full * BATCH * 2 > attack.gradient_computations as usize, "{full} full batches");
        assert!(attack.broken > attack.attacked / 2, "samples leave early");
    }
}

#[test]
fn compaction_changes_no_verdict_of_apgd() {
    let model = model("free-8");
    let run = |apgd: Apgd, targeted: ApgdT| {
        let evaluation = evaluation().attack(apgd).attack(targeted);
        evaluation.run(&model, &*loader(SAMPLES, SAMPLES)).unwrap()
    };
    let (apgd, targeted) = (Apgd::ce().with_steps(25), ApgdT::new().with_steps(25));
    let whole = run(apgd.clone(), targeted.clone());
    let compact = run(apgd.with_compaction(), targeted.with_compaction());
    assert_eq!(whole.verdicts(), compact.verdicts());
    let cost = |r: &RobustnessReport| r.attacks[0].gradient_computations;
    assert_eq!(cost(&whole), 26 * whole.attacks[0].attacked as u64, "as the reference");
    assert!(cost(&compact) < cost(&whole));
    let targeted = |r: &RobustnessReport| r.attacks[1].gradient_computations;
    assert!(compact.attacks[1].broken > 0 && targeted(&compact) < targeted(&whole));
}

#[test]
fn more_epsilon_is_never_better() {
    let model = model("free-8");
    let under = |epsilon| {
        let attacks = Evaluation::new(linf(epsilon)).attack(Pgd::new(20));
        attacks.run(&model, &*loader(SAMPLES, 60)).unwrap().worst_case
    };
    let robust: Vec<f64> = [0.01, 0.05, 0.1, 0.3].map(under).into();
    assert!(robust.windows(2).all(|pair| pair[0] >= pair[1]), "{robust:?}");
    assert!(robust[0] > robust[3]);
}

/// The accuracy under the adversarial examples of `eight_bit_accuracies_are…`, saved, rounded to n/255 and
/// shown to the model.
fn rounded_by_hand(model: &SmallCnn) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("examples.safetensors");
    let evaluation = Evaluation::new(ThreatModel::linf(Epsilon::pixels(25.0)))
        .attack(Pgd::new(20))
        .with_examples(&path);
    evaluation.run(model, &*loader(SAMPLES, SAMPLES)).unwrap();
    let bytes = std::fs::read(path).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let (examples, labels) =
        (tensors.tensor("adversarial").unwrap(), tensors.tensor("labels").unwrap());
    let values: Vec<f32> =
        examples.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let labels: Vec<i64> =
        labels.data().as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect();
    let truth: Vec<i64> = (0..SAMPLES).map(|at| digits::test().label(at).unwrap() as i64).collect();
    assert_eq!(labels, truth);
    let answers = |round: bool| -> Vec<i64> {
        let values = values.iter().map(|v| if round { (v * 255.0).round() / 255.0 } else { *v });
        let data = burn::tensor::TensorData::new::<f32, _>(values.collect(), [SAMPLES, 1, 8, 8]);
        let images = Tensor::from_data(data, &Device::flex());
        model.logits(images).argmax(1).try_into_vec_as().unwrap()
    };
    let broken = tensors.tensor("broken").unwrap().data().to_vec();
    let mut right = 0;
    for (sample, (plain, rounded)) in answers(false).into_iter().zip(answers(true)).enumerate() {
        let breaks = broken[sample] == 1;
        assert_eq!(
            plain == truth[sample] && !breaks,
            plain == truth[sample],
            "a saved example fools"
        );
        // One that was wrong without an attack counts as wrong, whatever rounding does to it.
        let clean = breaks || plain == truth[sample];
        right += usize::from(clean && (rounded == truth[sample] || !breaks));
    }
    right as f64 / SAMPLES as f64
}

/// Most of the digits' values are no multiples of 1/255, so both 8-bit accuracies mean something.
#[test]
fn eight_bit_accuracies_are_those_of_images_that_can_be_stored() {
    let model = model("free-8");
    let run = |epsilon| {
        let threat = ThreatModel::linf(Epsilon::pixels(epsilon));
        let evaluation = Evaluation::new(threat).attack(Pgd::new(20)).with_quantized();
        evaluation.run(&model, &*loader(SAMPLES, SAMPLES)).unwrap()
    };
    let report = run(25.0);
    let found = report.quantized.unwrap();
    assert!((found.quantized - report.worst_case).abs() <= 0.1, "{report}");
    assert_eq!(found.rounded, rounded_by_hand(&model), "as the saved examples, rounded");
    assert!(found.quantized < report.clean);
    assert_eq!(report.attacks[0].quantized, Some(found));
    assert!(report.to_string().contains("8-bit"));
    // Within less than half a level no other grey value can be reached.
    let narrow = run(0.4).quantized.unwrap();
    assert!(narrow.quantized >= run(0.4).clean - 1.0 / SAMPLES as f64);
}

#[test]
fn examples_on_the_lattice_are_multiples_within_epsilon() {
    let batch = digits::test().take(SAMPLES).batch(&Device::flex()).unwrap();
    let frozen = FrozenModel::new(&model("free-8"));
    let threat = linf(EPSILON);
    let draws = Draws::new(0, (0..SAMPLES as u64).collect());
    let task =
        AttackTask::new(&frozen, batch.inputs(), batch.untargeted(), &threat, draws).unwrap();
    let found = Pgd::new(5).run_once(&task.quantized(), 0).unwrap();
    let levels = found.clone().mul_scalar(255.0);
    let off = (levels.clone() - levels.round()).abs().max().into_scalar::<f32>();
    assert!(off < 1e-3, "{off}");
    let moved = (found - batch.inputs()).abs().max().into_scalar::<f32>();
    assert!(f64::from(moved) <= EPSILON + 1e-6 && f64::from(moved) > 0.9 * EPSILON, "{moved}");
}

#[test]
fn a_report_survives_its_file_and_a_damaged_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let evaluation = every_attack(Norm::Linf).with_quantized().with_target(Target::LeastLikely);
    let report = evaluation.run(&model("free-8"), &*loader(20, 20)).unwrap();
    report.save(&path).unwrap();
    assert_eq!(RobustnessReport::load(&path).unwrap(), report);
    assert!(report.to_string().contains("worst case"));

    let json = std::fs::read(&path).unwrap();
    std::fs::write(&path, &json[..json.len() / 2]).unwrap();
    assert!(matches!(RobustnessReport::load(&path), Err(Error::DamagedFile { .. })));
    let nowhere = folder.path().join("no/report.json");
    assert!(matches!(report.save(&nowhere), Err(Error::File { .. })));
    assert!(matches!(RobustnessReport::load(nowhere), Err(Error::File { .. })));
}

#[test]
fn inputs_of_other_ranks_are_attacked_by_every_attack() {
    let device = Device::flex();
    let wide = linf(0.3).with_scale(vec![1.0, 2.0, 0.0, 1.0, 1.0, 0.5]);
    let l2 = ThreatModel::l2(Epsilon::unit(0.5)).with_bounds(Bounds::None);
    let model = RowNet::new(1, &device);
    for threat in [wide, l2.clone()] {
        let evaluation = Evaluation::new(threat.clone()).attacks(attacks_within(&threat, &[6]));
        let report = evaluation.independently().run(&model, &*rows(&model, 24)).unwrap();
        assert_eq!(report.clean, 1.0);
        for attack in &report.attacks {
            assert!(attack.broken > 0, "{} breaks nothing:\n{report}", attack.name);
        }
    }
    let square = Evaluation::<2>::new(l2).attack(Square::new());
    let refused = square.run(&model, &*rows(&model, 24)).unwrap_err();
    assert!(matches!(refused, EvaluationError::Core(Error::Unsupported { .. })), "{refused}");
    // A frozen feature stays as it is.
    let draws = Draws::new(0, vec![0]);
    let frozen = FrozenModel::new(&model);
    let inputs = Tensor::<2>::full([1, 6], 0.3, &device); // not 0.5, which hides rounding
    let labels = Goal::untargeted(Tensor::from_data([0], &device));
    let threat = linf(0.3).with_scale(vec![1.0, 2.0, 0.0, 1.0, 1.0, 0.5]);
    let task = AttackTask::new(&frozen, inputs, labels, &threat, draws).unwrap();
    for attack in attacks_within::<2>(&threat, &[6]) {
        let found: Vec<f32> = attack.run_once(&task, 0).unwrap().try_into_vec_as().unwrap();
        assert_eq!(found[2], 0.3, "{}", attack.name());
    }
}

/// With all values multiples of 1/255, as in a stored image, and whole grey levels for ε, every
/// attack finds as much on the lattice as beside it.
#[test]
fn stored_images_are_attacked_on_the_lattice_by_every_attack() {
    let digits = digits::test();
    let store = |image: Image| Image {
        pixels: image.pixels.iter().map(|value| (value * 255.0).round() / 255.0).collect(),
        ..image
    };
    let stored: Vec<Image> = (0..SAMPLES).map(|at| store(digits.image(at).unwrap())).collect();
    let stored = ImageDataset::new(stored, digits.shape(), digits.classes()).unwrap();
    let test = stored.loader(SAMPLES, None, &Device::flex()).unwrap();
    let threat = ThreatModel::linf(Epsilon::pixels(26.0));
    let evaluation = Evaluation::new(threat)
        .independently()
        .with_quantized()
        .attack(Pgd::new(20))
        .attack(Apgd::ce().with_steps(30))
        .attack(FabT::new().with_steps(30).with_targets(3))
        .attack(Square::new().with_queries(100));
    let report = evaluation.run(&model("free-8"), &*test).unwrap();
    for attack in &report.attacks {
        let found = attack.quantized.unwrap();
        assert!(attack.broken > 0, "{report}");
        // A handful of samples may go either way: the path is another one.
        assert!((found.quantized - attack.accuracy).abs() <= 0.05, "{}:\n{report}", attack.name);
    }
}
