//! Certificates in place of attacks.

use std::convert::Infallible;
use std::error::Error;
use std::path::Path;
use std::str::FromStr;

use burn::data::dataloader::DataLoader;
use burn::module::Module;
use free_at::attacks::{CertificateReport, Certifier, Intervals, Smoothing};
use free_at::prelude::*;
use free_at::{BoundedClassifier, files};
use free_at_examples::curve::Curve;
use free_at_examples::plot::{self, Axes};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Points of the drawn curve.
const POINTS: usize = 60;

/// How to certify.
#[derive(Clone)]
pub(crate) enum Certify {
    /// By randomised smoothing with this noise, or what is wrong with it.
    Smoothing(Result<Epsilon, String>),
    /// By interval bounds.
    Intervals,
}

impl FromStr for Certify {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "intervals" => Self::Intervals,
            sigma => Self::Smoothing(sigma.parse::<Epsilon>().map_err(|error| error.to_string())),
        })
    }
}

/// Certifies every sample, and writes certificate.json and certified-accuracy.svg.
pub(crate) fn certify(
    (name, model): (&str, &(impl BoundedClassifier<4> + Module + 'static)),
    test: &dyn DataLoader<Batch<4>>,
    (how, threat): (Certify, &ThreatModel),
    (draws, seed): (usize, u64),
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    match how {
        Certify::Smoothing(sigma) => {
            let smoothing = Smoothing::new(sigma?).with_estimation(draws).with_seed(seed);
            write(name, &smoothing.certify(model, test)?, out)
        }
        Certify::Intervals => {
            write(name, &Intervals::new(threat.clone()).certify(model, test)?, out)
        }
    }
}

fn write<S: Certifier + Serialize + DeserializeOwned>(
    name: &str,
    report: &CertificateReport<S>,
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    println!("{report}");
    report.save(out.join("certificate.json"))?;
    let curve = Curve { name: name.into(), points: report.curve(POINTS) };
    let title = format!("Certified accuracy: {}", report.settings.heading());
    let x = format!("radius ({}, images in [0, 1])", report.settings.norm().in_words());
    let axes = Axes { x: &x, from: 0.0, logarithmic: false };
    let plot = plot::draw_over(&title, axes, &[curve])?;
    files::write(&out.join("certified-accuracy.svg"), plot.as_bytes())?;
    println!("wrote the certificates and the plot to {}", out.display());
    Ok(())
}
