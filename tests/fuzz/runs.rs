//! Folders of a training, from which it goes on: checkpoints and metrics.

use std::path::Path;
use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::SgdConfig;
use burn::tensor::{Device, Tensor};
use free_at::prelude::*;
use free_at::train::EpochMetrics;

use crate::limits::{Limit, MIB, PATIENCE};
use crate::quiet::Quiet;
use crate::target::{Files, Target, files_of, fuzz};

/// What a training of this size takes, and each of its files.
const LIMIT: Limit = Limit { floor: 64 * MIB, of_each: 16 };

/// Two leave two checkpoints.
const PASSES: usize = 2;

#[derive(Module, Debug)]
struct Net {
    linear: Linear,
}

impl Classifier<4> for Net {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        self.linear.forward(images.flatten(1, 3))
    }
}

fn minibatches(device: &Device) -> Arc<dyn DataLoader<Batch<4>>> {
    digits::train().take(8).loader(4, None, device).unwrap()
}

/// Trains in this folder, or goes on with what is in it.
fn train(folder: &Path) -> Result<(), String> {
    let config = FreeConfig::new(ThreatModel::linf(Epsilon::unit(0.1))).with_replays(2);
    let trainer = FreeAdversarialTrainer::new(config, Device::flex()).unwrap();
    let model = Net { linear: LinearConfig::new(64, digits::CLASSES).init(trainer.device()) };
    let (train, valid) = (minibatches(trainer.device()), minibatches(&Device::flex()));
    trainer
        .run(folder, train, valid)
        .passes(PASSES)
        .renderer(Box::new(Quiet))
        .launch(model, SgdConfig::new().init(), 0.05)
        .map(drop)
        .map_err(|error| error.to_string())
}

/// The metrics as a plot reads them, and then the training as a whole.
fn read(folder: &Path) -> Result<(), String> {
    let metrics = EpochMetrics::read(&folder.join("metrics.jsonl"));
    let best = metrics.as_deref().map(EpochMetrics::best).map_err(ToString::to_string);
    train(folder)?;
    best.map(drop)
}

fn trained() -> Files {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path()).unwrap();
    let files = files_of(folder.path());
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let checkpoints = names.iter().filter(|name| name.ends_with("about.json")).count();
    assert_eq!(checkpoints, 2, "{names:?}");
    files
}

#[test]
fn folders_of_trainings() {
    fuzz(|| Target {
        name: "runs",
        inputs: 12,
        limit: LIMIT,
        patience: PATIENCE,
        seeds: vec![trained()],
        inside: |_, _| None,
        read,
    });
}
