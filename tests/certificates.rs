//! Certificates: never more than is true, close to it, and the same in any batch.

use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use free_at::attacks::{EvaluationError, Smoothing, SmoothingReport};
use free_at::prelude::*;

use crate::reference::{loader, model};

const SIGMA: f64 = 0.25;
const ESTIMATION: usize = 4_000;

/// Two classes on the two sides of a line, w · x + b.
#[derive(Module, Debug)]
struct Halves {
    linear: Linear,
}

const W: [f32; 3] = [0.6, -1.1, 0.4];
const B: f32 = 0.1;

fn halves() -> Halves {
    let device = Device::flex();
    let weight = Tensor::from_data([[W[0], -W[0]], [W[1], -W[1]], [W[2], -W[2]]], &device);
    let bias = Tensor::from_data([B, -B], &device);
    let (weight, bias) = (Param::from_tensor(weight), Some(Param::from_tensor(bias)));
    Halves { linear: Linear { weight, bias } }
}

impl Classifier<2> for Halves {
    fn logits(&self, rows: Tensor<2>) -> Tensor<2> {
        self.linear.forward(rows)
    }
}

/// The signed distance to the line, in L2: above 0 for class 0.
fn distance(row: &[f32; 3]) -> f64 {
    let dot: f32 = row.iter().zip(W).map(|(x, w)| x * w).sum::<f32>() + B;
    f64::from(dot / W.iter().map(|w| w * w).sum::<f32>().sqrt())
}

fn rows() -> Vec<[f32; 3]> {
    let at = |i: usize, k: usize| ((i * 7 + k * 5) % 11) as f32 / 11.0;
    (0..24).map(|i| [at(i, 0), at(i + 3, 1), at(i + 5, 2)]).collect()
}

/// A loader of these rows, each of the class of its side.
fn loader_of(rows: &[[f32; 3]], size: usize) -> Arc<dyn DataLoader<Batch<2>>> {
    use burn::data::dataloader::{DataLoaderBuilder, batcher::Batcher};
    use burn::data::dataset::InMemDataset;
    #[derive(Clone)]
    struct Rows;
    impl Batcher<[f32; 3], Batch<2>> for Rows {
        fn batch(&self, items: Vec<[f32; 3]>, device: &Device) -> Batch<2> {
            let labels: Vec<usize> =
                items.iter().map(|row| usize::from(distance(row) < 0.0)).collect();
            Batch::from_samples(&items, &[3], &labels, 2, &Bounds::None, device).unwrap()
        }
    }
    DataLoaderBuilder::new(Rows).batch_size(size).build(InMemDataset::new(rows.to_vec()))
}

fn certified(rows: &[[f32; 3]], size: usize) -> SmoothingReport {
    let smoothing = Smoothing::new(Epsilon::unit(SIGMA)).with_estimation(ESTIMATION);
    smoothing.certify(&halves(), &*loader_of(rows, size)).unwrap()
}

/// Of two half-spaces the smoothed classifier is the model, so its radius is the distance to the line.
#[test]
fn a_radius_is_at_most_the_distance_to_the_boundary_and_close_to_it() {
    const CLOSE: f64 = 0.12; // in σ: the width of the interval at 4,000 draws is 0.1 there
    let (rows, mut certain) = (rows(), 0);
    let report = certified(&rows, 8);
    assert_eq!(report.samples.len(), rows.len());
    for (row, found) in rows.iter().zip(&report.samples) {
        let exact = distance(row).abs();
        assert!(found.radius <= exact, "{row:?}: {} of {exact}", found.radius);
        if exact > CLOSE * SIGMA && exact < 2.0 * SIGMA {
            assert!(found.radius > exact - CLOSE * SIGMA, "{row:?}: {} of {exact}", found.radius);
            assert_eq!(found.class, Some(found.label));
            certain += 1;
        }
    }
    assert!(certain > 10, "{certain}");
}

#[test]
fn within_the_radius_no_perturbation_changes_the_answer() {
    let rows = rows();
    let before = certified(&rows, 8);
    let length = W.iter().map(|w| w * w).sum::<f32>().sqrt();
    // The worst there is: straight to the line, almost as far as is certified.
    let moved: Vec<[f32; 3]> = rows
        .iter()
        .zip(&before.samples)
        .map(|(row, found)| {
            let step = 0.95 * found.radius as f32 * distance(row).signum() as f32 / length;
            std::array::from_fn(|at| row[at] - step * W[at])
        })
        .collect();
    let after = certified(&moved, 8);
    let pairs = before.samples.iter().zip(&after.samples);
    assert!(
        pairs.clone().all(|(a, b)| a.class.is_none() || b.class.is_none() || a.class == b.class)
    );
    assert!(pairs.filter(|(a, b)| a.class.is_some() && a.class == b.class).count() > 5);
}

#[test]
fn a_certificate_does_not_depend_on_the_batch() {
    let rows = rows();
    let samples = |size| certified(&rows, size).samples;
    assert_eq!(samples(24), samples(5));
    let other = Smoothing::new(Epsilon::unit(SIGMA)).with_estimation(ESTIMATION).with_seed(1);
    let other = other.certify(&halves(), &*loader_of(&rows, 24)).unwrap();
    assert_ne!(samples(24), other.samples);
}

#[test]
fn a_report_of_images_is_saved_and_read() {
    const SAMPLES: usize = 40;
    let smoothing = Smoothing::new(Epsilon::unit(0.1)).with_estimation(200).with_selection(20);
    let report = smoothing.certify(&model("free-8"), &*loader(SAMPLES, SAMPLES)).unwrap();
    assert!(report.accuracy() > 0.8, "{report}");
    assert_eq!(report.forward_passes, 220 * SAMPLES as u64);
    let curve = report.curve(10);
    assert_eq!(curve[0], (0.0, report.accuracy()));
    assert!(curve.windows(2).all(|pair| pair[1].1 <= pair[0].1), "{curve:?}");
    assert!(report.median_radius() > 0.1, "{report}");
    // 200 draws of which none is another: p ≥ 0.001^(1/200), so 1.82 σ at most.
    assert!(curve[10].0 < 0.183, "{curve:?}");
    let file = tempfile::tempdir().unwrap();
    let file = file.path().join("certificate.json");
    report.save(&file).unwrap();
    assert_eq!(SmoothingReport::load(&file).unwrap(), report);
    std::fs::write(&file, "{").unwrap();
    assert!(matches!(SmoothingReport::load(&file), Err(Error::DamagedFile { .. })));
}

#[test]
fn values_that_certify_nothing_are_refused() {
    let good = || Smoothing::new(Epsilon::unit(SIGMA));
    for wrong in [
        Smoothing::new(Epsilon::unit(0.0)),
        Smoothing::new(Epsilon::unit(f64::NAN)),
        good().with_selection(0),
        good().with_estimation(0),
        good().with_failure(0.0),
        good().with_failure(0.5),
    ] {
        let refused = wrong.certify(&halves(), &*loader_of(&rows(), 8)).unwrap_err();
        let expected = matches!(refused, EvaluationError::Core(Error::AttackParameter { .. }));
        assert!(expected, "{wrong:?}: {refused}");
    }
    let none = good().certify(&halves(), &*loader_of(&[], 8)).unwrap_err();
    assert_eq!(none, EvaluationError::Core(Error::EmptyBatch));
}
