//! Runs of `train` side by side: a table in Markdown, and plots over m and over the time of training.
//!
//! `cargo run --example compare -- runs/standard runs/free-8 runs/pgd-7 --plot-seconds seconds.svg`

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use free_at::files;
use free_at::prelude::*;
use free_at_examples::curve::Curve;
use free_at_examples::plot::{self, Axes};

use crate::run::{Group, Run};

mod run;

/// Prints a table of runs of `train`: passes over the data, optimiser steps, training seconds, clean accuracy, and
/// what withstands one attack after the other. Runs that differ in nothing but the seed share a line: the mean, and
/// in brackets the lowest and the highest.
#[derive(Parser)]
#[command(name = "compare")]
struct Arguments {
    /// The runs' --out folders.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Has the worst case over all attacks in place of a column for each.
    #[arg(long)]
    worst: bool,
    /// Draws the accuracies of the Free runs over m into this SVG.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Draws the worst case of each method over the seconds of its trainings into this SVG, on a logarithmic scale.
    #[arg(long, value_name = "FILE")]
    plot_seconds: Option<PathBuf>,
}

fn main() -> ExitCode {
    free_at_examples::exit(run(Arguments::parse()))
}

fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let runs = arguments.runs.iter().map(|folder| Run::read(folder));
    let groups = Group::all(runs.collect::<Result<Vec<_>, _>>()?);
    println!("{}", table(&groups, arguments.worst));
    let plots = [
        (arguments.plot, over_replays as fn(&[Group]) -> _),
        (arguments.plot_seconds, over_seconds),
    ];
    for (file, draw) in plots {
        if let Some(file) = file {
            files::write(&file, draw(&groups)?.as_bytes())?;
            println!("wrote {}", file.display());
        }
    }
    Ok(())
}

/// A line for each group; the attacks' columns are those of the first, or there is one for all.
fn table(groups: &[Group], worst: bool) -> String {
    let attacks: Vec<&str> = groups
        .iter()
        .take(usize::from(!worst))
        .flat_map(|group| group.first().report.attacks.iter().map(|attack| attack.name.as_str()))
        .collect();
    let columns = if worst { "worst case".into() } else { attacks.join(" | ") };
    let mut lines = vec![
        format!("| | passes | steps | seconds | clean | {columns} |"),
        format!("|---|---|---|---|---|{}", "---|".repeat(attacks.len().max(1))),
    ];
    for group in groups {
        let Run { method, passes, steps, report, .. } = group.first();
        let under = |name: &&str| match report.under(name) {
            Some(_) => group.spread(1, |run| 100.0 * run.report.under(name).unwrap_or_default()),
            None => "–".into(),
        };
        let under: Vec<String> = match worst {
            true => vec![group.spread(1, |run| 100.0 * run.report.worst_case)],
            false => attacks.iter().map(under).collect(),
        };
        let seconds = group.spread(0, |run| run.seconds);
        let clean = group.spread(1, |run| 100.0 * run.report.clean);
        let cells = under.join(" | ");
        lines.push(format!("| {method} | {passes} | {steps} | {seconds} | {clean} | {cells} |"));
    }
    lines.join("\n")
}

/// Accuracies over m.
fn over_replays(groups: &[Group]) -> Result<String, Box<dyn Error>> {
    let mut free: Vec<(f64, &Group)> =
        groups.iter().filter_map(|group| Some((group.first().replays? as f64, group))).collect();
    free.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (Some(first), true) = (free.first(), free.len() > 1) else {
        return Err("a plot over m needs at least two runs of Free-m".into());
    };
    let curve = |name: &str, accuracy: &dyn Fn(&RobustnessReport) -> f64| Curve {
        name: name.into(),
        points: free
            .iter()
            .map(|(m, group)| (*m, group.mean(|run| accuracy(&run.report))))
            .collect(),
    };
    let curves = [
        curve("clean", &|report| report.clean),
        curve("PGD-20", &|report| report.under("pgd-20").unwrap_or_default()),
        curve("worst case", &|report| report.worst_case),
    ];
    let axes = Axes { x: "m, replays of each minibatch", from: first.0, logarithmic: false };
    plot::draw_over(&format!("Free-m, {}", first.1.first().report.threat), axes, &curves)
}

/// The worst case over the seconds of training: a line for each method, a point for each length.
fn over_seconds(groups: &[Group]) -> Result<String, Box<dyn Error>> {
    let mut curves: Vec<Curve> = Vec::new();
    for group in groups {
        let name = &group.first().method;
        let point = (group.mean(|run| run.seconds), group.mean(|run| run.report.worst_case));
        match curves.iter_mut().find(|curve| curve.name == *name) {
            Some(curve) => curve.points.push(point),
            None => curves.push(Curve { name: name.clone(), points: vec![point] }),
        }
    }
    curves.iter_mut().for_each(|curve| curve.points.sort_by(|a, b| a.0.total_cmp(&b.0)));
    let seconds = curves.iter().flat_map(|curve| &curve.points).map(|point| point.0);
    let from = seconds.fold(f64::INFINITY, f64::min);
    if from <= 0.0 {
        return Err("a plot over seconds needs runs that have measured theirs".into());
    }
    let axes = Axes { x: "seconds of training", from, logarithmic: true };
    let threat = &groups[0].first().report.threat;
    plot::draw_over(&format!("Worst case, {threat}"), axes, &curves)
}
