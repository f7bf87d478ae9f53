//! The attacks against `fixtures/attacks.safetensors`, written by `fixtures/attacks.py` with PyTorch,
//! torchattacks and the reference AutoAttack.

use burn::tensor::{Int, Tensor};
use free_at::attacks::{
    Apgd, ApgdTrace, Attack, AttackTask, Bim, FabT, MiFgsm, MinimalAttack, PgdCw, Square, Verdict,
};
use free_at::prelude::*;
use free_at::{Draws, FrozenModel, Goal, Objective};

use crate::reference::{Reference, SAMPLES, Tensors, batch, loader, model};

const NORMS: [&str; 2] = ["linf", "l2"];

fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as().unwrap()
}

/// The attack of all images, from the script's random starts or from none.
fn task<'a>(
    model: &'a FrozenModel<4>,
    reference: &Reference,
    norm: &str,
    labels: Goal,
    starts: bool,
) -> AttackTask<'a, 4> {
    let draws = Draws::new(0, (0..SAMPLES as u64).collect());
    let threat = reference.threat(norm);
    let task = AttackTask::new(model, batch().inputs(), labels, &threat, draws).unwrap();
    match starts {
        true => task.starting_at(reference.images(&format!("start.{norm}"))).unwrap(),
        false => task,
    }
}

#[test]
fn the_networks_answer_as_in_pytorch() {
    /// Rounding of three convolutions in single precision, on logits of order 10.
    const ROUNDING: f32 = 1e-4;
    let reference = Reference::load();
    for name in ["standard", "free-8", "pgd-7"] {
        let found = read(model(name).logits(batch().inputs()));
        let expected = reference.floats(&format!("logits.{name}"));
        let apart = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart < ROUNDING, "{name}: {apart}");
    }
}

#[test]
fn gradient_attacks_find_the_same_images() {
    /// Rounding of twenty steps; one step is 0.0125 or more.
    const SAME: f32 = 1e-5;
    /// Images, of 200, whose path may part in L2, where a small gradient's direction is rounded, too: PyTorch's own does
    /// for 4 if it adds in another order (`attacks.py --without-onednn`) and for 8 in double precision. A sign is not
    /// rounded, so for L∞ none may.
    const EXCUSED: usize = 4;
    /// How far: PyTorch's own are apart by 6e-3.
    const A_LITTLE: f32 = 1e-2;
    let reference = Reference::load();
    let frozen = FrozenModel::new(&model("free-8"));
    let aims =
        Tensor::<1, Int>::from_data(reference.integers("targets").as_slice(), &batch().device());
    let aimed = Goal::targeted(batch().labels(), aims).unwrap();
    for norm in NORMS {
        let epsilon = reference.threat(norm).epsilon().value();
        let plain = |starts| task(&frozen, &reference, norm, batch().untargeted(), starts);
        let (pgd, cw) = (Pgd::new(20).with_step_size(Epsilon::unit(epsilon / 8.0)), PgdCw::new(20));
        let mut cases = vec![
            ("fgsm", Fgsm::new().perturb(&plain(false))),
            (
                "bim",
                Bim::new(10).with_step_size(Epsilon::unit(epsilon / 4.0)).perturb(&plain(false)),
            ),
            ("mi_fgsm", MiFgsm::new(10).perturb(&plain(false))),
            ("pgd", pgd.perturb(&plain(true))),
            ("cw", cw.with_step_size(Epsilon::unit(epsilon / 8.0)).perturb(&plain(true))),
        ];
        if norm == "linf" {
            let task = task(&frozen, &reference, norm, aimed.clone(), true);
            cases.push(("pgd_targeted", pgd.perturb(&task)));
        }
        for (name, found) in cases {
            let found = read(found.unwrap());
            let expected = reference.floats(&format!("{name}.{norm}"));
            let pairs: Vec<f32> = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).collect();
            let images = pairs.chunks(pairs.len() / SAMPLES);
            let apart: Vec<f32> = images
                .map(|pixels| pixels.iter().copied().fold(0.0, f32::max))
                .filter(|apart| *apart > SAME)
                .collect();
            assert!(apart.iter().all(|apart| *apart < A_LITTLE), "{name}.{norm}: {apart:?}");
            let allowed = if norm == "linf" { 0 } else { EXCUSED };
            assert!(apart.len() <= allowed, "{name}.{norm}: {} images", apart.len());
        }
    }
}

/// Of how many of these samples the best value, the step sizes or the curve are not the reference's.
pub(crate) fn climbs_apart(
    reference: &Tensors,
    case: &str,
    found: &ApgdTrace<4>,
    compared: &[usize],
) -> [usize; 3] {
    /// Rounding of a hundred steps on objectives of order 1 to 10.
    const SAME: f32 = 1e-4;
    let [values, steps, best] =
        ["losses", "steps", "best"].map(|what| reference.floats(&format!("{case}.{what}")));
    let same = |a: f32, b: f32| (a - b).abs() <= SAME * b.abs().max(1.0);
    let differ =
        |same: &dyn Fn(usize) -> bool| compared.iter().filter(|sample| !same(**sample)).count();
    let rows = || 0..values.len() / SAMPLES;
    let curve =
        |s: usize| rows().all(|step| same(found.values[step][s], values[step * SAMPLES + s]));
    let halvings =
        |s: usize| rows().all(|step| same(found.step_sizes[step][s], steps[step * SAMPLES + s]));
    [differ(&|s| same(found.best[s], best[s])), differ(&halvings), differ(&curve)]
}

#[test]
fn apgd_climbs_as_the_reference_does() {
    /// Samples, of 200, whose path may part: once a gradient's sign is chance, all later steps differ. The
    /// reference's own do for up to 19 if PyTorch adds in another order (`attacks.py --without-onednn`).
    const EXCUSED: usize = 10;
    /// From here on DLR has no gradient but rounding: the true class is third, and the ratio 1.
    const PLATEAU: f32 = 0.999;
    let reference = Reference::load();
    let frozen = FrozenModel::new(&model("free-8"));
    for norm in NORMS {
        for (name, attack) in [("ce", Apgd::ce()), ("dlr", Apgd::dlr())] {
            let expected = |what: &str| reference.floats(&format!("apgd.{name}.{norm}.{what}"));
            let task = task(&frozen, &reference, norm, batch().untargeted(), true);
            let found = attack.trace(&task, 0).unwrap();
            let logits = frozen.logits(found.adversarial.clone()).unwrap();
            let fooled: Vec<i32> =
                batch().untargeted().fooled(logits).int().try_into_vec_as().unwrap();
            let fooled: Vec<bool> = fooled.into_iter().map(|fooled| fooled != 0).collect();
            assert_eq!(fooled, reference.flags(&format!("apgd.{name}.{norm}.fooled")));

            let best = expected("best");
            let compared: Vec<usize> =
                (0..SAMPLES).filter(|&s| name == "ce" || best[s] < PLATEAU).collect();
            assert!(compared.len() > SAMPLES / 2);
            let apart = climbs_apart(&reference, &format!("apgd.{name}.{norm}"), &found, &compared);
            assert!(
                apart.iter().all(|apart| *apart <= EXCUSED),
                "{name}.{norm}: best, halvings, curve differ for {apart:?} of {}",
                compared.len()
            );
        }
    }
}

/// The reference's `best_loss`: what to train on is where the loss is highest, not what fooled the model first.
#[test]
fn for_training_apgd_returns_the_point_of_the_highest_loss() {
    /// As in `apgd_climbs_as_the_reference_does`, whose samples these are.
    const SAME: f32 = 1e-4;
    const EXCUSED: usize = 10;
    let reference = Reference::load();
    let frozen = FrozenModel::new(&model("free-8"));
    for norm in NORMS {
        let task = task(&frozen, &reference, norm, batch().untargeted(), true);
        let losses = |task: AttackTask<'_, 4>| {
            let found = Apgd::ce().perturb(&task).unwrap();
            let logits = frozen.logits(found).unwrap();
            read(Objective::CrossEntropy.values(logits, task.goal()).unwrap())
        };
        let (trained_on, first) = (losses(task.clone().for_training()), losses(task));
        let best = reference.floats(&format!("apgd.ce.{norm}.best"));
        let pairs = trained_on.iter().zip(&best);
        let apart = pairs.filter(|(a, b)| (*a - *b).abs() > SAME * b.abs().max(1.0)).count();
        assert!(apart <= EXCUSED, "{norm}: {apart} of {SAMPLES} are not the reference's");
        let lower = first.iter().zip(&trained_on).filter(|(a, b)| *a + SAME < **b).count();
        assert!(lower > SAMPLES / 4, "{norm}: {lower} first points have a lower loss");
    }
}

#[test]
fn fab_t_finds_examples_as_close() {
    /// Of the mean norm; found are some 1e-5.
    const SAME: f64 = 0.02;
    /// Of the nine targets, the time of which adds up.
    const TARGETS: usize = 4;
    let reference = Reference::load();
    for (name, norm) in ["free-8", "standard"].into_iter().flat_map(|n| NORMS.map(|norm| (n, norm)))
    {
        let frozen = FrozenModel::new(&model(name));
        let expected = reference.floats(&format!("fab.{name}.{norm}"));
        let task = task(&frozen, &reference, norm, batch().untargeted(), false);
        for (target, expected) in expected.chunks(SAMPLES).enumerate().take(TARGETS) {
            let closest = FabT::new().closest(&task, target).unwrap();
            // The script has −1 for the images that are wrong without an attack.
            let pairs: Vec<(f32, f32)> = read(closest.norms().clone())
                .into_iter()
                .zip(expected.iter().copied())
                .filter(|(_, expected)| *expected >= 0.0)
                .collect();
            let mean = |of: fn(&(f32, f32)) -> f32| {
                pairs.iter().map(|pair| f64::from(of(pair))).sum::<f64>() / pairs.len() as f64
            };
            let (found, expected) = (mean(|pair| pair.0), mean(|pair| pair.1));
            assert!(
                (found / expected - 1.0).abs() < SAME,
                "{name} {norm} {target}: {found}, {expected}"
            );
        }
    }
}

#[test]
fn square_breaks_as_many_with_as_many_queries() {
    /// Of 200 images, in the mean over five seeds.
    const SAME: f64 = 2.0;
    let reference = Reference::load();
    for norm in NORMS {
        for name in ["free-8", "standard"] {
            let expected = &reference.summary.square_broken[name][norm];
            let count = |seed| {
                let attack = Square::new().with_queries(500).with_reference_windows();
                let report = Evaluation::new(reference.threat(norm))
                    .with_seed(seed)
                    .attack(attack)
                    .run(&model(name), &*loader(SAMPLES, SAMPLES));
                report.unwrap().attacks[0].broken
            };
            let found: Vec<usize> = (0..expected.len() as u64).map(count).collect();
            let mean = |counts: &[usize]| counts.iter().sum::<usize>() as f64 / counts.len() as f64;
            let apart = mean(&found) - mean(expected);
            assert!(apart.abs() <= SAME, "{name}.{norm}: {found:?}, {expected:?}");
        }
    }
}

/// On the first images, for the time that all 200 take; `docs/attacks.md` has the counts of all.
#[test]
fn auto_attack_leaves_as_many_standing_as_the_reference() {
    const FIRST: usize = 60;
    /// A sample that the reference breaks by less may be broken by chance.
    const CLEARLY: f32 = 1e-3;
    let reference = Reference::load();
    for (name, norm) in
        ["standard", "free-8", "pgd-7"].into_iter().flat_map(|n| NORMS.map(|norm| (n, norm)))
    {
        let report = Evaluation::new(reference.threat(norm))
            .attacks(AutoAttack::standard().with_compaction().attacks())
            .run(&model(name), &*loader(FIRST, FIRST))
            .unwrap();
        let expected = reference.flags(&format!("aa.{name}.{norm}.robust"));
        let margins = reference.floats(&format!("aa.{name}.{norm}.margin"));
        let found: Vec<bool> = report.verdicts().iter().map(|v| *v == Verdict::Robust).collect();
        let count = |robust: &[bool]| robust.iter().filter(|robust| **robust).count();
        let (ours, theirs) = (count(&found), count(&expected[..FIRST]));
        assert!(ours.abs_diff(theirs) <= 1, "{name}.{norm}: {ours} robust, {theirs} expected");
        for sample in 0..FIRST {
            let missed = found[sample] && !expected[sample] && margins[sample] > CLEARLY;
            assert!(!missed, "{name}.{norm}: sample {sample}, margin {}", margins[sample]);
        }
    }
}
