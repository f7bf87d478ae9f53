//! How robust is a saved model? Attacks it, prints a table with what speaks against trusting it, and
//! writes the report as JSON and a plot.
//!
//! `cargo run --example evaluate -- --model target/quickstart/free-8.safetensors`

mod certify;
mod corruptions;
mod minimal;
mod progress;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::tensor::Device;
use clap::{Parser, ValueEnum};
use free_at::attacks::{Apgd, Boundary, Caa, EvaluationError, HopSkipJump, PgdCw, UnionReport};
use free_at::prelude::*;
use free_at::{Norm, files};
use free_at_examples::curve::Curve;
use free_at_examples::network::{Kind, Loaded, stem};
use free_at_examples::{data, plot};

use crate::certify::Certify;
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
    /// linf, l2, l1 or, with --minimal, l0. Several, with commas, are attacked one after the other, and their union is
    /// reported, too.
    #[arg(long, value_delimiter = ',', default_value = "linf")]
    norm: Vec<Norm>,
    /// The budget: a number, or a fraction such as 8/255; one for each norm.
    #[arg(long, value_delimiter = ',', default_value = "0.1")]
    epsilon: Vec<Epsilon>,
    #[arg(long, value_enum, default_value_t = Suite::Standard)]
    attacks: Suite,
    /// Looks for the smallest perturbations, in place of those within epsilon: reports their median and draws robust accuracy
    /// over every epsilon.
    #[arg(long)]
    minimal: bool,
    /// Measures accuracy under common corruptions, in place of attacks: noise, blurs, brightness, contrast, JPEG and others, five
    /// severities each.
    #[arg(long)]
    corruptions: bool,
    /// Certifies in place of attacking: by randomised smoothing with noise of this standard deviation, a number or a fraction
    /// such as 64/255; or, with the word `intervals`, by interval bounds up to epsilon in the norm.
    #[arg(long, value_name = "SIGMA|intervals")]
    certify: Option<Certify>,
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
    /// the record (with several norms in a folder for each, and union.json); with --minimal distances-NORM.json and .svg,
    /// with --corruptions corruptions.json.
    /// Default: target/evaluate and the model's name.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Suite {
    /// AutoAttack: APGD-CE, APGD-T, FAB-T and Square, as published (with fewer than ten classes, aiming
    /// at as many as there are).
    Standard,
    /// The same at less than half of the gradients: APGD-T and FAB-T towards the three classes alone that a few steps come
    /// nearest to.
    Lean,
    /// AutoAttack's version "plus": with five restarts, untargeted DLR and FAB, too. Some seven times as long.
    Plus,
    /// AutoAttack for models that draw: APGD-CE and -DLR, each gradient the mean over 20 draws.
    Rand,
    /// PGD-20, then CW-40 with 5 restarts: a first look.
    Quick,
    /// HopSkipJump and Boundary, which see labels alone, as far as they are defined in the norm.
    Labels,
    /// CAPGD, then MOEVA, as tables are attacked.
    Caa,
}

impl Suite {
    fn attacks(self, norm: Norm, classes: usize) -> Vec<Arc<dyn Attack<4>>> {
        let auto = AutoAttack::standard_in(norm).for_classes(classes).with_compaction();
        match self {
            Self::Standard => auto.attacks(),
            Self::Lean => auto.lean(),
            Self::Plus => auto.plus(),
            Self::Rand => AutoAttack::rand(),
            Self::Labels => {
                let both: [Arc<dyn Attack<4>>; 2] =
                    [Arc::new(HopSkipJump::new()), Arc::new(Boundary::new())];
                both.into_iter().filter(|attack| attack.norms().contains(&norm)).collect()
            }
            Self::Caa => Caa::new().attacks(),
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
    let out = arguments.out.clone();
    let out = out.unwrap_or_else(|| Path::new("target/evaluate").join(&name));
    make_folder(&out)?;
    let device = Device::default();
    let Loaded { model, config } = arguments.kind.load(file, &device)?;
    let data = match &arguments.data {
        Some(file) => data::load(file)?,
        None => digits::test(),
    };
    let data = data.take(arguments.samples.unwrap_or(usize::MAX));
    let test = data.loader(arguments.batch, None, &device)?;

    if let Some(how) = arguments.certify.clone() {
        let drawn = (arguments.draws, arguments.seed);
        let threat = &threats(&arguments)?[0];
        return certify::certify((&name, &model), &*test, (how, threat), drawn, &out);
    }
    if arguments.corruptions {
        let loading = |data: &ImageDataset| data.loader(arguments.batch, None, &device);
        return corruptions::measure(&model, &data, (&loading, arguments.seed), &out);
    }
    if arguments.minimal {
        for &norm in &arguments.norm {
            let distances = minimal::distances(norm, config.classes()).with_seed(arguments.seed);
            minimal::measure((&name, &model), &*test, (norm, distances), &out)?;
        }
        return Ok(());
    }
    let threats = threats(&arguments)?;
    let several = threats.len() > 1;
    let mut reports = Vec::new();
    for threat in &threats {
        let out = if several { out.join(folder_of(threat.norm())) } else { out.clone() };
        let attacks = arguments.attacks.attacks(threat.norm(), config.classes());
        reports.push(attack((&name, &model), &*test, (threat, attacks), &arguments, &out)?);
    }
    if several {
        let union = UnionReport::of(&reports)?;
        println!("{union}");
        union.save(out.join("union.json"))?;
    }
    Ok(())
}

fn make_folder(path: &Path) -> Result<(), String> {
    let failed = |error| format!("the folder {} cannot be made: {error}", path.display());
    std::fs::create_dir_all(path).map_err(failed)
}

/// A threat model for each norm and its epsilon.
fn threats(arguments: &Arguments) -> Result<Vec<ThreatModel>, String> {
    let (norms, epsilons) = (&arguments.norm, &arguments.epsilon);
    if norms.len() != epsilons.len() {
        let (norms, epsilons) = (norms.len(), epsilons.len());
        return Err(format!("--norm has {norms} and --epsilon {epsilons}: give one for each"));
    }
    let both = norms.iter().zip(epsilons);
    Ok(both.map(|(norm, epsilon)| ThreatModel::new(*norm, *epsilon)).collect())
}

fn folder_of(norm: Norm) -> String {
    norm.in_words().to_lowercase()
}

/// Attacks the model within a threat model, and writes what comes of it.
fn attack(
    (name, model): (&str, &(impl Classifier<4> + Module + 'static)),
    test: &dyn DataLoader<Batch<4>>,
    (threat, attacks): (&ThreatModel, Vec<Arc<dyn Attack<4>>>),
    arguments: &Arguments,
    out: &Path,
) -> Result<RobustnessReport, Box<dyn Error>> {
    make_folder(out)?;
    let evaluation = Evaluation::new(threat.clone())
        .with_seed(arguments.seed)
        .attacks(attacks)
        .with_progress(Bars::default())
        .with_record(out.join("record.jsonl"))
        .with_examples(out.join("adversarial.safetensors"));
    let evaluation = if arguments.quantized { evaluation.with_quantized() } else { evaluation };
    let report = evaluation.run(model, test).map_err(|error| match error {
        EvaluationError::OtherEvaluation { .. } => format!("{error}, by another --out"),
        error => error.to_string(),
    })?;
    println!("{report}");
    report.save(out.join("report.json"))?;
    files::write(&out.join("report.txt"), report.to_string().as_bytes())?;

    let epsilon = threat.epsilon().value();
    let epsilons = [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0].map(|share| share * epsilon);
    let (attack, seed) = (Apgd::ce().with_compaction(), arguments.seed);
    let curve = Curve::measure((name, model), test, threat, &attack, (&epsilons, seed))?;
    let plot = plot::draw("Accuracy under APGD-CE", threat.norm(), &[curve])?;
    files::write(&out.join("accuracy-vs-epsilon.svg"), plot.as_bytes())?;
    println!("wrote the report, the plot and the adversarial examples to {}", out.display());
    Ok(report)
}
