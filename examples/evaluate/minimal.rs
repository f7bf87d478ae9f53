//! The smallest perturbations in place of those within epsilon.

use std::error::Error;
use std::path::Path;

use burn::data::dataloader::DataLoader;
use burn::module::Module;
use free_at::attacks::{Ddn, Distances, Ead, FabT, Fmn, SigmaZero};
use free_at::prelude::*;
use free_at::{Norm, files};
use free_at_examples::curve::Curve;
use free_at_examples::plot;

use crate::progress::Bars;

/// The attacks of each norm.
pub(crate) fn distances(norm: Norm, classes: usize) -> Distances<4> {
    const STEPS: usize = 300;
    let of = Distances::new(norm).attack(Fmn::new(STEPS)).with_progress(Bars::default());
    let fab = FabT::new().with_targets(classes.saturating_sub(1).clamp(1, 9));
    match norm {
        Norm::Linf => of.attack(fab),
        Norm::L2 => of.attack(Ddn::new(STEPS)).attack(fab),
        Norm::L1 => of.attack(Ead::new().with_steps(STEPS)).attack(fab),
        Norm::L0 => of.attack(SigmaZero::new(STEPS)),
    }
}

/// Measures the distances, and writes distances-NORM.json and distances-NORM.svg.
pub(crate) fn measure(
    (name, model): (&str, &(impl Classifier<4> + Module + 'static)),
    test: &dyn DataLoader<Batch<4>>,
    (norm, distances): (Norm, Distances<4>),
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    let report = distances.run(model, test)?;
    println!("{report}");
    let file =
        |ending: &str| out.join(format!("distances-{}.{ending}", norm.in_words().to_lowercase()));
    report.save(file("json"))?;
    let curve = Curve { name: name.into(), points: report.curve() };
    let plot = plot::draw("Accuracy over the closest examples found", norm, &[curve])?;
    files::write(&file("svg"), plot.as_bytes())?;
    println!("wrote the distances and the plot to {}", out.display());
    Ok(())
}
