//! The attacks in L1 against `fixtures/l1.safetensors`, written by `fixtures/l1.py` with PyTorch and the reference
//! AutoAttack.

use std::collections::BTreeMap;

use free_at::attacks::{Apgd, AttackTask, FabT, MinimalAttack, Square, Verdict};
use free_at::prelude::*;
use free_at::{Draws, FrozenModel, Norm};
use serde::Deserialize;

use crate::attacks_against_pytorch::climbs_apart;
use crate::reference::{SAMPLES, Tensors, batch, loader, model};

#[derive(Deserialize)]
struct Summary {
    epsilon: f64,
    square_broken: BTreeMap<String, Vec<usize>>,
}

fn reference() -> (Tensors, Summary, ThreatModel) {
    let summary: Summary = serde_json::from_str(include_str!("fixtures/l1.json")).unwrap();
    let threat = ThreatModel::new(Norm::L1, Epsilon::unit(summary.epsilon));
    (Tensors::read(include_bytes!("fixtures/l1.safetensors")), summary, threat)
}

fn task<'a>(model: &'a FrozenModel<4>, threat: &ThreatModel) -> AttackTask<'a, 4> {
    let draws = Draws::new(0, (0..SAMPLES as u64).collect());
    AttackTask::new(model, batch().inputs(), batch().untargeted(), threat, draws).unwrap()
}

#[test]
fn the_nearest_point_in_the_ball_and_the_bounds_is_the_references() {
    /// Rounding of a sum of 64 features.
    const SAME: f32 = 1e-5;
    let (tensors, _, threat) = reference();
    let (inputs, noise) = (batch().inputs(), tensors.images("noise"));
    let found = threat.around(&inputs).unwrap().project(&inputs, noise);
    let apart = (found - tensors.images("projected")).abs().max().into_scalar::<f32>();
    assert!(apart < SAME, "{apart}");
}

#[test]
fn apgd_climbs_in_l1_as_the_reference_does() {
    /// Samples, of 200, whose path may part: once a gradient's rank is chance, all later steps differ.
    const EXCUSED: usize = 10;
    /// From here on DLR has no gradient but rounding: the true class is third, and the ratio 1.
    const PLATEAU: f32 = 0.999;
    let (tensors, _, threat) = reference();
    let frozen = FrozenModel::new(&model("free-8"));
    for (name, attack) in [("ce", Apgd::ce()), ("dlr", Apgd::dlr())] {
        let task = task(&frozen, &threat).starting_at(tensors.images("start")).unwrap();
        let found = attack.trace(&task, 0).unwrap();
        let best = tensors.floats(&format!("apgd.{name}.best"));
        // In the larger balls many pass there, and take some step at random.
        let curves = tensors.floats(&format!("apgd.{name}.losses"));
        let below = |s: &usize| curves.iter().skip(*s).step_by(SAMPLES).all(|v| *v < PLATEAU);
        let of = |holds: &dyn Fn(&usize) -> bool| -> Vec<usize> {
            (0..SAMPLES).filter(|s| name == "ce" || holds(s)).collect()
        };
        let (compared, throughout) = (of(&|s| best[*s] < PLATEAU), of(&below));
        assert!(compared.len() > SAMPLES / 2 && throughout.len() > SAMPLES / 5);
        let case = format!("apgd.{name}");
        let [highest, step_sizes, _] = climbs_apart(&tensors, &case, &found, &compared);
        let [_, _, curve] = climbs_apart(&tensors, &case, &found, &throughout);
        assert!(
            [highest, step_sizes, curve].iter().all(|apart| *apart <= EXCUSED),
            "{name}: best and step sizes differ for {highest} and {step_sizes} of {}, curves for {curve} of {}",
            compared.len(),
            throughout.len()
        );
        let logits = frozen.logits(found.adversarial).unwrap();
        let fooled: Vec<i32> = batch().untargeted().fooled(logits).int().try_into_vec_as().unwrap();
        let expected = tensors.flags(&format!("apgd.{name}.fooled"));
        let other = fooled.iter().zip(expected).filter(|(a, b)| (**a != 0) != *b).count();
        assert!(other <= 1, "{name}: {other} samples fooled in one alone");
    }
}

#[test]
fn fab_t_finds_examples_as_close_in_l1() {
    /// Of the mean norm.
    const SAME: f64 = 0.02;
    /// Of the nine targets, the time of which adds up.
    const TARGETS: usize = 4;
    let (tensors, _, threat) = reference();
    for name in ["free-8", "standard"] {
        let frozen = FrozenModel::new(&model(name));
        let expected = tensors.floats(&format!("fab.{name}"));
        for (target, expected) in expected.chunks(SAMPLES).enumerate().take(TARGETS) {
            let closest = FabT::new().closest(&task(&frozen, &threat), target).unwrap();
            let found: Vec<f32> = closest.norms().clone().try_into_vec_as().unwrap();
            // The script has −1 for the images that are wrong without an attack, and for those never fooled.
            let pairs = || found.iter().zip(expected).filter(|(f, e)| **e >= 0.0 && f.is_finite());
            let found_too = expected.iter().filter(|e| **e >= 0.0).count();
            assert!(pairs().count() + 4 >= found_too, "{name} {target}: {}", pairs().count());
            let n = pairs().count() as f64;
            let ours = pairs().map(|(found, _)| f64::from(*found)).sum::<f64>() / n;
            let theirs = pairs().map(|(_, expected)| f64::from(*expected)).sum::<f64>() / n;
            assert!((ours / theirs - 1.0).abs() < SAME, "{name} {target}: {ours}, {theirs}");
        }
    }
}

#[test]
fn square_breaks_as_many_in_l1() {
    /// Of 200 images, in the mean over five seeds.
    const SAME: f64 = 2.0;
    let (_, summary, threat) = reference();
    for (name, expected) in &summary.square_broken {
        let count = |seed| {
            let attack = Square::new().with_queries(500).with_reference_windows();
            let evaluation = Evaluation::new(threat.clone()).with_seed(seed).attack(attack);
            evaluation.run(&model(name), &*loader(SAMPLES, SAMPLES)).unwrap().attacks[0].broken
        };
        let found: Vec<usize> = (0..expected.len() as u64).map(count).collect();
        let mean = |counts: &[usize]| counts.iter().sum::<usize>() as f64 / counts.len() as f64;
        let apart = mean(&found) - mean(expected);
        assert!(apart.abs() <= SAME, "{name}: {found:?}, {expected:?}");
    }
}

/// On the first images, for the time that all 200 take; `docs/attacks.md` has the counts of all.
#[test]
fn auto_attack_leaves_as_many_standing_in_l1_as_the_reference() {
    const FIRST: usize = 60;
    /// A sample that the reference breaks by less may be broken by chance.
    const CLEARLY: f32 = 1e-2;
    let (tensors, _, threat) = reference();
    for name in ["standard", "free-8", "pgd-7"] {
        let attacks = AutoAttack::standard_in(Norm::L1).with_compaction().attacks();
        let report = Evaluation::new(threat.clone()).attacks(attacks);
        let report = report.run(&model(name), &*loader(FIRST, FIRST)).unwrap();
        let expected = tensors.flags(&format!("aa.{name}.robust"));
        let margins = tensors.floats(&format!("aa.{name}.margin"));
        let found: Vec<bool> = report.verdicts().iter().map(|v| *v == Verdict::Robust).collect();
        let count = |robust: &[bool]| robust.iter().filter(|robust| **robust).count();
        let (ours, theirs) = (count(&found), count(&expected[..FIRST]));
        assert!(ours.abs_diff(theirs) <= 1, "{name}: {ours} robust, {theirs} expected");
        for sample in 0..FIRST {
            let missed = found[sample] && !expected[sample] && margins[sample] > CLEARLY;
            assert!(!missed, "{name}: sample {sample}, margin {}", margins[sample]);
        }
    }
}
