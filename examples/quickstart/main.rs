//! The main job, end to end: trains the same small network on real digits in three ways, attacks
//! all three, prints what withstands, and draws it.
//!
//! `cargo run --example quickstart`

mod evaluate;
mod gallery;
mod training;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use burn::tensor::Device;
use clap::Parser;
use free_at::files;
use free_at::prelude::*;
use free_at::recipe::Length;
use free_at_examples::report::Report;
use free_at_examples::{card, plot};

use crate::training::{Data, Trained};

/// Epochs of 7-PGD.
const PGD_EPOCHS: usize = 64;
const CURVES: &str = "accuracy-vs-epsilon.svg";
const PICTURES: &str = "examples.png";

/// Each step allocates and frees the same large buffers. The system's allocator gives them back to
/// the kernel every time, which costs a third of a training step on the CPU; this one keeps them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Trains a small network on handwritten digits: ordinarily, with Free-8 at the same number of optimiser steps, and
/// with 7-PGD at half of them. Then attacks all three at epsilon 0.1 (L-infinity).
#[derive(Parser)]
#[command(name = "quickstart")]
struct Arguments {
    /// Where to write report.json, accuracy-vs-epsilon.svg, examples.png, and the models with a card for each.
    #[arg(long, value_name = "DIR", default_value = "target/quickstart")]
    out: PathBuf,
    /// The seed of the weights, the order of the data and the attacks.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn main() -> ExitCode {
    free_at_examples::exit(run(Arguments::parse()))
}

fn run(Arguments { out, seed }: Arguments) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(&out)
        .map_err(|error| format!("the folder {} cannot be made: {error}", out.display()))?;

    let recipe = Recipe::digits(); // Free-8 at epsilon 0.1, network, optimiser, length
    let threat = recipe.threat.clone();
    let pgd = AdversarialConfig::new(recipe.adversary().with_seed(seed), Pgd::new(7));

    let data = Data { train: digits::train(), test: digits::test(), seed };
    let device = Device::default();
    println!(
        "{} training and {} test images, {threat}, on {device:?}",
        data.train.len(),
        data.test.len()
    );

    // The three runs differ in the method, and 7-PGD, whose steps cost eight gradients each, takes half as many.
    let shorter = Recipe { length: Length::Epochs(PGD_EPOCHS), ..recipe.clone() };
    let trained = [
        data.train_with(&recipe, StandardTrainer::new(StandardConfig::new(), device.clone())?)?,
        data.train_with(&recipe, FreeAdversarialTrainer::new(recipe.free(), device.clone())?)?,
        data.train_with(&shorter, AdversarialTrainer::new(pgd, device)?)?,
    ];

    let robustness = evaluate::under_attack(&trained, &threat, &data)?;
    let report = Report::new(&threat, seed, &trained, &robustness);
    println!("\n{report}");

    let curves = evaluate::accuracy_by_epsilon(&trained, &threat, &data)?;
    let pictures = evaluate::adversarial_examples(&trained, &threat, &data)?;
    files::write_json(&out.join("report.json"), &report)?;
    let plot = plot::draw("Digits: accuracy under CW-40", threat.norm(), &curves)?;
    files::write(&out.join(CURVES), plot.as_bytes())?;
    files::write(&out.join(PICTURES), &gallery::draw(&pictures)?)?;
    for (run, found) in trained.iter().zip(&robustness) {
        save(run, found, &data, &out)?;
    }
    println!(
        "wrote the report, the pictures and the three models with their cards to {}",
        out.display()
    );
    Ok(())
}

/// Writes a model, and beside it what is to be known of it.
fn save(
    run: &Trained,
    found: &RobustnessReport,
    data: &Data,
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    let model = out.join(format!("{}.safetensors", run.method));
    free_at::models::save(&run.model, &model)?;
    let recipe = Recipe::digits();
    card::of(&format!("{} on the digits", run.method), run, found)
        .of_file(model)?
        .model("network", format!("{:?}", recipe.network.with_seed(data.seed)))
        .data("data set", "the embedded digits (UCI, 8×8, grey, from 0 to 1)")
        .data("training images", data.train.len())
        .data("test images", data.test.len())
        .training("optimiser", recipe.sgd)
        .training("learning rate", recipe.rate)
        .training("images in a minibatch", recipe.batch_size)
        .training("seed", data.seed)
        .by_command(card::command("quickstart"))
        .picture("Accuracy over epsilon, under CW-40", CURVES)
        .picture("Adversarial digits", PICTURES)
        .save(out.join(format!("{}.md", run.method)))?;
    Ok(())
}
