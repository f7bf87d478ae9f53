//! The paper's pictures: the loss around an image (its figure 3), and adversarial images with a large ε,
//! which for robust models look like the other class (its figure 2).
//!
//! `cargo run --example landscape`

mod images;
mod surface;
mod trained;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use burn::tensor::Device;
use clap::Parser;
use free_at::prelude::*;
use free_at::{FrozenModel, files};
use free_at_examples::data;
use free_at_examples::network::{Kind, stem};

/// As in the quickstart, and for its reason.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Draws the loss around an image along the adversarial and a random direction, and adversarial images with
/// a large epsilon, for an ordinary, a Free-8 and a 7-PGD model of the digits, or for saved ones.
#[derive(Parser)]
#[command(name = "landscape")]
struct Arguments {
    /// A saved model: PyTorch's .pt or .pth, or safetensors. Can be repeated, all of one architecture.
    /// Default: three small networks are trained on the digits, which takes about half a minute.
    #[arg(long = "model", value_name = "FILE")]
    models: Vec<PathBuf>,
    #[command(flatten)]
    kind: Kind,
    /// The data of saved models: safetensors with `images` [n, c, h, w] (f32 in [0, 1], or u8) and `labels`
    /// [n] (i64 or u8). Default: the embedded test digits.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// The image whose surroundings are drawn, counted from 0. Default: the first that all models get right.
    #[arg(long, value_name = "INDEX")]
    image: Option<usize>,
    /// The budget the models were trained with, in L-infinity: a number, or a fraction such as 8/255. The
    /// surface reaches twice as far.
    #[arg(long, default_value = "0.1")]
    epsilon: Epsilon,
    /// The large budget. Default: 3.75 times epsilon, as in the paper (30/255 for models of 8/255).
    #[arg(long)]
    large_epsilon: Option<Epsilon>,
    /// How many adversarial images, the first that all models get right.
    #[arg(long, value_name = "N", default_value_t = 9)]
    images: usize,
    /// The seed of the weights, the random direction and the attacks.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where to write surface.svg and large-epsilon.png.
    #[arg(long, value_name = "DIR", default_value = "target/landscape")]
    out: PathBuf,
}

/// A model with its name, ready to be attacked.
struct Subject {
    name: String,
    model: FrozenModel<4>,
}

fn main() -> ExitCode {
    free_at_examples::exit(run(Arguments::parse()))
}

fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let Arguments { kind, epsilon, seed, out, .. } = &arguments;
    std::fs::create_dir_all(out)
        .map_err(|error| format!("the folder {} cannot be made: {error}", out.display()))?;
    let threat = ThreatModel::linf(*epsilon);
    threat.check()?;
    let subjects = match arguments.models.is_empty() {
        true => trained::on_digits(&threat, *seed)?,
        false => {
            let load = |file: &PathBuf| -> Result<Subject, Box<dyn Error>> {
                let loaded = kind.load(file, &Device::default())?;
                Ok(Subject { name: stem(file), model: FrozenModel::new(&loaded.model) })
            };
            arguments.models.iter().map(load).collect::<Result<_, _>>()?
        }
    };
    let test = match &arguments.data {
        Some(file) => data::load(file)?,
        None => digits::test(),
    };
    let [_, height, width] = test.shape();
    if height != width {
        return Err(format!("images must be square to be drawn, found {height}×{width}").into());
    }
    let right = images::right(&subjects, &test, arguments.images.max(1))?;
    let image = match (arguments.image, right.first()) {
        (Some(index), _) if index < test.len() => index,
        (Some(index), _) => {
            return Err(format!("there is no image {index}: there are {}", test.len()).into());
        }
        (None, Some(first)) => *first,
        (None, None) => return Err("there is no image that all models get right".into()),
    };

    let reach = 2.0 * epsilon.value();
    let surfaces = surface::measure(&subjects, &test, image, (reach, *seed))?;
    let label = &test.class_names()[test.label(image).unwrap_or_default()];
    let svg =
        surface::draw(&surfaces, reach, &format!("The loss around image {image}, a {label}"))?;
    files::write(&out.join("surface.svg"), svg.as_bytes())?;

    const AS_IN_THE_PAPER: f64 = 30.0 / 8.0;
    let large = Epsilon::unit(AS_IN_THE_PAPER * epsilon.value());
    let threat = ThreatModel::linf(arguments.large_epsilon.unwrap_or(large));
    let shown = if right.is_empty() { vec![image] } else { right };
    let png = images::draw(&subjects, &test.subset(shown), &threat, *seed)?;
    files::write(&out.join("large-epsilon.png"), &png)?;
    println!("wrote surface.svg and large-epsilon.png ({threat}) to {}", out.display());
    Ok(())
}
