//! One training in Burn's loop: checkpoints, guard, metrics, devices.

use std::error::Error;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use burn::data::dataloader::DataLoader;
use burn::tensor::Device;
use burn::train::Interrupter;
use burn::train::metric::{AccuracyMetric, LossMetric};
use burn::train::renderer::{MetricsRenderer, default_renderer};
use free_at::observe::{GradientAlignment, GradientNorm, HardestSamples, SaliencyMaps};
use free_at::prelude::*;
use free_at::train::{Checkpoints, Descend, EveryNth, Guard, MetricsFile, Response};

use crate::arguments::{Arguments, MethodName, OnOverfitting, Strategy};
use crate::data::Data;
use crate::lines::Lines;
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
        let checkpoints = Checkpoints::open(out.join("checkpoint"), &model)?;
        checkpoints.skipped().iter().for_each(|why| eprintln!("warning: {why}"));
        let done = checkpoints.newest().map_or(0, |about| about.passes as usize);
        if let Some(about) = checkpoints.newest() {
            println!("going on after {} steps ({} whole passes)", about.steps, about.passes);
        }

        let train = self.train_loader(trainer.device())?;
        let passes = recipe.passes(trainer.replays(), minibatches);
        let schedule = recipe.schedule(trainer.replays(), minibatches);
        let steps = recipe.steps(trainer.replays(), minibatches);
        println!("{}: {passes} passes, {steps} optimiser steps, rate {schedule}", trainer.name());
        schedule.check()?;

        let metrics = MetricsFile::open(out.join("metrics.jsonl"), done, trainer.clock())?;
        let guard = self.guard().remembering(metrics.best());
        let valid = if data.held_out.is_empty() { &data.test } else { &data.held_out };
        let valid = valid.loader(recipe.batch_size, None, trainer.device())?;
        let optimizer = recipe.sgd.init(&model);
        let every = arguments.metrics_every;
        let training = trainer
            .training(out, train, valid)
            .metric_train_numeric(EveryNth::new(every, LossMetric::new()))
            .metric_train_numeric(EveryNth::new(every, AccuracyMetric::new()))
            .metric_valid_numeric(LossMetric::new())
            .metric_valid_numeric(AccuracyMetric::new())
            .with_metric_logger(metrics)
            .renderer(renderer(trainer.stopper(), done))
            .with_application_logger(None)
            .num_epochs(passes);
        let training = match arguments.observe {
            true => training
                .metric_train_numeric(EveryNth::new(every, norm))
                .metric_train_numeric(EveryNth::new(every, alignment)),
            false => training,
        };
        let training = match (self.devices.len(), self.settings.wanted.strategy) {
            (_, Strategy::Ddp) => {
                training.with_training_strategy(trainer.distributed(self.devices)?.into())
            }
            (1, Strategy::Multi) => training,
            _ => training.with_training_strategy(trainer.multi_device(self.devices)?.into()),
        };
        let (learner, guard) = trainer.guarded_learner(
            model,
            optimizer,
            schedule.scheduler(),
            &guard,
            data.train.len(),
        )?;
        let training = checkpoints.keep(trainer, guard.watch(training), Some(&guard));
        let (samples, interval) = guard.samples_and_interval();
        let samples = samples.min(data.held_out.len());
        let when = match interval {
            1 => "every pass".to_string(),
            _ => format!("the first pass and every {interval}"),
        };
        println!("probe: PGD-10 on {samples} held-out images after {when}");
        // Only now: what was refused before this is no run to go on with.
        self.settings.write(&out.join("config.json"))?;

        let start = Instant::now();
        let result = training.launch(learner);
        let seconds = start.elapsed().as_secs_f64();
        say_skipped(&data.train);
        if let Some(error) = trainer.failure() {
            return Err(
                format!("{error}; the checkpoints before it are in {}", out.display()).into()
            );
        }
        if let Some(error) = guard.failure() {
            return Err(error.into());
        }
        if let Some(error) = result.error {
            return Err(
                format!("{error}; the checkpoints before it are in {}", out.display()).into()
            );
        }
        let ordinary = self.settings.wanted.method == MethodName::Standard;
        if let Some(overfitting) = guard.overfitting().filter(|_| !ordinary) {
            println!("{overfitting}");
        }
        if trainer.stopper().should_stop() {
            println!(
                "stopped after {} steps: go on with --resume --out {}",
                trainer.state().steps(),
                out.display()
            );
            return Ok(());
        }
        println!("trained for {seconds:.1} s");
        free_at::models::save(&result.model.into_classifier(), last(out))?;
        report::finish(self, &trainer.name(), trainer.stopper())
    }

    fn train_loader(
        &self,
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
        let loading = self.data.train.loading(share).shuffled(self.settings.wanted.seed);
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
                .map_err(|error| free_at::core::files::failed(&best, error))
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

/// Burn's dashboard in a terminal, short lines elsewhere.
fn renderer(stopper: Interrupter, done: usize) -> Box<dyn MetricsRenderer> {
    match cfg!(feature = "tui") && std::io::stdout().is_terminal() {
        true => default_renderer(stopper, (done > 0).then_some(done)),
        false => Box::new(Lines::new()),
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
