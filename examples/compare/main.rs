//! Runs of `train` side by side: a table in Markdown, and a plot over m.
//!
//! `cargo run --example compare -- runs/standard runs/free-8 runs/pgd-7 --plot over-m.svg`

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use free_at::files;
use free_at::prelude::*;
use free_at::train::{About, EpochMetrics};
use free_at_examples::curve::Curve;
use free_at_examples::plot::{self, Axes};
use serde_json::Value;

/// Prints a table of runs of `train`: optimiser steps, training seconds, clean accuracy, and what
/// withstands one attack after the other.
#[derive(Parser)]
#[command(name = "compare")]
struct Arguments {
    /// The runs' --out folders.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Draws the accuracies of the Free runs over m into this SVG.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

fn main() -> ExitCode {
    free_at_examples::exit(run(Arguments::parse()))
}

/// What is compared of a run.
struct Run {
    method: String,
    /// m, for Free-m.
    replays: Option<u64>,
    steps: u64,
    seconds: f64,
    report: RobustnessReport,
}

impl Run {
    fn read(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let config = json(&folder.join("config.json"))?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let (wanted, recipe) = (&config["wanted"], &config["recipe"]);
        let replays = recipe["replays"].as_u64();
        let (method, replays) = match text(&wanted["method"]).as_str() {
            "free" => (format!("Free-{}", replays.unwrap_or_default()), replays),
            "pgd" => (format!("{}-PGD", wanted["steps"].as_u64().unwrap_or(7)), None),
            "fast" => ("FGSM-RS".to_string(), None),
            "n-fgsm" => ("N-FGSM".to_string(), None),
            "mep" => ("FGSM-MEP".to_string(), None),
            "trades" => ("TRADES".to_string(), None),
            "mart" => ("MART".to_string(), None),
            other => (other.to_string(), None),
        };
        let lines = EpochMetrics::read(&folder.join("metrics.jsonl"))?;
        let training = lines.iter().filter(|line| line.split == "train");
        let seconds = training.filter_map(|line| line.metrics.get("seconds")).sum();
        let report = RobustnessReport::load(folder.join("report.json"))?;
        Ok(Self { method, replays, steps: steps(folder)?, seconds, report })
    }
}

fn json(path: &Path) -> Result<Value, Box<dyn Error>> {
    let text = std::fs::read_to_string(path).map_err(|error| files::failed(path, error))?;
    Ok(serde_json::from_str(&text).map_err(|error| files::damaged(path, error))?)
}

/// Of the newest checkpoint.
fn steps(folder: &Path) -> Result<u64, Box<dyn Error>> {
    let checkpoints = folder.join("checkpoint");
    let entries =
        std::fs::read_dir(&checkpoints).map_err(|error| files::failed(&checkpoints, error))?;
    let about = |path: PathBuf| -> Option<About> {
        serde_json::from_value(json(&path.join("about.json")).ok()?).ok()
    };
    let steps = entries.flatten().filter_map(|entry| about(entry.path())).map(|about| about.steps);
    Ok(steps.max().ok_or_else(|| format!("{} has no checkpoint", checkpoints.display()))?)
}

fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let runs = arguments.runs.iter().map(|folder| Run::read(folder));
    let runs = runs.collect::<Result<Vec<_>, _>>()?;
    println!("{}", table(&runs));
    if let Some(file) = arguments.plot {
        let svg = draw(&runs)?;
        files::write(&file, svg.as_bytes())?;
        println!("wrote {}", file.display());
    }
    Ok(())
}

/// A line for each run; the attacks' columns are those of the first.
fn table(runs: &[Run]) -> String {
    let attacks: Vec<&str> = runs
        .iter()
        .take(1)
        .flat_map(|run| run.report.attacks.iter().map(|attack| attack.name.as_str()))
        .collect();
    let mut lines = vec![
        format!("| | steps | seconds | clean | {} |", attacks.join(" | ")),
        format!("|---|---|---|---|{}", "---|".repeat(attacks.len())),
    ];
    for Run { method, steps, seconds, report, .. } in runs {
        let under = |name: &&str| match report.under(name) {
            Some(accuracy) => format!("{:.1}", 100.0 * accuracy),
            None => "–".into(),
        };
        let under: Vec<String> = attacks.iter().map(under).collect();
        let clean = 100.0 * report.clean;
        let cells = under.join(" | ");
        lines.push(format!("| {method} | {steps} | {seconds:.0} | {clean:.1} | {cells} |"));
    }
    lines.join("\n")
}

/// Accuracies over m.
fn draw(runs: &[Run]) -> Result<String, Box<dyn Error>> {
    let mut free: Vec<(f64, &RobustnessReport)> =
        runs.iter().filter_map(|run| Some((run.replays? as f64, &run.report))).collect();
    free.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (Some(first), true) = (free.first(), free.len() > 1) else {
        return Err("a plot over m needs at least two runs of Free-m".into());
    };
    let curve = |name: &str, accuracy: &dyn Fn(&RobustnessReport) -> f64| Curve {
        name: name.into(),
        points: free.iter().map(|(m, report)| (*m, accuracy(report))).collect(),
    };
    let curves = [
        curve("clean", &|report| report.clean),
        curve("PGD-20", &|report| report.under("pgd-20").unwrap_or_default()),
        curve("worst case", &|report| report.worst_case),
    ];
    let axes = Axes { x: "m, replays of each minibatch", from: first.0 };
    plot::draw_over(&format!("Free-m, {}", first.1.threat), axes, &curves)
}
