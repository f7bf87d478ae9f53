//! One training in Burn's loop: checkpoints, guard, metrics, devices.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::tensor::Device;
use burn::train::Interrupter;
use free_at::models::{Network, Normalized};
use free_at::observe::{GradientAlignment, GradientNorm, HardestSamples, SaliencyMaps};
use free_at::prelude::*;
use free_at::train::{Descend, Response, Swa, reestimate_statistics};

use crate::arguments::{Arguments, MethodName, OnOverfitting, Strategy};
use crate::card;
use crate::data::Data;
use crate::report;
use crate::settings::Settings;

pub(crate) type Model = Normalized<Network>;

/// Images in hardest.json.
const HARDEST: usize = 100;

pub(crate) struct Run<'a> {
    pub(crate) arguments: &'a Arguments,
    pub(crate) settings: &'a Settings,
    pub(crate) devices: &'a [Device],
    pub(crate) data: &'a Data,
}

impl Run<'_> {
    /// Says what is going to be done, with every value.
    pub(crate) fn announce(&self) -> Result<(), Box<dyn Error>> {
        let Data { train, held_out, test } = self.data;
        println!(
            "{:?}: {} training, {} held-out and {} test images of {:?}, {} classes, on {:?}",
            self.settings.wanted.dataset,
            train.len(),
            held_out.len(),
            test.len(),
            train.shape(),
            train.classes(),
            self.devices,
        );
        print!("{}", self.settings.recipe);
        let network = self.settings.recipe.model(&self.devices[0])?;
        println!("  {:14} {}", "parameters", network.summary(&train.shape())?.parameters());
        Ok(())
    }

    pub(crate) fn train<M: Descend<4>>(&self, trainer: Trainer<M>) -> Result<(), Box<dyn Error>> {
        let Self { arguments, settings: Settings { recipe, .. }, data, .. } = self;
        let out = &arguments.out;
        let (norm, alignment) = (GradientNorm::new(), GradientAlignment::new());
        let trainer = &match arguments.observe {
            true => trainer
                .observing(norm.clone())
                .observing(alignment.clone())
                .observing(SaliencyMaps::new().writing_to(out.join("saliency")))
                .observing(HardestSamples::new().writing_to(out.join("hardest.json"), HARDEST)),
            false => trainer,
        };
        stop_on_signal(trainer.stopper())?;
        if arguments.resume && last(out).exists() {
            println!("the training has ended: {} is its last model", last(out).display());
            return report::finish(self, &trainer.name(), trainer.stopper());
        }
        let minibatches = self.settings.minibatches(data)?;
        let model = recipe.model(trainer.device())?;
        say_where_it_goes_on(&Checkpoints::open(out.join("checkpoint"), &model)?);
        let train = self.loader_of(&data.train, trainer.device())?;
        let valid = if data.held_out.is_empty() { &data.test } else { &data.held_out };
        let valid = valid.loader(recipe.batch_size, None, trainer.device())?;
        let passes = recipe.passes(trainer.replays(), minibatches);
        let schedule = recipe.schedule(trainer.replays(), minibatches);
        let steps = recipe.steps(trainer.replays(), minibatches);
        println!("{}: {passes} passes, {steps} optimiser steps, rate {schedule}", trainer.name());
        schedule.check()?;

        let guard = self.guard();
        let run = trainer
            .run(out, train, valid)
            .passes(passes)
            .metrics_every(arguments.metrics_every)
            .guard(guard.clone());
        let run = match arguments.observe {
            true => run.metric_train_numeric(norm).metric_train_numeric(alignment),
            false => run,
        };
        let additions = &self.settings.wanted.additions;
        let run = match (recipe.additions.average(), additions.swa) {
            (Some(average), _) => run.after_step(average),
            (None, Some(share)) => run.after_step(Swa::new(((share * steps as f64) as u64).max(1))),
            (None, None) => run,
        };
        let run = match (self.devices.len(), self.settings.wanted.strategy) {
            (_, Strategy::Ddp) => run.distributed(self.devices),
            (1, Strategy::Multi) => run,
            _ => run.devices(self.devices),
        };
        run.check(&model)?;
        self.say_what_is_probed(&guard);
        // Only now: what was refused before this is no run to go on with.
        let config = out.join("config.json");
        if !config.exists() {
            card::keep_command(out)?;
        }
        self.settings.write(&config)?;

        let start = Instant::now();
        let optimizer = recipe.sgd.init(&model);
        let trained = run.launch(model, optimizer, schedule.scheduler());
        let seconds = start.elapsed().as_secs_f64();
        say_skipped(&data.train);
        let trained = trained.map_err(|error| {
            format!("{error}; the checkpoints before it are in {}", out.display())
        })?;
        let ordinary = self.settings.wanted.method == MethodName::Standard;
        if let Some(overfitting) = trained.overfitting.filter(|_| !ordinary) {
            println!("{overfitting}");
        }
        if trained.stopped {
            println!(
                "stopped after {} steps: go on with --resume --out {}",
                trainer.state().steps(),
                out.display()
            );
            return Ok(());
        }
        println!("trained for {seconds:.1} s");
        let model = match additions.swa {
            Some(_) => {
                let model = trained.model.train();
                let images = data.train.with_cutmix(0.0)?; // running statistics are for whole images
                let images = self.loader_of(&images, trainer.device())?;
                reestimate_statistics(model, &*images)?.valid()
            }
            None => trained.model,
        };
        free_at::models::save(&model, last(out))?;
        report::finish(self, &trainer.name(), trainer.stopper())
    }

    fn say_what_is_probed(&self, guard: &Guard<Model, 4>) {
        let (samples, interval) = guard.samples_and_interval();
        let samples = samples.min(self.data.held_out.len());
        let when = match interval {
            1 => "every pass".to_string(),
            _ => format!("the first pass and every {interval}"),
        };
        println!("probe: PGD-10 on {samples} held-out images after {when}");
    }

    fn loader_of(
        &self,
        images: &ImageDataset,
        device: &Device,
    ) -> Result<Arc<dyn DataLoader<Batch<4>>>, Box<dyn Error>> {
        let recipe = &self.settings.recipe;
        let share = recipe.batch_size / self.devices.len();
        if share * self.devices.len() != recipe.batch_size {
            let (size, devices) = (recipe.batch_size, self.devices.len());
            return Err(format!(
                "a minibatch of {size} cannot be shared by {devices} devices: choose a multiple"
            )
            .into());
        }
        let loading = images.loading(share).with_seed(self.settings.wanted.seed);
        let loading = match self.arguments.workers {
            Some(workers) => loading.with_workers(workers),
            None => loading,
        };
        let loading = if recipe.drop_last { loading.dropping_last() } else { loading };
        Ok(loading.build(device)?)
    }

    /// The probe on held-out images; without any, it probes nothing.
    fn guard(&self) -> Guard<Model, 4> {
        let wanted = &self.settings.wanted;
        let response = match (wanted.method, wanted.on_overfitting) {
            // Ordinary training loses what robustness there was at first; that is no surprise.
            (MethodName::Standard, _) | (_, OnOverfitting::Report) => Response::Report,
            (_, OnOverfitting::Stop) => Response::Stop,
            (_, OnOverfitting::Restore) => Response::Restore,
        };
        let best = self.arguments.out.join("best.safetensors");
        let keep = move |model: &Model, _| {
            free_at::models::save(model, &best)
                .map_err(|error| free_at::files::failed(&best, error))
        };
        let guard = Guard::new(self.settings.recipe.threat.clone(), Pgd::new(10))
            .with_response(response)
            .on_best(keep);
        let guard = match wanted.patience {
            Some(passes) => guard.with_patience(passes),
            None => guard,
        };
        if self.data.held_out.is_empty() { guard.with_samples(0) } else { guard }
    }
}

/// The model after the last pass, written when training has ended.
pub(crate) fn last(out: &Path) -> PathBuf {
    out.join("last.safetensors")
}

/// Names the images that did not decode.
pub(crate) fn say_skipped(images: &ImageDataset) {
    images
        .skipped()
        .iter()
        .for_each(|name| eprintln!("warning: {name} did not decode and was left out"));
}

/// Names the checkpoints that were damaged, and the one that the run goes on from.
fn say_where_it_goes_on(checkpoints: &Checkpoints) {
    checkpoints.skipped().iter().for_each(|why| eprintln!("warning: {why}"));
    if let Some(about) = checkpoints.newest() {
        println!("going on after {} steps ({} whole passes)", about.steps, about.passes);
    }
}

/// The first Ctrl-C (or SIGTERM) ends the training with a checkpoint, or the report; the second at once.
fn stop_on_signal(stopper: Interrupter) -> Result<(), Box<dyn Error>> {
    Ok(ctrlc::set_handler(move || {
        if stopper.should_stop() {
            std::process::exit(130); // what a shell reports of a program that Ctrl-C ended
        }
        eprintln!("stopping after the running minibatch; again to stop at once");
        stopper.stop(Some("asked to stop"));
    })?)
}
