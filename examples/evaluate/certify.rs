//! Certificates in place of attacks.

use std::error::Error;
use std::path::Path;

use burn::data::dataloader::DataLoader;
use burn::module::Module;
use free_at::attacks::Smoothing;
use free_at::files;
use free_at::prelude::*;
use free_at_examples::curve::Curve;
use free_at_examples::plot::{self, Axes};

/// Points of the drawn curve.
const POINTS: usize = 60;

/// Certifies every sample by randomised smoothing, and writes certificate.json and certified-accuracy.svg.
pub(crate) fn certify(
    (name, model): (&str, &(impl Classifier<4> + Module + 'static)),
    test: &dyn DataLoader<Batch<4>>,
    smoothing: &Smoothing,
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    let report = smoothing.certify(model, test)?;
    println!("{report}");
    report.save(out.join("certificate.json"))?;
    let curve = Curve { name: name.into(), points: report.curve(POINTS) };
    let axes = Axes { x: "radius (L2, images in [0, 1])", from: 0.0, logarithmic: false };
    let title = format!("Certified accuracy, σ = {}", smoothing.sigma());
    let plot = plot::draw_over(&title, axes, &[curve])?;
    files::write(&out.join("certified-accuracy.svg"), plot.as_bytes())?;
    println!("wrote the certificates and the plot to {}", out.display());
    Ok(())
}
