//! The attacks against `fixtures/attacks.safetensors`, written by `fixtures/attacks.py` with PyTorch,
//! torchattacks and the reference AutoAttack.

use burn::tensor::{Int, Tensor};
use free_at::prelude::*;

use crate::reference::{Reference, SAMPLES, batch, model};

fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as().unwrap()
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
fn explore() {
    let reference = Reference::load();
    let frozen = FrozenModel::new(&model("free-8"));
    let targets = reference.integers("targets");
    for norm in ["linf", "l2"] {
        let threat = reference.threat(norm);
        let e = threat.epsilon().value();
        let task = |labels: Labels| {
            let draws = Draws::new(0, (0..SAMPLES as u64).collect());
            AttackTask::new(&frozen, batch().inputs(), labels, &threat, draws).unwrap()
        };
        let plain = || task(batch().truth());
        let started = || plain().starting_at(reference.images(&format!("start.{norm}"))).unwrap();
        let aimed = Tensor::<1, Int>::from_data(targets.as_slice(), &batch().device());
        let mut cases: Vec<(&str, Tensor<4>)> = vec![
            ("fgsm", Fgsm::new().perturb(&plain()).unwrap()),
            ("bim", Bim::new(10).with_step_size(e / 4.0).perturb(&plain()).unwrap()),
            ("pgd", Pgd::new(20).with_step_size(e / 8.0).perturb(&started()).unwrap()),
            ("cw", Cw::new(20).with_step_size(e / 8.0).perturb(&started()).unwrap()),
            ("mi_fgsm", MiFgsm::new(10).with_step_size(e / 10.0).perturb(&plain()).unwrap()),
        ];
        if norm == "linf" {
            let labels = Labels::targeted(batch().labels(), aimed).unwrap();
            let t = task(labels).starting_at(reference.images("start.linf")).unwrap();
            cases.push(("pgd_targeted", Pgd::new(20).with_step_size(e / 8.0).perturb(&t).unwrap()));
        }
        for (name, found) in cases {
            let a = read(found);
            let b = reference.floats(&format!("{name}.{norm}"));
            let off = a.iter().zip(&b).filter(|(a, b)| (*a - *b).abs() > 1e-5).count();
            let worst = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            println!("{name}.{norm}: off {off} of {}, worst {worst}", a.len());
        }
        for (loss, attack) in [("ce", Apgd::ce()), ("dlr", Apgd::dlr())] {
            let trace = attack.trace(&started(), 0).unwrap();
            let losses = reference.floats(&format!("apgd.{loss}.{norm}.losses"));
            let steps = reference.floats(&format!("apgd.{loss}.{norm}.steps"));
            let best = reference.floats(&format!("apgd.{loss}.{norm}.best"));
            let fooled = reference.flags(&format!("apgd.{loss}.{norm}.fooled"));
            let logits = frozen.logits(trace.adversarial.clone()).unwrap();
            let ours: Vec<i32> = batch().truth().fooled(logits).int().try_into_vec_as().unwrap();
            let diff = ours.iter().zip(&fooled).filter(|(a, b)| (**a != 0) != **b).count();
            let (mut same_steps, mut same_curve, mut same_best) = (0, 0, 0);
            for s in 0..SAMPLES {
                let st = (0..100).all(|i| {
                    let (a, b) = (trace.step_sizes[i][s], steps[i * SAMPLES + s]);
                    (a - b).abs() < 1e-6 * b.abs().max(1e-3)
                });
                let cu = (0..100).all(|i| {
                    let (a, b) = (trace.values[i][s], losses[i * SAMPLES + s]);
                    (a - b).abs() < 1e-3 * b.abs().max(1.0)
                });
                let be = (trace.best[s] - best[s]).abs() < 1e-4 * best[s].abs().max(1.0);
                same_steps += usize::from(st);
                same_curve += usize::from(cu);
                same_best += usize::from(be);
            }
            println!(
                "apgd {loss} {norm}: fooled differ {diff}; same steps {same_steps} curve {same_curve} best {same_best}"
            );
        }
        for name in ["free-8", "standard"] {
            let frozen = FrozenModel::new(&model(name));
            let draws = Draws::new(0, (0..SAMPLES as u64).collect());
            let task = AttackTask::new(&frozen, batch().inputs(), batch().truth(), &threat, draws)
                .unwrap();
            let expected = reference.floats(&format!("fab.{name}.{norm}"));
            let (mut sa, mut sb, mut n, mut worst) = (0.0f64, 0.0f64, 0, 0.0f32);
            for run in 0..9 {
                let (_, norms) = FabT::new().closest(&task, run).unwrap();
                let norms: Vec<f32> = norms.try_into_vec_as().unwrap();
                for s in 0..SAMPLES {
                    let b = expected[run * SAMPLES + s];
                    if b >= 0.0 {
                        sa += f64::from(norms[s]);
                        sb += f64::from(b);
                        worst = worst.max((norms[s] - b).abs());
                        n += 1;
                    }
                }
            }
            println!(
                "fab {name} {norm}: mean {} vs {} n {n} worst {worst}",
                sa / n as f64,
                sb / n as f64
            );
            let mut counts = vec![];
            for seed in 0..5 {
                let r = Evaluation::new(threat.clone())
                    .with_seed(seed)
                    .attack(Square::new().with_queries(500))
                    .run(&model(name), &*crate::reference::loader(SAMPLES, SAMPLES))
                    .unwrap();
                counts.push(r.attacks[0].broken);
            }
            println!(
                "square {name} {norm}: {counts:?} vs {:?}",
                reference.summary.square_broken[name][norm]
            );
        }
        for name in ["standard", "free-8", "pgd-7"] {
            let start = std::time::Instant::now();
            let r = Evaluation::new(threat.clone())
                .attacks(AutoAttack::standard().with_compaction().attacks())
                .run(&model(name), &*crate::reference::loader(SAMPLES, SAMPLES))
                .unwrap();
            println!("{r}");
            let robust = reference.flags(&format!("aa.{name}.{norm}.robust"));
            let margin = reference.floats(&format!("aa.{name}.{norm}.margin"));
            let ours: Vec<bool> =
                r.verdicts().iter().map(|v| *v == free_at::attacks::Verdict::Robust).collect();
            let missed: Vec<_> =
                (0..SAMPLES).filter(|&s| ours[s] && !robust[s]).map(|s| margin[s]).collect();
            let extra = (0..SAMPLES).filter(|&s| !ours[s] && robust[s]).count();
            println!(
                "aa {name} {norm}: {} vs {}; missed {missed:?} extra {extra}; {:?}",
                ours.iter().filter(|x| **x).count(),
                reference.summary.robust[name][norm],
                start.elapsed()
            );
        }
    }
}
