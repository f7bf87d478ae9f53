//! Models whose robustness is not what it seems, and what the report says of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use free_at::Objective;
use free_at::attacks::{Apgd, FabT, MiFgsm, PgdCw, Square, Verdict, Warning};
use free_at::models::SmallCnn;
use free_at::prelude::*;

use crate::nets::linf;
use crate::reference::{loader, model};

const SAMPLES: usize = 60;

/// A trained network with something done to its inputs or outputs.
#[derive(Module, Debug)]
struct Altered {
    net: SmallCnn,
    #[module(skip)]
    how: How,
}

#[derive(Debug, Clone)]
enum How {
    Softmax,
    /// Logits so large that the softmax is 1 or 0 in single precision.
    Steep,
    /// Adds another number at each call.
    Randomized(Arc<AtomicU32>),
    /// Sees 4 grey levels, so that every gradient is zero.
    Quantized,
    /// Takes the root of its input, whose gradient at a black pixel is infinite.
    Root,
    /// Says what it finds least likely.
    Contrary,
    /// Answers NaN to images with much ink.
    NotFinite,
    /// Answers NaN to anything but a clean image's exact values.
    Fragile,
}

impl Classifier<4> for Altered {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let logits = |images| self.net.logits(images);
        let nan_where = |bad: Tensor<2>, logits: Tensor<2>| {
            logits.clone().mask_fill(bad.greater_scalar(0.0).expand(logits.dims()), f32::NAN)
        };
        match &self.how {
            How::Softmax => softmax(logits(images), 1),
            How::Steep => logits(images).mul_scalar(1e4),
            How::Randomized(calls) => {
                let call = calls.fetch_add(1, Ordering::SeqCst);
                let logits = logits(images);
                let noise = Tensor::<1>::arange_like(&logits, call);
                logits + noise.unsqueeze_dim(0)
            }
            How::Root => logits(images.sqrt()),
            How::Contrary => logits(images).neg(),
            How::Quantized => logits(images.mul_scalar(3.0).round().div_scalar(3.0)),
            How::NotFinite => {
                let ink = images.clone().flatten::<2>(1, 3).mean_dim(1).sub_scalar(0.33);
                nan_where(ink, logits(images))
            }
            How::Fragile => {
                let sixteenths = images.clone().mul_scalar(16.0);
                let off = (sixteenths.clone() - sixteenths.round()).abs();
                let off = off.flatten::<2>(1, 3).max_dim(1).sub_scalar(1e-3);
                nan_where(off, logits(images))
            }
        }
    }
}

/// Some numbers, others at each call.
trait ArangeLike {
    fn arange_like(logits: &Tensor<2>, call: u32) -> Tensor<1>;
}

impl ArangeLike for Tensor<1> {
    fn arange_like(logits: &Tensor<2>, call: u32) -> Tensor<1> {
        let classes = logits.dims()[1] as u32;
        let values: Vec<f32> = (0..classes).map(|c| ((c + call) % 3) as f32 * 0.1).collect();
        Tensor::from_data(values.as_slice(), &logits.device())
    }
}

fn report(how: How, evaluation: Evaluation<4>) -> RobustnessReport {
    let altered = Altered { net: model("free-8"), how };
    evaluation.run(&altered, &*loader(SAMPLES, SAMPLES)).unwrap()
}

fn attacked() -> Evaluation<4> {
    Evaluation::new(linf(0.1)).attack(Pgd::new(5))
}

#[test]
fn an_ordinary_model_gives_no_warning() {
    let report = attacked().run(&model("free-8"), &*loader(SAMPLES, SAMPLES)).unwrap();
    assert_eq!(report.warnings, []);
}

#[test]
fn outputs_that_look_like_probabilities() {
    let report = report(How::Softmax, attacked());
    assert!(report.warnings.contains(&Warning::Probabilities), "{report}");
    assert!(report.to_string().contains("logits"));
}

#[test]
fn answers_that_change_from_call_to_call() {
    let report = report(How::Randomized(Arc::default()), attacked());
    let found = |w: &Warning| matches!(w, Warning::Randomized { difference } if *difference > 1e-3);
    assert!(report.warnings.iter().any(found), "{report}");
}

#[test]
fn gradients_of_a_saturated_softmax() {
    let report = report(How::Steep, attacked().attack(PgdCw::new(5)));
    let of = |objective| {
        report.warnings.iter().find_map(|warning| match warning {
            Warning::ZeroGradients { objective: found, share } if *found == objective => {
                Some(*share)
            }
            _ => None,
        })
    };
    assert!(of(Objective::CrossEntropy).unwrap() > 0.5, "{report}");
    assert_eq!(of(Objective::Margin), None);
    assert!(report.attacks[1].broken > 0, "the margin still has a gradient");
}

#[test]
fn infinite_gradients_are_told_and_no_direction() {
    for threat in [linf(0.1), ThreatModel::l2(Epsilon::unit(0.6))] {
        let attacks = Evaluation::new(threat)
            .attack(Pgd::new(5))
            .attack(MiFgsm::new(5))
            .attack(Apgd::ce().with_steps(10))
            .attack(FabT::new().with_steps(10));
        let found = report(How::Root, attacks.independently());
        let infinite = |w: &&Warning| matches!(w, Warning::NonFiniteGradients { .. });
        assert_eq!(found.warnings.iter().filter(infinite).count(), 2, "{found}");
        assert!(found.attacks.iter().all(|attack| attack.broken > 0), "{found}");
    }
}

#[test]
fn masked_gradients_and_a_black_box_attack_that_is_not_fooled() {
    let square = attacked().attack(Square::new().with_queries(200));
    let found = report(How::Quantized, square);
    let zero = |w: &Warning| matches!(w, Warning::ZeroGradients { share, .. } if *share == 1.0);
    assert_eq!(found.warnings.iter().filter(|w| zero(w)).count(), 2, "{found}");
    let samples = found.attacks[1].broken;
    let stronger = Warning::BlackBoxStronger { attack: "square-200".into(), samples };
    assert!(samples > 0 && found.warnings.contains(&stronger), "{found}");

    // Where it comes first in a cascade, nobody can say who is stronger.
    let first = Evaluation::new(linf(0.1)).attack(Square::new().with_queries(200));
    let found = report(How::Quantized, first.attack(Pgd::new(5)));
    let black_box = |w: &Warning| matches!(w, Warning::BlackBoxStronger { .. });
    assert!(!found.warnings.iter().any(black_box), "{found}");
}

#[test]
fn answers_that_are_no_numbers_are_told_sample_by_sample() {
    let found = report(How::NotFinite, attacked().attack(FabT::new().with_steps(5)));
    let mute = found.verdicts().iter().filter(|v| **v == Verdict::NotFinite).count();
    assert!(mute > 0 && mute < SAMPLES, "{found}");
    assert!(found.warnings.contains(&Warning::NonFiniteLogits { samples: mute }));
    assert!(found.clean <= 1.0 - mute as f64 / SAMPLES as f64);

    let attacks = attacked()
        .attack(Apgd::dlr().with_steps(5))
        .attack(FabT::new().with_steps(30))
        .attack(Square::new().with_queries(5));
    let found = report(How::Fragile, attacks.independently());
    let accuracies: Vec<f64> = found.attacks.iter().map(|attack| attack.accuracy).collect();
    assert_eq!(accuracies, [0.0; 4], "no answer is a wrong answer:\n{found}");
}

#[test]
fn an_epsilon_that_covers_the_whole_range() {
    for threat in [linf(1.0), linf(8.0), ThreatModel::l2(Epsilon::unit(8.0))] {
        let wide = Evaluation::new(threat.clone()).attack(Pgd::new(5));
        let found = wide.run(&model("free-8"), &*loader(20, 20)).unwrap();
        assert!(found.warnings.contains(&Warning::EpsilonCoversBounds), "{threat}");
    }
    for threat in
        [linf(0.9), linf(8.0).with_bounds(Bounds::None), ThreatModel::l2(Epsilon::unit(7.9))]
    {
        let wide = Evaluation::new(threat.clone()).attack(Fgsm::new());
        let found = wide.run(&model("free-8"), &*loader(20, 20)).unwrap();
        assert!(!found.warnings.contains(&Warning::EpsilonCoversBounds), "{threat}");
    }
}

#[test]
fn a_model_that_gets_nothing_right_is_reported_and_not_attacked() {
    let report = report(How::Contrary, attacked().with_quantized());
    assert_eq!((report.clean, report.worst_case), (0.0, 0.0));
    assert_eq!((report.attacks[0].attacked, report.attacks[0].gradient_computations), (0, 0));
    assert!(report.verdicts().iter().all(|verdict| *verdict == Verdict::Misclassified));
}
