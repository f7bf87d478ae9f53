//! How robust is a saved model? Attacks it, prints a table with what speaks against trusting it, and
//! writes the report as JSON and a plot.
//!
//! `cargo run --example evaluate -- --model target/quickstart/free-8.safetensors`

mod certify;
mod progress;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use burn::tensor::Device;
use clap::{Parser, ValueEnum};
use free_at::attacks::{Apgd, EvaluationError, PgdCw, Smoothing};
use free_at::prelude::*;
use free_at::{Norm, files};
use free_at_examples::curve::Curve;
use free_at_examples::network::{Kind, Loaded, stem};
use free_at_examples::{data, plot};

use crate::progress::Bars;

/// As in the quickstart: the system's allocator costs a third of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Evaluates the robustness of a saved network. Stopped, it goes on from the record in the output
/// folder when it is run again.
#[derive(Parser)]
#[command(name = "evaluate")]
struct Arguments {
    /// The weights: PyTorch's .pt or .pth, or safetensors. The quickstart writes three of a small-cnn.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    #[command(flatten)]
    kind: Kind,
    /// The data: safetensors with `images` [n, c, h, w] (f32 in [0, 1], or u8) and `labels` [n] (i64
    /// or u8). Default: the embedded test digits.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// How many samples, from the first on. Default: all.
    #[arg(long, value_name = "N")]
    samples: Option<usize>,
    /// linf or l2.
    #[arg(long, default_value = "linf")]
    norm: Norm,
    /// The budget: a number, or a fraction such as 8/255.
    #[arg(long, default_value = "0.1")]
    epsilon: Epsilon,
    #[arg(long, value_enum, default_value_t = Suite::Standard)]
    attacks: Suite,
    /// Certifies by randomised smoothing with noise of this standard deviation, in place of attacking: a number, or a
    /// fraction such as 64/255.
    #[arg(long, value_name = "SIGMA")]
    certify: Option<Epsilon>,
    /// The draws of noise that bound a class's probability in a certificate. More take longer and certify larger radii.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    draws: usize,
    /// Also report accuracies where images are stored with 8 bits. About doubles the time.
    #[arg(long, alias = "eight-bit")]
    quantized: bool,
    /// How many samples to attack at a time.
    #[arg(long, value_name = "N", default_value_t = 200)]
    batch: usize,
    /// The seed of every random draw.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where to write report.json, report.txt, accuracy-vs-epsilon.svg, adversarial.safetensors and
    /// the record. Default: target/evaluate and the model's name.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Suite {
    /// AutoAttack: APGD-CE, APGD-T, FAB-T and Square, as published (with fewer than ten classes, aiming
    /// at as many as there are).
    Standard,
    /// AutoAttack for models that draw: APGD-CE and -DLR, each gradient the mean over 20 draws.
    Rand,
    /// PGD-20, then CW-40 with 5 restarts: a first look.
    Quick,
}

impl Suite {
    fn attacks(self, classes: usize) -> Vec<Arc<dyn Attack<4>>> {
        match self {
            Self::Standard => {
                AutoAttack::standard().for_classes(classes).with_compaction().attacks()
            }
            Self::Rand => AutoAttack::rand(),
            Self::Quick => {
                vec![Arc::new(Pgd::new(20)), Arc::new(PgdCw::new(40).with_restarts(5))]
            }
        }
    }
}

fn main() -> ExitCode {
    free_at_examples::exit(run(Arguments::parse()))
}

fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let file = &arguments.model;
    let name = stem(file);
    let out = arguments.out.unwrap_or_else(|| Path::new("target/evaluate").join(&name));
    std::fs::create_dir_all(&out)
        .map_err(|error| format!("the folder {} cannot be made: {error}", out.display()))?;
    let norm = arguments.norm;
    let threat = ThreatModel::new(norm, arguments.epsilon);
    let device = Device::default();
    let Loaded { model, config } = arguments.kind.load(file, &device)?;
    let data = match &arguments.data {
        Some(file) => data::load(file)?,
        None => digits::test(),
    };
    let data = data.take(arguments.samples.unwrap_or(usize::MAX));
    let test = data.loader(arguments.batch, None, &device)?;

    if let Some(sigma) = arguments.certify {
        let smoothing =
            Smoothing::new(sigma).with_estimation(arguments.draws).with_seed(arguments.seed);
        return certify::certify((&name, &model), &*test, &smoothing, &out);
    }

    let evaluation = Evaluation::new(threat.clone())
        .with_seed(arguments.seed)
        .attacks(arguments.attacks.attacks(config.classes()))
        .with_progress(Bars::default())
        .with_record(out.join("record.jsonl"))
        .with_examples(out.join("adversarial.safetensors"));
    let evaluation = if arguments.quantized { evaluation.with_quantized() } else { evaluation };
    let report = evaluation.run(&model, &*test).map_err(|error| match error {
        EvaluationError::OtherEvaluation { .. } => format!("{error}, by another --out"),
        error => error.to_string(),
    })?;
    println!("{report}");
    report.save(out.join("report.json"))?;
    files::write(&out.join("report.txt"), report.to_string().as_bytes())?;

    let epsilon = arguments.epsilon.value();
    let epsilons = [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0].map(|share| share * epsilon);
    let (attack, seed) = (Apgd::ce().with_compaction(), arguments.seed);
    let curve = Curve::measure((&name, &model), &*test, &threat, &attack, (&epsilons, seed))?;
    let plot = plot::draw("Accuracy under APGD-CE", norm, &[curve])?;
    files::write(&out.join("accuracy-vs-epsilon.svg"), plot.as_bytes())?;
    println!("wrote the report, the plot and the adversarial examples to {}", out.display());
    Ok(())
}
