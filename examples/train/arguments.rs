//! What can be asked for on the command line.

use std::path::PathBuf;

use clap::builder::{RangedU64ValueParser, TypedValueParser};
use clap::{Parser, ValueEnum};
use free_at::prelude::*;
use serde::{Deserialize, Serialize};

/// Trains an image classifier, by ordinary, Free-m, K-PGD, TRADES, MART or FGSM training, with a published recipe or
/// values of your own, and reports how robust it is.
///
/// Stopped by Ctrl-C or killed, it goes on where it was with --resume.
#[derive(Parser)]
#[command(name = "train")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) wanted: Wanted,
    /// Where to write config.json, metrics.jsonl, tensorboard/, checkpoint/, best.safetensors, last.safetensors,
    /// report.json, curves.svg, robust-accuracy.svg, and MODEL.md, the card of the model.
    #[arg(long, value_name = "DIR", default_value = "target/train")]
    pub(crate) out: PathBuf,
    /// Goes on from the newest whole checkpoint in --out, with the settings in its config.json. Without one
    /// there, begins.
    #[arg(long)]
    pub(crate) resume: bool,
    /// Where to compute: default, flex, cuda:0, wgpu, vulkan:0, metal, rocm:0, or remote:ws://host:port of a
    /// `serve_device`. Several, with commas, share every minibatch. `default` is the backend that was compiled
    /// in, or the one that BURN_DEVICE names.
    #[arg(long, value_name = "DEVICES", value_delimiter = ',', default_value = "default")]
    pub(crate) devices: Vec<String>,
    /// Threads that prepare minibatches. Default: none for small data in memory, otherwise half the cores.
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<usize>,
    /// Reads training loss and accuracy every this many minibatches: reading waits for the device.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = at_least_one())]
    pub(crate) metrics_every: usize,
    /// Looks at the gradients in the images: their norm and alignment go to metrics.jsonl, saliency maps
    /// (saliency/, a PNG a pass) and the 100 hardest images (hardest.json) into --out. Changes nothing else.
    #[arg(long)]
    pub(crate) observe: bool,
    /// Leaves out the robustness report at the end: the model's card then says that nothing is known of it.
    #[arg(long)]
    pub(crate) no_report: bool,
}

/// What determines the trained parameters and the report: what config.json keeps.
#[derive(clap::Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Wanted {
    #[arg(long, value_enum, default_value_t = DataSet::Digits)]
    pub(crate) dataset: DataSet,
    /// The folder with the data set's files. The digits are embedded.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The side of an image, in pixels, for a folder of images.
    #[arg(long, value_name = "N", default_value_t = 224)]
    pub(crate) image_size: usize,
    #[arg(long, value_enum, default_value_t = MethodName::Free)]
    pub(crate) method: MethodName,
    /// m: how often Free-m replays each minibatch. Default: the recipe's.
    #[arg(long, value_name = "M")]
    pub(crate) replays: Option<usize>,
    /// K: the ascent steps of K-PGD, TRADES and MART. Default: 7 for K-PGD, 10 for the others.
    #[arg(long, value_name = "K")]
    pub(crate) steps: Option<usize>,
    /// Where Free-m keeps the input bounds. Default: as in the recipe.
    #[arg(long, value_enum)]
    #[serde(default)]
    pub(crate) clamp: Option<Bounds>,
    /// The budget in L-infinity: a number, or a fraction such as 8/255. Default: the recipe's.
    #[arg(long)]
    pub(crate) epsilon: Option<Epsilon>,
    /// The step size of the method's perturbation, in the unit of epsilon. Default: the method's.
    #[arg(long)]
    pub(crate) step_size: Option<Epsilon>,
    /// Lets epsilon rise linearly over this many optimiser steps.
    #[arg(long, value_name = "STEPS", default_value_t = 0)]
    pub(crate) warm_up: u64,
    #[command(flatten)]
    #[serde(default)]
    pub(crate) additions: Additions,
    /// shafahi-cifar, shafahi-imagenet, wong-cifar, small or digits. Default: digits for the digits,
    /// shafahi-imagenet for folders, otherwise wong-cifar for colour images and small for grey ones.
    #[arg(long, value_name = "NAME")]
    pub(crate) recipe: Option<String>,
    /// resnet-18, …; preact-resnet-18, …; wrn-d-k; madry-wrn-32-10; mnist-cnn; small-cnn. Default: the
    /// recipe's.
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Channels after the network's first convolution, for narrow ones. Default: the published width.
    #[arg(long, value_name = "N")]
    pub(crate) width: Option<usize>,
    /// Epochs of ordinary training; Free-m makes 1/m as many passes, so that every method takes as many
    /// optimiser steps. Default: the recipe's.
    #[arg(long, value_name = "N")]
    pub(crate) epochs: Option<usize>,
    /// Samples in a minibatch, over all devices. Default: the recipe's.
    #[arg(long, value_name = "N")]
    pub(crate) batch_size: Option<usize>,
    /// The highest learning rate of the recipe's schedule. Default: the recipe's.
    #[arg(long, value_name = "RATE")]
    pub(crate) learning_rate: Option<f64>,
    /// Adds this times each weight to its gradient. Default: the recipe's.
    #[arg(long, value_name = "DECAY")]
    #[serde(default)]
    pub(crate) weight_decay: Option<f64>,
    /// The seed of the weights, the order of the data, the augmentation and the attacks.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Training images that are held out, for the probe that chooses the best model; 0 trains on all of them
    /// and keeps the last model. Default: a tenth, at most 1,000.
    #[arg(long, value_name = "N")]
    pub(crate) held_out: Option<usize>,
    /// What to do about catastrophic overfitting beyond saying so. Ordinary training loses what robustness it
    /// had at first, so there it is left alone, and the last model is the one that is reported on.
    #[arg(long, value_enum, default_value_t = OnOverfitting::Restore)]
    pub(crate) on_overfitting: OnOverfitting,
    /// Ends training when robust accuracy on the held-out images has not risen for this many probes. (The
    /// probe is made after every pass where that costs little, see the line it prints.)
    #[arg(long, value_name = "PROBES", value_parser = at_least_one())]
    pub(crate) patience: Option<usize>,
    /// How several devices work together.
    #[arg(long, value_enum, default_value_t = Strategy::Multi)]
    pub(crate) strategy: Strategy,
    /// The type of float to compute in: f32, f16 or bf16, as far as the device supports it.
    #[arg(long, value_name = "TYPE", default_value = "f32")]
    pub(crate) precision: String,
    /// Test images in the report, from the first on.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = at_least_one())]
    pub(crate) samples: usize,
    /// The attacks of the report.
    #[arg(long, value_enum, default_value_t = Suite::Full)]
    pub(crate) attacks: Suite,
}

/// What is added to a method.
#[derive(clap::Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[command(next_help_heading = "Additions")]
pub(crate) struct Additions {
    /// Keeps an exponential moving average of the weights with this decay, 0.999 say; it is what is probed, kept as
    /// the best and reported on.
    #[arg(long, value_name = "DECAY")]
    pub(crate) ema: Option<f64>,
    /// The same with the mean of the weights from this share of the optimiser steps on, 0.75 say. After training
    /// its batch norms see the training images once more.
    #[arg(long, value_name = "SHARE", conflicts_with = "ema")]
    pub(crate) swa: Option<f64>,
    /// Free-m remembers the perturbation of each image from pass to pass.
    #[arg(long)]
    #[serde(default)]
    pub(crate) memory: bool,
    /// Mixes this share of the minibatches by CutMix, 0.5 say: a rectangle of each image is that of another.
    #[arg(long, value_name = "SHARE")]
    #[serde(default)]
    pub(crate) cutmix: Option<f64>,
    /// Gives this share of every label to all classes alike.
    #[arg(long, value_name = "SHARE")]
    pub(crate) label_smoothing: Option<f64>,
    /// AWP: moves the weights uphill by this much of their length before each descent, 0.005 say.
    #[arg(long, value_name = "GAMMA")]
    pub(crate) awp: Option<f64>,
    /// The weight of the second term: beta of TRADES, lambda of MART and of FGSM-MEP. Default: the method's.
    #[arg(long, value_name = "WEIGHT")]
    pub(crate) beta: Option<f64>,
    /// In which mode the model is attacked. Default: as in the method's reference.
    #[arg(long, value_enum)]
    pub(crate) attacked_in: Option<AttackedIn>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AttackedIn {
    /// Running statistics, no dropout.
    Evaluation,
    /// Statistics of the batch, dropout.
    Training,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Bounds {
    /// The model sees clamp(x + δ); δ is kept in the ε-ball alone.
    InForward,
    /// δ is limited after each replay, so that x + δ is within the bounds.
    OnUpdate,
    /// δ is limited before each replay, so that x + δ is within the bounds.
    BeforeForward,
}

fn at_least_one() -> impl TypedValueParser<Value = usize> {
    RangedU64ValueParser::<usize>::new().range(1..)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DataSet {
    /// 1,797 embedded images, 8×8.
    Digits,
    /// IDX files, plain or gzip.
    Mnist,
    /// IDX files, plain or gzip.
    FashionMnist,
    /// The binary version's files.
    #[value(name = "cifar10")]
    Cifar10,
    /// The binary version's files.
    #[value(name = "cifar100")]
    Cifar100,
    /// train/CLASS/IMAGE and val/CLASS/IMAGE, as ImageNet's.
    Folder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MethodName {
    /// No adversary.
    Standard,
    /// Free-m.
    Free,
    /// K-PGD.
    Pgd,
    /// FGSM with a random start.
    Fast,
    /// FGSM from noise of two epsilon, without projection.
    NFgsm,
    /// FGSM from where each image's earlier gradients lead.
    Mep,
    /// TRADES.
    Trades,
    /// MART.
    Mart,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OnOverfitting {
    Report,
    Stop,
    Restore,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Suite {
    /// PGD-20, PGD-100 with 5 restarts, AutoAttack.
    Full,
    /// AutoAttack alone, as published.
    #[value(name = "autoattack")]
    AutoAttack,
    /// PGD-20.
    Quick,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Strategy {
    /// The first device has the model and takes the steps.
    Multi,
    /// Distributed data parallel: every device has the model.
    Ddp,
}
