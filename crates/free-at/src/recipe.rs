//! Published training recipes: network, optimiser, schedule, augmentation, batch and Free
//! configuration together, under the name of the program that they are from.

mod additions;
mod error;
mod rate;
mod schedule;
mod sgd_recipe;

use std::fmt;

use burn::tensor::Device;
use free_at_core::train::{Adversary, Clamp, FreeConfig};
use free_at_core::{Epsilon, ThreatModel};
use free_at_data::Transform;
use free_at_models::{Network, NetworkConfig, NormalizeConfig, Normalized};
use serde::{Deserialize, Serialize};

pub use additions::Additions;
pub use error::RecipeError;
pub use rate::Rate;
pub use schedule::{Schedule, StepSchedule};
pub use sgd_recipe::{Decayed, SgdRecipe};

/// All that a training needs beside its data: every value that a published program has.
///
/// The fields can be changed: what a run reports is what it was run with.
///
/// ```
/// use free_at::recipe::{Length, Recipe};
///
/// let recipe = Recipe { batch_size: 64, ..Recipe::wong_cifar() };
/// assert_eq!(recipe.passes(recipe.replays, 782), 10);
/// println!("{recipe}"); // every value, a line each
/// # assert_eq!(recipe.length, Length::Epochs(80));
/// # Ok::<(), free_at::recipe::RecipeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// The recipe's name.
    pub name: String,
    /// The network.
    pub network: NetworkConfig,
    /// The mean and standard deviation that images are normalised with before the network; none for
    /// networks that do it themselves.
    pub normalize: Option<NormalizeConfig>,
    /// What is trained against.
    pub threat: ThreatModel,
    /// m of Free-m.
    pub replays: usize,
    /// How far Free-m's δ moves in a replay; ε if there is none.
    pub step_size: Option<Epsilon>,
    /// Where Free-m keeps the input bounds.
    pub clamp: Clamp,
    /// What is added to the method.
    #[serde(flatten)]
    pub additions: Additions,
    /// The optimiser.
    pub sgd: SgdRecipe,
    /// The learning rate over the training.
    pub rate: Rate,
    /// Augmentation of training images.
    pub transforms: Vec<Transform>,
    /// What is done to images that are tested on; nothing random.
    #[serde(default)]
    pub evaluation: Vec<Transform>,
    /// Samples in a minibatch.
    pub batch_size: usize,
    /// Whether a last, smaller minibatch is left out.
    pub drop_last: bool,
    /// How long to train.
    pub length: Length,
}

/// How long to train, replays counted, so that methods compare at equal optimiser steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Length {
    /// Optimiser steps, rounded up to whole passes over the data.
    Steps(usize),
    /// Epochs of ordinary training: Free-m makes `n / m` passes over the data, rounded up.
    Epochs(usize),
}

impl Recipe {
    /// The names that [`named`](Self::named) knows.
    pub const NAMES: [&str; 5] =
        ["shafahi-cifar", "shafahi-imagenet", "wong-cifar", "small", "digits"];

    /// By name.
    ///
    /// # Errors
    /// [`RecipeError::Unknown`].
    pub fn named(name: &str) -> Result<Self, RecipeError> {
        match name {
            "shafahi-cifar" => Ok(Self::shafahi_cifar()),
            "shafahi-imagenet" => Ok(Self::shafahi_imagenet()),
            "wong-cifar" => Ok(Self::wong_cifar()),
            "small" => Ok(Self::small()),
            "digits" => Ok(Self::digits()),
            _ => {
                let known = Self::NAMES.join(", ");
                Err(RecipeError::Unknown { name: name.into(), known })
            }
        }
    }

    /// The paper's CIFAR-10: the authors' TensorFlow program, `ashafahi/free_adv_train`. Free-8 with
    /// ε = 8/255, WRN-32-10 as Madry's, 80,000 optimiser steps. (There the rate falls at steps 40,001 and
    /// 60,001, one later than here.)
    pub fn shafahi_cifar() -> Self {
        Self {
            name: "shafahi-cifar".into(),
            network: NetworkConfig::MadryWideResNet(
                free_at_models::MadryWideResNetConfig::wrn_32_10(10),
            ),
            normalize: None, // each image is standardised inside the network
            threat: ThreatModel::linf(Epsilon::pixels(8.0)),
            replays: 8,
            step_size: None,
            clamp: Clamp::InForward,
            additions: Additions::default(),
            sgd: SgdRecipe { momentum: 0.9, weight_decay: 2e-4, decayed: Decayed::Weights },
            rate: Rate::Shares { rate: 0.1, factor: 0.1, at: vec![0.5, 0.75] },
            transforms: vec![Transform::PadCrop { pad: 2 }, Transform::Flip],
            evaluation: Vec::new(),
            batch_size: 128,
            drop_last: true,
            length: Length::Steps(80_000),
        }
    }

    /// The paper's ImageNet: the authors' PyTorch program, `mahyarnajibi/FreeAdversarialTraining`. Free-4
    /// with ε = 4/255, ResNet-50, 90 epochs divided by m.
    pub fn shafahi_imagenet() -> Self {
        Self {
            name: "shafahi-imagenet".into(),
            network: NetworkConfig::ResNet(free_at_models::ResNetConfig::resnet50(1000)),
            normalize: Some(NormalizeConfig::imagenet()),
            threat: ThreatModel::linf(Epsilon::pixels(4.0)),
            replays: 4,
            step_size: None,
            clamp: Clamp::InForward,
            additions: Additions::default(),
            sgd: SgdRecipe { momentum: 0.9, weight_decay: 1e-4, decayed: Decayed::All },
            rate: Rate::EveryEpochs { rate: 0.1, factor: 0.1, epochs: 30 },
            transforms: vec![Transform::RandomResizedCrop { size: 224 }, Transform::Flip],
            evaluation: vec![
                Transform::Resize { shorter: 256 },
                Transform::CentreCrop { size: 224 },
            ],
            batch_size: 256,
            drop_last: false,
            length: Length::Epochs(90),
        }
    }

    /// Free-8 of "Fast is better than free" (Wong et al. 2020): the program `train_free.py` of
    /// `locuslab/fast_adversarial`. ε = 8/255, PreActResNet-18, 10 passes over the data.
    /// (There training is in half precision, and PyTorch's `CyclicLR` also moves the momentum, from 0.9 to 0.8
    /// where the rate is highest and back; here it stays 0.9.)
    pub fn wong_cifar() -> Self {
        Self {
            name: "wong-cifar".into(),
            network: NetworkConfig::PreActResNet(
                free_at_models::PreActResNetConfig::preact_resnet18(10),
            ),
            normalize: Some(NormalizeConfig::cifar10()),
            threat: ThreatModel::linf(Epsilon::pixels(8.0)),
            replays: 8,
            step_size: None,
            clamp: Clamp::OnUpdate,
            additions: Additions::default(),
            sgd: SgdRecipe { momentum: 0.9, weight_decay: 5e-4, decayed: Decayed::All },
            rate: Rate::Triangle { peak: 0.04 },
            transforms: vec![Transform::PadCrop { pad: 4 }, Transform::Flip],
            evaluation: Vec::new(),
            batch_size: 128,
            drop_last: false,
            length: Length::Epochs(80),
        }
    }

    /// Ours, for small grey images such as Fashion-MNIST's: Free-8 with ε = 0.1, the convolutional network of
    /// "Fast is better than free" for MNIST, 16 epochs divided by m.
    pub fn small() -> Self {
        Self {
            name: "small".into(),
            network: NetworkConfig::MnistCnn(free_at_models::MnistCnnConfig::new(10)),
            transforms: Vec::new(),
            rate: Rate::Cosine { rate: 0.05 },
            clamp: Clamp::OnUpdate, // as that program has it
            batch_size: 128,
            length: Length::Epochs(16),
            ..Self::digits()
        }
    }

    /// Ours, the quickstart's: Free-8 with ε = 0.1 on the embedded digits, 128 epochs divided by m. Most of a digit's
    /// pixels are black, so where the bounds are kept matters (see [`Clamp`]).
    pub fn digits() -> Self {
        // Not 16: strides of a power of two share cache lines, and a CPU then takes a third longer.
        let network = free_at_models::SmallCnnConfig::new(1, 10).with_width(14);
        Self {
            name: "digits".into(),
            network: NetworkConfig::SmallCnn(network),
            normalize: None,
            threat: ThreatModel::linf(Epsilon::unit(0.1)),
            replays: 8,
            step_size: None,
            clamp: Clamp::BeforeForward,
            additions: Additions::default(),
            sgd: SgdRecipe { momentum: 0.9, weight_decay: 5e-4, decayed: Decayed::All },
            rate: Rate::Cosine { rate: 0.2 },
            transforms: Vec::new(),
            evaluation: Vec::new(),
            batch_size: 64,
            drop_last: false,
            length: Length::Epochs(128),
        }
    }

    /// The same with another m. Both kinds of [`Length`] count replays, so that there are as many optimiser
    /// steps as before, but for the rounding to whole passes.
    #[must_use]
    pub fn with_replays(self, replays: usize) -> Self {
        Self { replays, ..self }
    }

    /// Accepts a recipe that can be followed.
    ///
    /// # Errors
    /// [`RecipeError`], for the first value that is out of its range.
    pub fn check(&self) -> Result<(), RecipeError> {
        use free_at_core::train::Method;
        self.free().check()?;
        self.sgd.check()?;
        self.additions.check()?;
        if self.batch_size == 0 {
            return Err(RecipeError::parameter("the batch size", "at least 1", 0));
        }
        if matches!(self.length, Length::Steps(0) | Length::Epochs(0)) {
            return Err(RecipeError::parameter("the length of a training", "at least 1", 0));
        }
        if let Some(normalize) = &self.normalize {
            normalize.check()?;
        }
        self.rate.check()?;
        self.schedule(self.replays, 1).check()
    }

    /// Whom the recipe trains against.
    pub fn adversary(&self) -> Adversary {
        let adversary = Adversary::new(self.threat.clone());
        match self.step_size {
            Some(step_size) => adversary.with_step_size(step_size),
            None => adversary,
        }
    }

    /// Free-m as the recipe has it.
    pub fn free(&self) -> FreeConfig {
        FreeConfig::new(self.adversary())
            .with_replays(self.replays)
            .with_clamp(self.clamp)
            .with_batch_size(self.batch_size)
    }

    /// Passes over data of so many minibatches, by a method that replays each so often (m for Free-m,
    /// 1 for others).
    pub fn passes(&self, replays: usize, minibatches: usize) -> usize {
        match self.length {
            Length::Steps(steps) => steps.div_ceil((minibatches * replays).max(1)),
            Length::Epochs(epochs) => epochs.div_ceil(replays.max(1)),
        }
    }

    /// Optimiser steps of that training: whole passes, so with [`Length::Steps`] it can be a part of a pass
    /// more than was asked for.
    pub fn steps(&self, replays: usize, minibatches: usize) -> usize {
        self.passes(replays, minibatches) * minibatches * replays
    }

    /// The learning rate at each optimiser step of that training.
    pub fn schedule(&self, replays: usize, minibatches: usize) -> Schedule {
        let pass = minibatches * replays;
        let steps = match self.length {
            Length::Steps(steps) => steps,
            Length::Epochs(_) => pass * self.passes(replays, minibatches),
        };
        self.rate.schedule(steps, pass, replays)
    }

    /// The network behind its normalisation, with new weights on `device`.
    ///
    /// # Errors
    /// [`RecipeError::Model`].
    pub fn model(&self, device: &Device) -> Result<Normalized<Network>, RecipeError> {
        let channels = self.network.channels();
        let unchanged = || NormalizeConfig::new(vec![0.0; channels], vec![1.0; channels]);
        let normalize = self.normalize.clone().unwrap_or_else(unchanged);
        normalize.check()?;
        if normalize.mean.len() != channels {
            let allowed = "of as many channels as the images";
            return Err(RecipeError::parameter("normalize", allowed, normalize.mean.len()));
        }
        Ok(Normalized::new(normalize.init(device), self.network.init(device)?))
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |transforms: &[Transform]| {
            let each: Vec<String> = transforms.iter().map(ToString::to_string).collect();
            if each.is_empty() { "none".into() } else { each.join(", ") }
        };
        let length = match self.length {
            Length::Steps(steps) => format!("{steps} optimiser steps"),
            Length::Epochs(epochs) => format!("{epochs} epochs, divided by the replays"),
        };
        let step_size = self.step_size.unwrap_or(self.threat.epsilon()).value();
        let clamp = match self.clamp {
            Clamp::InForward => "in the forward pass",
            Clamp::OnUpdate => "when the perturbation moves",
            Clamp::BeforeForward => "before each forward pass",
        };
        let normalize = match &self.normalize {
            Some(NormalizeConfig { mean, std }) => format!("mean {mean:?}, std {std:?}"),
            None => "none before the network".into(),
        };
        for (name, value) in [
            ("recipe", self.name.clone()),
            ("network", format!("{:?}", self.network)),
            ("normalisation", normalize),
            ("threat model", self.threat.to_string()),
            (
                "Free-m",
                format!("m = {}, steps of {step_size:.5}, bounds kept {clamp}", self.replays),
            ),
            ("additions", self.additions.to_string()),
            ("optimiser", self.sgd.to_string()),
            ("learning rate", self.rate.to_string()),
            ("augmentation", listed(&self.transforms)),
            ("evaluation", listed(&self.evaluation)),
            (
                "minibatch",
                format!(
                    "{}{}",
                    self.batch_size,
                    if self.drop_last { ", a smaller last one dropped" } else { "" }
                ),
            ),
            ("length", length),
        ] {
            writeln!(f, "  {name:14} {value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
