//! Accuracy under common corruptions.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::module::Module;
use free_at::data::Corruption;
use free_at::prelude::*;
use free_at::{FrozenModel, files};

type Loading<'a> =
    dyn Fn(&ImageDataset) -> Result<Arc<dyn DataLoader<Batch<4>>>, free_at::Error> + 'a;

/// Measures accuracy under every corruption that is defined for the images, prints a table and writes corruptions.json.
pub(crate) fn measure(
    model: &(impl Classifier<4> + Module + 'static),
    data: &ImageDataset,
    (loading, seed): (&Loading<'_>, u64),
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    let model = FrozenModel::new(model);
    let clean = accuracy(&model, &*loading(data)?)?;
    println!("accuracy in % on {} images; clean {:.1}", data.len(), 100.0 * clean);
    println!("{:16} severity 1      2      3      4      5   mean", "");
    let [channels, ..] = data.shape();
    let mut table: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for corruption in Corruption::ALL.into_iter().filter(|one| one.takes(channels)) {
        let mut accuracies = Vec::new();
        for severity in 1..=5 {
            let corrupted = data.corrupted(corruption, severity, seed)?;
            accuracies.push(accuracy(&model, &*loading(&corrupted)?)?);
        }
        let each: Vec<String> =
            accuracies.iter().map(|share| format!("{:6.1}", 100.0 * share)).collect();
        println!(
            "{:20} {} {:6.1}",
            corruption.to_string(),
            each.join(" "),
            100.0 * mean(&accuracies)
        );
        table.insert(corruption.to_string(), accuracies);
    }
    let means: Vec<f64> = table.values().map(|accuracies| mean(accuracies)).collect();
    println!("mean over corruptions {:.1}", 100.0 * mean(&means));
    let report = serde_json::json!({
        "samples": data.len(), "seed": seed, "clean": clean, "mean": mean(&means), "corruptions": table,
    });
    files::write_json(&out.join("corruptions.json"), &report)?;
    println!("wrote the accuracies to {}", out.display());
    Ok(())
}

fn mean(shares: &[f64]) -> f64 {
    shares.iter().sum::<f64>() / shares.len().max(1) as f64
}

/// The share of samples that the model gets right.
fn accuracy(
    model: &FrozenModel<4>,
    test: &dyn DataLoader<Batch<4>>,
) -> Result<f64, Box<dyn Error>> {
    let (mut wrong, mut all) = (0.0, 0);
    for batch in test.iter() {
        let batch = batch?;
        let fooled = batch.untargeted().fooled(model.logits(batch.inputs())?);
        wrong += fooled.int().sum().try_into_scalar::<f64>()?;
        all += batch.len();
    }
    Ok(1.0 - wrong / f64::from(u32::try_from(all.max(1))?))
}
