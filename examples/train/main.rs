//! Trains a classifier on images, so that it withstands adversarial examples, with a published recipe or
//! values of your own; loses nothing when it is stopped; reports how robust it is, and writes the model's card.
//!
//! `cargo run --release --example train -- --dataset cifar10 --data DIR --recipe wong-cifar`

mod arguments;
mod card;
mod curves;
mod data;
mod methods;
mod report;
mod run;
mod settings;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use burn::tensor::Device;
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches};
use free_at_examples::devices;

use crate::arguments::Arguments;
use crate::run::Run;
use crate::settings::Settings;

/// As in the quickstart: the system's allocator costs a third of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    free_at_examples::exit(start())
}

fn start() -> Result<(), Box<dyn Error>> {
    let matches = Arguments::command().get_matches();
    let arguments = Arguments::from_arg_matches(&matches)?;
    let out = &arguments.out;
    std::fs::create_dir_all(out)
        .map_err(|error| format!("the folder {} cannot be made: {error}", out.display()))?;
    let config = out.join("config.json");
    let asked = Settings::new(arguments.wanted.clone(), arguments.devices.len())?;
    let before = Settings::read(&config)?;
    let settings = match (before, arguments.resume) {
        (Some(before), true) => {
            // A command line that says nothing of the settings goes on with those of the run.
            let own = ["out", "resume", "devices", "workers", "metrics_every", "no_report"];
            let said = matches.ids().any(|id| {
                !own.contains(&id.as_str())
                    && matches.try_contains_id(id.as_str()).unwrap_or(false)
                    && matches.value_source(id.as_str()) == Some(ValueSource::CommandLine)
            });
            let data = data::load(&before.wanted, &before.recipe)?;
            let other = asked.for_data(&data).differences(&before)?;
            if said && !other.is_empty() {
                return Err(format!(
                    "the run in {} has other settings ({}): leave them out to go on with it, or begin another with another --out",
                    out.display(),
                    other.join(", ")
                )
                .into());
            }
            before.check_devices(arguments.devices.len())?;
            before
        }
        (None, true) => asked,
        // Checkpoints without their config.json are a run too.
        (before, false) if before.is_some() || holds_a_run(out) => {
            return Err(format!(
                "there is a run in {}: go on with --resume, or choose another --out",
                out.display()
            )
            .into());
        }
        (_, false) => asked,
    };

    let device = |name: &String| {
        devices::parse(name)
            .and_then(|device| devices::with_precision(device, &settings.wanted.precision))
    };
    let devices = arguments.devices.iter().map(device).collect::<Result<Vec<Device>, _>>()?;
    let main_device = devices.first().ok_or("--devices: name at least one")?.clone();
    let data = data::load(&settings.wanted, &settings.recipe)?;
    let settings = settings.for_data(&data);
    let run = Run { arguments: &arguments, settings: &settings, devices: &devices, data: &data };
    run.announce()?;

    methods::train(&run, main_device)
}

fn holds_a_run(out: &Path) -> bool {
    let checkpoints = std::fs::read_dir(out.join("checkpoint"));
    run::last(out).exists() || checkpoints.is_ok_and(|mut entries| entries.next().is_some())
}
