//! Clean and robust accuracy over the epochs, as an SVG.

use free_at::train::{EpochMetrics, RobustAccuracyMetric};
use free_at_examples::curve::Curve;
use free_at_examples::plot::{self, Axes};

/// What a run's metrics say, a line each for accuracy in training (on what the method trains on), clean
/// accuracy and robust accuracy on held-out samples.
///
/// # Errors
/// Those of the drawing library.
pub(crate) fn draw(
    title: &str,
    lines: &[EpochMetrics],
    attack: &str,
) -> Result<String, Box<dyn std::error::Error>> {
    let robust = format!("held out, {attack}");
    let curves = [
        ("training", "train", "Accuracy"),
        ("held out, clean", "valid", "Accuracy"),
        (&robust, "valid", RobustAccuracyMetric::NAME),
    ]
    .map(|(name, split, metric)| Curve {
        name: name.into(),
        points: lines
            .iter()
            .filter(|line| line.split == split)
            .filter_map(|line| Some((line.epoch as f64, line.metrics.get(metric)? / 100.0)))
            .collect(),
    });
    plot::draw_over(title, Axes { x: "pass over the data", from: 0.0, logarithmic: false }, &curves)
}
