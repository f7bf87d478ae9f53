//! Interval bounds: never below what a network says anywhere in a box, exact where they can be, and certificates that no
//! attack contradicts.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Int, Tensor};
use free_at::attacks::{
    Apgd, ApgdT, CertifiedSample, Distances, EvaluationError, Fmn, IntervalReport, Intervals,
    Verdict,
};
use free_at::models::{Mlp, MlpConfig, NormalizeConfig, Normalized};
use free_at::prelude::*;
use free_at::{BoundedClassifier, Draws, Interval, Norm};

use crate::filling::{filled, inputs, saved};
use crate::nets::linf;
use crate::networks::networks;
use crate::reference::{loader, model};

const SAMPLES: usize = 60;
/// What a forward pass of these small networks rounds, to the size of their logits (about 1).
const ROUNDING: f32 = 1e-5;

fn vec<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as().unwrap()
}

/// zⱼ − z_c, row by row.
fn rises(logits: Tensor<2>, classes: &Tensor<1, Int>) -> Vec<f32> {
    let own = logits.clone().gather(1, classes.clone().unsqueeze_dim(1));
    vec(logits - own)
}

#[test]
fn no_network_rises_above_its_bounds_anywhere_in_a_box() {
    const N: usize = 3;
    for (config, [channels, height, width]) in networks() {
        let network = config.init(&Device::flex()).unwrap();
        let state: Vec<_> =
            saved(&network).into_iter().map(|(name, (shape, _))| (name, shape)).collect();
        let network = filled(network, &state);
        let shape = [N, channels, height, width];
        let images: Tensor<4> = inputs("intervals", &shape);
        let classes = Tensor::<1, Int>::from_data([1, 0, 3], &Device::flex());
        for size in [0.0, 0.003, 0.1] {
            let (lower, upper) = (images.clone() - size, images.clone() + size);
            let interval = Interval { lower: lower.clone(), upper: upper.clone() };
            let bounds = vec(network.rise_bounds(interval, &classes));
            let draws = Draws::new(5, (0..N as u64).collect());
            let mut seen = vec![f32::NEG_INFINITY; bounds.len()];
            let mut look = |images: Tensor<4>| {
                for (seen, found) in seen.iter_mut().zip(rises(network.logits(images), &classes)) {
                    *seen = seen.max(found);
                }
            };
            [&images, &lower, &upper].into_iter().for_each(|corner| look(corner.clone()));
            for step in 0..12 {
                // Inside, and at corners.
                let inside = draws.for_step(step).uniform(shape, &Device::flex());
                let at = if step % 2 == 0 { inside } else { inside.sign() };
                look(images.clone() + at.mul_scalar(size));
            }
            for (at, (bound, seen)) in bounds.iter().zip(&seen).enumerate() {
                let slack = ROUNDING * (1.0 + seen.abs());
                assert!(seen <= &(bound + slack), "{config:?} {size} {at}: {seen} > {bound}");
                // Around a point alone nothing is lost but what rounding might take at worst, layer after layer (most by
                // Madry's mean over all pixels, which comes first).
                let most =
                    if matches!(config, NetworkConfig::MadryWideResNet(_)) { 2.0 } else { 0.1 };
                let close = size > 0.0 || bound - seen < most * (1.0 + seen.abs());
                assert!(close, "{config:?} {at}: {bound} of {seen}");
            }
            assert!((0..N).all(|row| bounds[row * 4 + [1, 0, 3][row]] == 0.0));
        }
    }
}

/// Rows of three features in [0, 1], each of the class that the model says.
fn labelled(model: &Normalized<Mlp>, n: usize) -> Vec<([f32; 3], usize)> {
    let rows: Tensor<2> = inputs("rows", &[n, 3]);
    let classes: Vec<i64> = model.logits(rows.clone()).argmax(1).try_into_vec_as().unwrap();
    let rows = vec(rows);
    let row = |at: usize| std::array::from_fn(|k| rows[3 * at + k]);
    (0..n).map(|at| (row(at), classes[at] as usize)).collect()
}

fn linear() -> Normalized<Mlp> {
    let device = Device::flex();
    let mlp = MlpConfig::new(3, 4).with_hidden(vec![]).init(&device);
    let normalize = NormalizeConfig::new(vec![0.5, 0.4, 0.6], vec![0.2, 0.5, 1.0]).init(&device);
    Normalized::new(normalize, mlp)
}

fn certified(model: &Normalized<Mlp>, threat: ThreatModel, batch: usize) -> IntervalReport {
    use burn::data::dataloader::{DataLoaderBuilder, batcher::Batcher};
    use burn::data::dataset::InMemDataset;
    #[derive(Clone)]
    struct Rows;
    impl Batcher<([f32; 3], usize), Batch<2>> for Rows {
        fn batch(&self, items: Vec<([f32; 3], usize)>, device: &Device) -> Batch<2> {
            let (rows, labels): (Vec<_>, Vec<_>) = items.into_iter().unzip();
            Batch::from_samples(&rows, &[3], &labels, 4, &Bounds::default(), device).unwrap()
        }
    }
    let rows = InMemDataset::new(labelled(model, 40));
    let test = DataLoaderBuilder::new(Rows).batch_size(batch).build(rows);
    Intervals::new(threat).certify(model, &*test).unwrap()
}

#[test]
fn of_a_linear_classifier_the_radius_is_the_distance_to_the_nearest_boundary() {
    const EPSILON: f64 = 0.3;
    let model = linear();
    // No bounds: in a box that is cut at 0 and 1 the distance is another.
    let threat = linf(EPSILON).with_bounds(Bounds::None).with_scale(vec![1.0, 0.5, 0.0]);
    let report = certified(&model, threat.clone(), 40);
    let weights = saved(&model)["0.weight"].1.clone(); // [4, 3], of normalised features
    let mut between = 0;
    for (found, (row, class)) in report.samples.iter().zip(labelled(&model, 40)) {
        let logits = vec(model.logits(Tensor::from_data([row], &Device::flex())));
        let slope = |j: usize| -> f64 {
            let each = [(0, 1.0 / 0.2), (1, 0.5 / 0.5)]; // scale / deviation; the third is frozen
            let of = |(k, s): (usize, f64)| {
                (f64::from(weights[3 * j + k] - weights[3 * class + k]) * s).abs()
            };
            each.into_iter().map(of).sum()
        };
        let others = (0..4).filter(|&j| j != class);
        let exact = others
            .map(|j| f64::from(logits[class] - logits[j]) / slope(j))
            .fold(f64::INFINITY, f64::min)
            .min(EPSILON);
        assert!(found.radius <= exact * (1.0 + 1e-5), "{} of {exact}", found.radius);
        assert!(found.radius > exact - EPSILON / 2048.0 - 1e-5, "{} of {exact}", found.radius);
        between += usize::from(found.radius > 0.0 && found.radius < EPSILON);
    }
    assert!(between > 5, "{between}");
    assert_eq!(report.samples, certified(&model, threat, 7).samples);
}

/// Certified ≤ true ≤ attacked, on every image.
#[test]
fn no_attack_contradicts_a_certificate() {
    const EPSILON: f64 = 0.02;
    let model = model("free-8");
    let test = loader(SAMPLES, 16);
    let report = Intervals::new(linf(EPSILON)).certify(&model, &*test).unwrap();
    let widest = report.samples.iter().map(|s| s.radius).fold(0.0, f64::max);
    assert!(widest > 0.001 && widest < EPSILON, "{widest}"); // neither nothing nor everything
    assert!(report.certified_at(0.001) > 0.5, "{report}");
    assert_eq!(report.certified_at(0.0), report.accuracy());
    let closest = Distances::new(Norm::Linf).attack(Fmn::new(60)).run(&model, &*test).unwrap();
    for (certified, attacked) in report.samples.iter().zip(&closest.samples) {
        let apart = attacked.distance.is_none_or(|distance| certified.radius < distance);
        assert!(apart, "{certified:?}, {attacked:?}");
    }
    for epsilon in [0.002, 0.05] {
        let evaluation = Evaluation::new(linf(epsilon)).attack(Apgd::ce()).attack(ApgdT::new());
        let mut attacked = evaluation.run(&model, &*test).unwrap();
        assert!(report.contradicted_by(&attacked).is_empty());
        // A certificate that is too wide would be noticed.
        let mut wrong = report.clone();
        let at = wrong.samples.iter().position(|s| s.class == Some(s.label)).unwrap();
        wrong.samples[at].radius = 1.0;
        attacked.samples[at].verdict = Verdict::Broken;
        assert_eq!(wrong.contradicted_by(&attacked), [at]);
    }
}

#[test]
fn a_ball_is_in_its_box_in_other_norms_too() {
    let model = model("free-8");
    let test = loader(SAMPLES, SAMPLES);
    let radii = |norm| {
        let threat = ThreatModel::new(norm, Epsilon::unit(0.02));
        let report = Intervals::new(threat).certify(&model, &*test).unwrap();
        report.samples.into_iter().map(|sample| sample.radius).collect::<Vec<_>>()
    };
    assert_eq!(radii(Norm::L2), radii(Norm::Linf));
    assert_eq!(radii(Norm::L1), radii(Norm::Linf));
}

#[test]
fn what_cannot_be_certified_is_refused_or_has_no_radius() {
    let model = model("free-8");
    let test = loader(4, 4);
    let refused = |threat: ThreatModel| match Intervals::new(threat).certify(&model, &*test) {
        Err(EvaluationError::Core(error)) => error,
        other => panic!("{other:?}"),
    };
    let threat = ThreatModel::new(Norm::L0, Epsilon::unit(2.0));
    assert!(matches!(refused(threat), Error::Unsupported { .. }));
    assert!(matches!(refused(linf(0.0)), Error::Epsilon { .. }));
    let narrow = linf(0.1).with_bounds(Bounds::Range { low: 0.0, high: 0.5 });
    assert!(matches!(refused(narrow), Error::InputOutOfBounds { .. }));
    let none = Intervals::new(linf(0.1)).certify(&model, &*loader(0, 4));
    assert_eq!(none.unwrap_err(), EvaluationError::Core(Error::EmptyBatch));

    // No file has such weights: a training that went wrong may.
    struct NoNumbers;
    impl ModuleMapper for NoNumbers {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|value| value.mul_scalar(f32::NAN))
        }
    }
    let broken = model.clone().map(&mut NoNumbers);
    let report = Intervals::new(linf(0.1)).certify(&broken, &*test).unwrap();
    let nothing = |s: &CertifiedSample| s.class.is_none() && s.radius == 0.0;
    assert!(report.samples.iter().all(nothing));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    report.save(&file).unwrap();
    assert_eq!(IntervalReport::load(&file).unwrap(), report);
    assert!(report.to_string().starts_with("interval bounds up to ε = 0.1, 4 samples (L∞)"));
}
