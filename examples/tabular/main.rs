//! Adversarial training on a table: an MLP, trained ordinarily, with Free-8 and with 7-PGD on
//! measurements of tumours or wines; then attacks on all three, and what these changed, in the columns' own
//! units.
//!
//! `cargo run --example tabular`

mod shown;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use burn::tensor::Device;
use clap::{Parser, ValueEnum};
use free_at::attacks::{FabT, Square};
use free_at::data::{Table, breast_cancer, wine_quality};
use free_at::files;
use free_at::models::{Mlp, MlpConfig};
use free_at::prelude::*;
use free_at::train::Descend;
use free_at_examples::card;
use free_at_examples::plot::{self, Axes};
use free_at_examples::report::Report;
use free_at_examples::training::{Plan, Trained};

/// As in the quickstart, and for its reason.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CURVES: &str = "accuracy-vs-epsilon.svg";

/// Trains a multilayer perceptron on an embedded table: ordinarily, with Free-8 and with 7-PGD, at the same
/// number of optimiser steps. Then attacks all three and says what was changed in some rows.
#[derive(Parser)]
#[command(name = "tabular")]
struct Arguments {
    #[arg(long, value_enum, default_value_t = DataSet::BreastCancer)]
    dataset: DataSet,
    /// The budget, in standard deviations of each column. Default: 0.5, and 0.25 for the wines.
    #[arg(long)]
    epsilon: Option<Epsilon>,
    /// Columns that cannot change. Can be repeated.
    #[arg(long = "freeze", value_name = "COLUMN")]
    frozen: Vec<String>,
    /// Columns that can only fall. Can be repeated.
    #[arg(long = "only-down", value_name = "COLUMN")]
    falling: Vec<String>,
    /// Columns that can only rise. Can be repeated.
    #[arg(long = "only-up", value_name = "COLUMN")]
    rising: Vec<String>,
    /// Rows whose changes are shown.
    #[arg(long, value_name = "N", default_value_t = 3)]
    rows: usize,
    /// The seed of the split, the weights, the order of the data and the attacks.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where to write report.json, changes.txt, accuracy-vs-epsilon.svg, and the models with a card for each.
    #[arg(long, value_name = "DIR", default_value = "target/tabular")]
    out: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum DataSet {
    /// 569 tumours, 30 measurements each: benign or malignant.
    BreastCancer,
    /// 1,599 red wines, 11 measurements each: marks from 3 to 8.
    WineQuality,
}

impl DataSet {
    fn name(self) -> &'static str {
        match self {
            Self::BreastCancer => "breast cancer (UCI, Wisconsin, diagnostic)",
            Self::WineQuality => "wine quality (UCI, red)",
        }
    }

    fn table(self) -> Result<Table, free_at::data::DataError> {
        match self {
            Self::BreastCancer => breast_cancer::table(),
            Self::WineQuality => wine_quality::table(),
        }
    }

    fn epsilon(self) -> Epsilon {
        match self {
            Self::BreastCancer => Epsilon::unit(0.5),
            Self::WineQuality => Epsilon::unit(0.25),
        }
    }
}

fn plan() -> Plan {
    Plan::cosine(160, 64, 0.05)
}

struct Data {
    train: Table,
    test: Table,
    seed: u64,
}

impl Data {
    fn train_with<M: Descend<2>>(
        &self,
        trainer: &Trainer<M>,
    ) -> Result<Trained<Mlp>, Box<dyn Error>> {
        let device = trainer.device();
        let config = MlpConfig::new(self.train.features(), self.train.classes());
        let model = config.with_seed(self.seed).init(device);
        let plan = plan();
        plan.train(trainer, model, &self.train.loader(plan.batch, Some(self.seed), device)?)
    }
}

fn main() -> ExitCode {
    free_at_examples::exit(run(Arguments::parse()))
}

fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    const HELD_OUT: usize = 5; // one row in so many
    let Arguments { dataset, seed, out, .. } = &arguments;
    std::fs::create_dir_all(out)
        .map_err(|error| format!("the folder {} cannot be made: {error}", out.display()))?;
    let table = dataset.table()?;
    let (train, test) = table.split(table.len() / HELD_OUT, *seed)?;

    // What an adversary may do, by the names of the columns; no measurement is below 0.
    let epsilon = arguments.epsilon.unwrap_or(dataset.epsilon());
    let threat =
        train.columns().iter().fold(train.threat(ThreatModel::linf(epsilon)), |threat, column| {
            threat.within(column.name(), 0.0, f64::INFINITY)
        });
    let threat = arguments.frozen.iter().fold(threat, |threat, column| threat.freezing(column));
    let threat = arguments.falling.iter().fold(threat, |threat, column| threat.only_down(column));
    let threat = arguments.rising.iter().fold(threat, |threat, column| threat.only_up(column));
    let threat = threat.build()?;

    let data = Data { train, test, seed: *seed };
    let device = Device::default();
    println!(
        "{} training and {} test rows of {} features, {} classes, {threat} standard deviations, on {device:?}",
        data.train.len(),
        data.test.len(),
        data.train.features(),
        data.train.classes()
    );
    let free = FreeConfig::new(threat.clone()).with_replays(8);
    let pgd = AdversarialConfig::new(Adversary::new(threat.clone()).with_seed(*seed), Pgd::new(7));
    let trained = [
        data.train_with(&StandardTrainer::new(StandardConfig::new(), device.clone())?)?,
        data.train_with(&FreeAdversarialTrainer::new(free, device.clone())?)?,
        data.train_with(&AdversarialTrainer::new(pgd, device)?)?,
    ];

    let test = data.test.loader(data.test.len(), None, &Device::default())?;
    let targets = data.train.classes() - 1;
    let evaluation = Evaluation::new(threat.clone())
        .with_seed(*seed)
        .independently() // a column for each attack
        .attack(Fgsm::new())
        .attack(Pgd::new(20))
        .attack(Pgd::new(100).with_restarts(5))
        .attack(FabT::new().with_targets(targets))
        .attack(Square::new());
    let reports = trained.iter().map(|run| evaluation.run(&run.model, &*test));
    let robustness = reports.collect::<Result<Vec<_>, _>>()?;
    let report = Report::new(&threat, *seed, &trained, &robustness);
    println!("\n{report}");

    let changes = shown::changes(&trained, &threat, &data.test, (arguments.rows, *seed))?;
    println!("{changes}");
    let curves = shown::accuracy_by_epsilon(&trained, &threat, &*test, *seed)?;
    let axes =
        Axes { x: "epsilon (L-infinity, standard deviations)", from: 0.0, logarithmic: false };
    let plot = plot::draw_over("Accuracy under PGD-20", axes, &curves)?;
    files::write(&out.join(CURVES), plot.as_bytes())?;
    files::write(&out.join("changes.txt"), changes.as_bytes())?;
    files::write_json(&out.join("report.json"), &report)?;
    for (run, found) in trained.iter().zip(&robustness) {
        save(run, found, (&data, arguments.dataset), out)?;
    }
    println!(
        "wrote the report, the changes, the plot and the three models with their cards to {}",
        out.display()
    );
    Ok(())
}

/// Writes a model, and beside it what is to be known of it.
fn save(
    run: &Trained<Mlp>,
    found: &RobustnessReport,
    (data, dataset): (&Data, DataSet),
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    let model = out.join(format!("{}.safetensors", run.method));
    free_at::models::save(&run.model, &model)?;
    let (plan, table) = (plan(), &data.train);
    let config = MlpConfig::new(table.features(), table.classes()).with_seed(data.seed);
    card::of(&format!("{} on {}", run.method, dataset.name()), run, found)
        .of_file(model)?
        .model("network", format!("{config:?}"))
        .model("input", "rows standardised as the training rows are")
        .data("table", dataset.name())
        .data("training rows", table.len())
        .data("test rows", data.test.len())
        .data("features", table.feature_names().join(", "))
        .data("classes", table.class_names().join(", "))
        .training("optimiser", plan.sgd)
        .training("learning rate", plan.rate)
        .training("rows in a minibatch", plan.batch)
        .training("seed", data.seed)
        .by_command(card::command("tabular"))
        .picture("Accuracy over epsilon, under PGD-20", CURVES)
        .save(out.join(format!("{}.md", run.method)))?;
    Ok(())
}
