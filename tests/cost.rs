//! What AutoAttack costs beside the reference, and that the lean version breaks what the reference breaks.

use free_at::Norm;
use free_at::attacks::{AutoAttack, Verdict};
use free_at::prelude::*;
use serde::Deserialize;

use crate::reference::{SAMPLES, loader, model};

#[derive(Deserialize)]
struct Case {
    net: String,
    norm: Norm,
    epsilon: f64,
    robust: usize,
    gradients: u64,
    passes: u64,
    broken: Vec<usize>,
}

/// Of networks that are 40 to 60 % robust (`fixtures/cost.py`).
#[test]
fn the_lean_version_breaks_what_the_reference_breaks_for_half_its_gradients() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("fixtures/cost.json")).unwrap();
    for case in cases {
        let share = case.robust as f64 / SAMPLES as f64;
        assert!((0.4..0.6).contains(&share), "{share}");
        let mut attacks = AutoAttack::standard().lean();
        attacks.pop(); // Square, which takes no gradient and is not needed
        let report = Evaluation::new(ThreatModel::new(case.norm, Epsilon::unit(case.epsilon)))
            .attacks(attacks)
            .run(&model(&case.net), &*loader(SAMPLES, SAMPLES))
            .unwrap();
        let sum = |of: fn(&free_at::attacks::AttackReport) -> u64| {
            report.attacks.iter().map(of).sum::<u64>()
        };
        let (gradients, passes) = (sum(|a| a.gradient_computations), sum(|a| a.forward_passes));
        let ratio = gradients as f64 / case.gradients as f64;
        let (net, norm, epsilon) = (&case.net, case.norm, case.epsilon);
        let stand = (report.worst_case * SAMPLES as f64).round() as usize;
        println!(
            "{net} {norm} {epsilon}: {} stand, here {stand}; gradients {} and {gradients}, {ratio:.3}; passes {} and {passes}",
            case.robust, case.gradients, case.passes
        );
        assert!(ratio < 0.5, "{net} {norm} {epsilon}: {ratio}");
        let robust = |sample: &&usize| report.samples[**sample].verdict == Verdict::Robust;
        let missed: Vec<&usize> = case.broken.iter().filter(robust).collect();
        assert!(missed.is_empty(), "{net} {norm} {epsilon}: {missed:?}");
    }
}
