//! A model from PyTorch: loads a checkpoint, says what it is, evaluates it, and writes it back for
//! PyTorch.
//!
//! `cargo run --example import` does that with two checkpoints that PyTorch wrote: a ResNet-18 in
//! torchvision's names and a WideResNet in RobustBench's. For one of your own:
//!
//! `cargo run --example import -- --model resnet50.pth --architecture resnet-50 --normalize imagenet
//! --epsilon 4/255 --batch 16 --data images.safetensors`
//!
//! `--under best` takes one of several state dictionaries in a file.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use burn::tensor::Device;
use clap::Parser;
use free_at::models::{Normalized, Weights, save};
use free_at::prelude::*;
use free_at_examples::data;
use free_at_examples::network::{Kind, Loaded, stem};

/// As in the quickstart: the system's allocator costs a third of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Loads a network's weights from PyTorch, evaluates it, and writes them back as safetensors.
#[derive(Parser)]
#[command(name = "import")]
struct Arguments {
    /// The weights: PyTorch's .pt or .pth, or safetensors, in the names of torchvision (ResNet) or
    /// RobustBench (PreActResNet, WideResNet). Default: two that are bundled.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    #[command(flatten)]
    kind: Kind,
    /// The data: safetensors with `images` [n, c, h, w] (f32 in [0, 1], or u8) and `labels` [n] (i64
    /// or u8). Default: the embedded test digits.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// The budget (L-infinity): a number, or a fraction such as 8/255.
    #[arg(long, default_value = "0.1")]
    epsilon: Epsilon,
    /// How many samples to attack at a time.
    #[arg(long, value_name = "N", default_value_t = 200)]
    batch: usize,
    /// Where to write the weights.
    #[arg(long, value_name = "DIR", default_value = "target/import")]
    out: PathBuf,
}

fn main() -> ExitCode {
    free_at_examples::exit(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(&arguments.out)
        .map_err(|error| format!("{} cannot be made: {error}", arguments.out.display()))?;
    if let Some(file) = &arguments.model {
        return import(file, &arguments.kind, arguments);
    }
    // Checkpoints of this repository, which PyTorch trained on the digits.
    let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/weights");
    [("resnet18.pt", "resnet-18"), ("wrn-10.pth", "wrn-10-2")].into_iter().try_for_each(
        |(file, architecture)| {
            let kind = Kind { architecture: architecture.into(), ..arguments.kind.clone() };
            import(&bundled.join(file), &kind, arguments)
        },
    )
}

fn import(file: &Path, kind: &Kind, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let written = arguments.out.join(format!("{}.safetensors", stem(file)));
    if written.exists() && written.canonicalize()? == file.canonicalize()? {
        return Err(format!("{} would be overwritten: name another --out", file.display()).into());
    }
    let device = Device::default();
    let Loaded { model, config } = kind.load(file, &device)?;
    let data = match &arguments.data {
        Some(file) => data::load(file)?,
        None => digits::test(),
    };
    println!("{}", model.summary(&data.shape())?);

    let test = data.loader(arguments.batch, None, &device)?;
    let threat = ThreatModel::linf(arguments.epsilon);
    let report = Evaluation::new(threat).attack(Pgd::new(20)).run(&model, &*test)?;
    println!("{report}");

    save(&model, &written)?;
    let fresh = Normalized::new(model.normalize.clone(), config.init(&device)?);
    let again = Weights::open(&written)?.load(fresh)?;
    let images = data.take(32).batch(&device)?.inputs();
    if !again.logits(images.clone()).all_close(model.logits(images), Some(1e-4), Some(1e-4)) {
        return Err(format!("{} is not what was loaded", written.display()).into());
    }
    println!("wrote {}, which gives the same logits to 1e-4\n", written.display());
    Ok(())
}
