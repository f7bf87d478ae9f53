//! What a run was asked for, with every value that follows from it: config.json.

use std::error::Error;
use std::path::Path;

use burn::tensor::Device;
use free_at::files;
use free_at::models::NormalizeConfig;
use free_at::prelude::*;
use free_at::recipe::{Length, Recipe};
use free_at::train::Clamp;
use serde::{Deserialize, Serialize};

use crate::arguments::{Additions, Bounds, DataSet, MethodName, Wanted};
use crate::data::Data;

/// Of config.json.
const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    version: u32,
    free_at: String,
    /// How many share each minibatch.
    devices: usize,
    pub(crate) wanted: Wanted,
    /// The recipe with all that was changed of it.
    pub(crate) recipe: Recipe,
}

impl Settings {
    /// The recipe that is named, or goes with the data, with the values that are given instead of its own.
    pub(crate) fn new(wanted: Wanted, devices: usize) -> Result<Self, Box<dyn Error>> {
        let by_data = match wanted.dataset {
            DataSet::Digits => "digits",
            DataSet::Mnist | DataSet::FashionMnist => "small",
            DataSet::Cifar10 | DataSet::Cifar100 => "wong-cifar",
            DataSet::Folder => "shafahi-imagenet",
        };
        let mut recipe = Recipe::named(wanted.recipe.as_deref().unwrap_or(by_data))?;
        if let Some(name) = &wanted.model {
            recipe.network = NetworkConfig::named(name, recipe.network.classes())?;
            // A small-cnn and Madry's network normalise by themselves.
            let own = matches!(
                recipe.network,
                NetworkConfig::SmallCnn(_) | NetworkConfig::MadryWideResNet(_)
            );
            recipe.normalize = recipe.normalize.filter(|_| !own);
        }
        if wanted.dataset == DataSet::Cifar100 && recipe.normalize.is_some() {
            recipe.normalize = Some(NormalizeConfig::cifar100());
        }
        if let Some(width) = wanted.width {
            if matches!(recipe.network, NetworkConfig::MnistCnn(_)) {
                return Err("--width: mnist-cnn has one width, small-cnn has any".into());
            }
            recipe.network = recipe.network.with_width(width);
        }
        recipe.network = recipe.network.with_seed(wanted.seed);
        if let Some(epsilon) = wanted.epsilon {
            recipe.threat = recipe.threat.with_epsilon(epsilon);
        }
        if let Some(replays) = wanted.replays {
            recipe.replays = replays;
        }
        recipe.step_size = wanted.step_size.or(recipe.step_size);
        recipe.clamp = match wanted.clamp {
            Some(Bounds::InForward) => Clamp::InForward,
            Some(Bounds::OnUpdate) => Clamp::OnUpdate,
            Some(Bounds::BeforeForward) => Clamp::BeforeForward,
            None => recipe.clamp,
        };
        recipe.length = wanted.epochs.map_or(recipe.length, Length::Epochs);
        recipe.batch_size = wanted.batch_size.unwrap_or(recipe.batch_size);
        if let Some(rate) = wanted.learning_rate {
            recipe.rate = recipe.rate.with_highest(rate);
        }
        if let Some(decay) = wanted.weight_decay {
            recipe.sgd.weight_decay = decay;
        }
        let Additions { label_smoothing, cutmix, ema, swa, .. } = wanted.additions;
        let added = &mut recipe.additions;
        added.label_smoothing = label_smoothing.unwrap_or(added.label_smoothing);
        added.cutmix = cutmix.unwrap_or(added.cutmix);
        added.ema = if swa.is_some() { None } else { ema.or(added.ema) };
        recipe.check()?;
        if let Some(share) = swa.filter(|share| !(0.0..1.0).contains(share)) {
            return Err(
                format!("--swa: a share of the steps, from 0 to below 1, not {share}").into()
            );
        }
        if wanted.patience.is_some() && wanted.method == MethodName::Standard {
            return Err("--patience: ordinary training is most robust where it has learnt least, so it cannot end by robust accuracy".into());
        }
        if wanted.patience.is_some() && wanted.held_out == Some(0) {
            return Err("--patience needs held-out images: --held-out 0 leaves none".into());
        }
        let free_at = env!("CARGO_PKG_VERSION").into();
        Ok(Self { version: VERSION, free_at, devices, wanted, recipe })
    }

    /// For these images: channels, size, classes and transforms are theirs.
    pub(crate) fn for_data(mut self, Data { train, test, .. }: &Data) -> Self {
        self.recipe.network = self.recipe.network.for_images(train.shape(), train.classes());
        self.recipe.transforms = train.transforms().to_vec();
        self.recipe.evaluation = test.transforms().to_vec();
        self
    }

    /// Minibatches in a pass, over all devices.
    ///
    /// # Errors
    /// A sentence, if there is none.
    pub(crate) fn minibatches(&self, Data { train, held_out, .. }: &Data) -> Result<usize, String> {
        let (size, images) = (self.recipe.batch_size, train.len());
        let loading = train.loading(size).with_seed(self.wanted.seed);
        let loading = if self.recipe.drop_last { loading.dropping_last() } else { loading };
        let loader = loading.build(&Device::flex()).map_err(|error| error.to_string())?;
        let minibatches = loader.num_items().div_ceil(size);
        if minibatches == 0 || images < self.devices {
            return Err(format!(
                "{images} training images, beside {} held-out ones, give no minibatch of {size} for {} devices: choose a smaller --held-out or --batch-size",
                held_out.len(),
                self.devices
            ));
        }
        Ok(minibatches)
    }

    /// Refuses to go on with another number of devices: each has its own share of the data.
    pub(crate) fn check_devices(&self, found: usize) -> Result<(), String> {
        match self.devices {
            devices if devices == found => Ok(()),
            devices => Err(format!(
                "the run has its minibatches on {devices} devices, not {found}: name as many with --devices"
            )),
        }
    }

    /// Those of a run that is there already.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, Box<dyn Error>> {
        if !path.exists() {
            return Ok(None);
        }
        let wrong = |reason: String| format!("{}: {reason}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let value: serde_json::Value = serde_json::from_str(&text)
            .map_err(|error| wrong(format!("it is damaged: {error}")))?;
        match value.get("version").and_then(serde_json::Value::as_u64) {
            Some(version) if version == u64::from(VERSION) => {
                let settings = serde_json::from_value(value);
                Ok(Some(settings.map_err(|error| wrong(format!("it is damaged: {error}")))?))
            }
            found => {
                let found = found.map_or("none".into(), |version| version.to_string());
                Err(wrong(format!(
                    "it has version {found}, this program reads version {VERSION}: go on with the program that began the run, or begin anew with another --out"
                ))
                .into())
            }
        }
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        Ok(files::write_json(path, self)?)
    }

    /// The names of the values that differ.
    pub(crate) fn differences(&self, other: &Self) -> Result<Vec<String>, Box<dyn Error>> {
        let (one, other) = (serde_json::to_value(self)?, serde_json::to_value(other)?);
        let of = |part: &str| {
            let (one, other) = (one.get(part), other.get(part));
            let names = one.and_then(|one| one.as_object()).map(|one| one.keys().cloned());
            let different = |name: &String| {
                one.and_then(|one| one.get(name)) != other.and_then(|other| other.get(name))
            };
            names.into_iter().flatten().filter(different).collect::<Vec<_>>()
        };
        Ok([of("wanted"), of("recipe")].concat())
    }
}
