//! A whole training in one call: checkpoints, the guard, metrics, what is kept after each step, devices.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::backend::AutodiffBackend;
use burn::data::dataloader::DataLoader;
use burn::optim::ModuleOptimizer;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::tensor::Device;
use burn::train::metric::{AccuracyMetric, Adaptor, LossMetric, Metric, Numeric};
use burn::train::renderer::{MetricsRenderer, default_renderer};
use burn::train::{ClassificationOutput, Learner, LearningResult, SupervisedTraining};

use super::adversarial_model::AdversarialModel;
use super::after_step::{AfterStep, Kept};
use super::checkpoint::Checkpoints;
use super::finite::check_finite;
use super::guard::{Best, Guard, Overfitting};
use super::metrics::{EveryNth, RobustAccuracyMetric};
use super::metrics_file::MetricsFile;
use super::rates::check_schedule;
use super::short_lines::ShortLines;
use super::validation_output::ValidationOutput;
use crate::model::batch::Batch;
use crate::model::classifier::Trainable;
use crate::train::TrainError;
use crate::train::method::interface::{Descend, Method};
use crate::train::trainer::Trainer;

type Batches<const D: usize> = Arc<dyn DataLoader<Batch<D>>>;
type InBurn<C, M, const D: usize> = SupervisedTraining<AdversarialModel<C, M, D>>;
type Setting<C, M, const D: usize> = Box<dyn FnOnce(InBurn<C, M, D>) -> InBurn<C, M, D> + Send>;

impl<M: Method, B: AutodiffBackend> Trainer<M, B> {
    /// A training that loses nothing, in one call: it writes checkpoints and `metrics.jsonl` into `folder`, goes
    /// on from the newest whole checkpoint there, and ends in the same parameters as if it had never been
    /// stopped. [`Run`] says what can be added; [`launch`](Run::launch) begins.
    pub fn run<C, const D: usize>(
        &self,
        folder: impl AsRef<Path>,
        train: Batches<D>,
        valid: Batches<D>,
    ) -> Run<'_, C, M, B, D>
    where
        C: Trainable<D>,
        M: Descend<D>,
    {
        Run {
            trainer: self,
            folder: folder.as_ref().to_path_buf(),
            train,
            valid,
            passes: 1,
            guard: None,
            after_step: None,
            devices: Devices::Own,
            metrics_every: 10,
            accumulated: 1,
            settings: Vec::new(),
        }
    }
}

/// A training, from [`Trainer::run`]. What belongs together is put together here, so that none of it can be
/// forgotten or wired to another training.
///
/// In `folder` it keeps `checkpoint/` (see [`Checkpoints`]), and `metrics.jsonl` and `tensorboard/` (see
/// [`MetricsFile`]). It prints Burn's dashboard in a terminal, where that is compiled in, and short lines elsewhere.
/// [`Trainer::stopper`] stops it with a checkpoint.
///
/// ```
/// use burn::optim::SgdConfig;
/// # use burn::data::dataloader::{DataLoader, DataLoaderBuilder, batcher::Batcher};
/// # use burn::data::dataset::InMemDataset;
/// # use burn::module::Module;
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::tensor::{Device, Tensor};
/// # use free_at_core::{AttackTask, Batch, Bounds, Classifier, Epsilon, Error, ThreatModel};
/// use free_at_core::train::{FreeAdversarialTrainer, FreeConfig};
/// # #[derive(Module, Debug)]
/// # struct Model { linear: Linear }
/// # impl Classifier<2> for Model {
/// #     fn logits(&self, inputs: Tensor<2>) -> Tensor<2> { self.linear.forward(inputs) }
/// # }
/// # struct Rows;
/// # impl Batcher<[f32; 4], Batch<2>> for Rows {
/// #     fn batch(&self, rows: Vec<[f32; 4]>, device: &Device) -> Batch<2> {
/// #         let labels = vec![0; rows.len()];
/// #         Batch::from_samples(&rows, &[4], &labels, 3, &Bounds::default(), device).unwrap()
/// #     }
/// # }
/// # let folder = std::env::temp_dir().join(format!("free-at-run-{}", std::process::id()));
/// # let loader = || DataLoaderBuilder::new(Rows).batch_size(2).set_device(Device::flex())
/// #     .build(InMemDataset::new(vec![[0.5; 4]; 6]));
/// # let (train, valid) = (loader(), loader());
/// let config = FreeConfig::new(ThreatModel::linf(Epsilon::pixels(8.0))).with_replays(2);
/// let trainer = FreeAdversarialTrainer::new(config, Device::flex())?;
/// # let model = Model { linear: LinearConfig::new(4, 3).init(trainer.device()) };
/// let trained = trainer
///     .run(&folder, train, valid)
///     .passes(trainer.passes(6))
///     .launch(model, SgdConfig::new().init(), 0.1)?;
/// # assert_eq!((trainer.state().steps(), trained.passes), (18, 3));
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), free_at_core::train::TrainError>(())
/// ```
///
/// A guard of another model than the one that is trained does not compile:
///
/// ```compile_fail,E0308
/// # use std::sync::Arc;
/// # use burn::data::dataloader::DataLoader;
/// # use burn::module::Module;
/// # use burn::nn::Linear;
/// # use burn::optim::ModuleOptimizer;
/// # use burn::tensor::Tensor;
/// # use free_at_core::train::{FreeAdversarialTrainer, Guard};
/// # use free_at_core::{Batch, Classifier};
/// # #[derive(Module, Debug)]
/// # struct Model { linear: Linear }
/// # #[derive(Module, Debug)]
/// # struct Other { linear: Linear }
/// # impl Classifier<2> for Model {
/// #     fn logits(&self, inputs: Tensor<2>) -> Tensor<2> { self.linear.forward(inputs) }
/// # }
/// # impl Classifier<2> for Other {
/// #     fn logits(&self, inputs: Tensor<2>) -> Tensor<2> { self.linear.forward(inputs) }
/// # }
/// fn run(
///     trainer: FreeAdversarialTrainer,
///     data: Arc<dyn DataLoader<Batch<2>>>,
///     model: Model,
///     guard: Guard<Other, 2>,
///     optimizer: ModuleOptimizer,
/// ) {
///     let _ = trainer.run("runs/free-8", data.clone(), data).guard(guard).launch(model, optimizer, 0.1);
/// }
/// ```
#[must_use = "a training begins with `launch`"]
pub struct Run<'a, C, M, B, const D: usize>
where
    C: Trainable<D>,
    M: Descend<D>,
    B: AutodiffBackend,
{
    trainer: &'a Trainer<M, B>,
    folder: PathBuf,
    train: Batches<D>,
    valid: Batches<D>,
    passes: usize,
    guard: Option<Guard<C, D>>,
    after_step: Option<Arc<dyn AfterStep<C>>>,
    devices: Devices,
    metrics_every: usize,
    accumulated: u64,
    settings: Vec<Setting<C, M, D>>,
}

enum Devices {
    Own,
    Several(Vec<Device>),
    Distributed(Vec<Device>),
}

/// What came of a [`Run`].
#[derive(Debug)]
pub struct Trained<C> {
    /// The model after the last pass; the one that was kept beside it, where one was.
    pub model: C,
    /// The model after the best pass, as the guard measured it; none without a guard, or if that pass was in a part
    /// of the run before this one, whose [`on_best`](Guard::on_best) had it.
    pub best_model: Option<C>,
    /// The best pass so far.
    pub best: Option<Best>,
    /// Catastrophic overfitting, where the guard saw it.
    pub overfitting: Option<Overfitting>,
    /// Whole passes over the data, those of earlier parts of the run included.
    pub passes: u64,
    /// Whether it was asked to [stop](Trainer::stopper): then it goes on when it is launched again.
    pub stopped: bool,
}

impl<C, M, B, const D: usize> Run<'_, C, M, B, D>
where
    C: Trainable<D>,
    M: Descend<D>,
    B: AutodiffBackend,
{
    /// Passes over the training data, those of earlier parts of the run included: for Free-m see
    /// [`Trainer::passes`]. Default: 1.
    pub fn passes(self, passes: usize) -> Self {
        Self { passes, ..self }
    }

    /// A guard, which attacks the first validation samples after each pass, keeps the best model and notices
    /// catastrophic overfitting. Default: none.
    pub fn guard(self, guard: Guard<C, D>) -> Self {
        let (trainer, samples) = (self.trainer, self.train.num_items());
        let gradients = samples * trainer.replays() * trainer.gradient_computations();
        Self { guard: Some(guard.of(trainer.session(), gradients)), ..self }
    }

    /// What keeps a second model beside the trained one, after each step: an average of its weights, say.
    /// Default: nothing.
    pub fn after_step(self, after_step: impl AfterStep<C> + 'static) -> Self {
        Self { after_step: Some(Arc::new(after_step)), ..self }
    }

    /// Several devices that share every minibatch, as [`Trainer::multi_device`] has it. Default: the trainer's.
    pub fn devices(self, devices: &[Device]) -> Self {
        Self { devices: Devices::Several(devices.to_vec()), ..self }
    }

    /// Several devices that train distributed, as [`Trainer::distributed`] has it.
    pub fn distributed(self, devices: &[Device]) -> Self {
        Self { devices: Devices::Distributed(devices.to_vec()), ..self }
    }

    /// Reads training metrics every this many minibatches: reading waits for the device. Default: 10.
    pub fn metrics_every(self, minibatches: usize) -> Self {
        Self { metrics_every: minibatches, ..self }
    }

    /// Another of Burn's metrics over the training, which is told of every minibatch.
    pub fn metric_train<Me>(self, metric: Me) -> Self
    where
        Me: Metric + 'static,
        ClassificationOutput: Adaptor<Me::Input>,
    {
        self.setting(|training| training.metric_train(metric))
    }

    /// The same for one that is a number: beside loss and accuracy, and read as rarely as they are.
    pub fn metric_train_numeric<Me>(self, metric: Me) -> Self
    where
        Me: Metric + Numeric + 'static,
        ClassificationOutput: Adaptor<Me::Input>,
    {
        let every = self.metrics_every;
        self.setting(move |training| training.metric_train_numeric(EveryNth::new(every, metric)))
    }

    /// Another of Burn's metrics over the validation, beside loss, accuracy and, with a guard, robust accuracy.
    pub fn metric_valid_numeric<Me>(self, metric: Me) -> Self
    where
        Me: Metric + Numeric + 'static,
        ValidationOutput: Adaptor<Me::Input>,
    {
        self.setting(|training| training.metric_valid_numeric(metric))
    }

    /// Another renderer of Burn's. Default: its dashboard in a terminal, where the feature `tui` is on, and else
    /// [`ShortLines`].
    pub fn renderer(self, renderer: Box<dyn MetricsRenderer>) -> Self {
        self.setting(|training| training.renderer(renderer))
    }

    /// Adds up the gradients of so many minibatches for each optimiser step; at least 1. Default: 1.
    pub fn accumulating(self, minibatches: usize) -> Self {
        let accumulated = minibatches.max(1);
        let run = Self { accumulated: accumulated as u64, ..self };
        run.setting(move |training| training.grads_accumulation(accumulated))
    }

    /// Computes activations anew in the backward pass, which takes less memory and more time. Default: off.
    pub fn gradient_checkpointing(self) -> Self {
        self.setting(|training| training.gradient_checkpointing())
    }

    /// Accepts a training that can begin, before anything is written.
    ///
    /// # Errors
    /// A model that is elsewhere or cannot be trained; no data ([`TrainError::NoData`]); a guard, devices, or what is kept after a step, out of their
    /// range.
    pub fn check(&self, model: &C) -> Result<(), TrainError> {
        self.trainer.session().check_model(model)?;
        if self.train.num_items() == 0 {
            return Err(TrainError::NoData);
        }
        if let Some(guard) = &self.guard {
            guard.check()?;
        }
        if let Some(after_step) = &self.after_step {
            after_step.check()?;
        }
        match &self.devices {
            Devices::Own => Ok(()),
            Devices::Several(devices) => self.trainer.check_devices(devices),
            Devices::Distributed(devices) => self.trainer.check_distributed(devices),
        }
    }

    /// Trains. The schedule counts optimiser steps, replays included.
    ///
    /// # Errors
    /// Those of [`check`](Self::check); [`TrainError::LearningRate`]; a folder that cannot be written, checkpoints of another training
    /// ([`TrainError::OtherModel`], [`TrainError::OtherAfterStep`]). What ended the training early: its data, model or
    /// loss, a best model that could not be kept, or [`TrainError::Loop`]. Everything saved before stays.
    pub fn launch(
        self,
        model: C,
        optimizer: ModuleOptimizer,
        schedule: impl Into<ModuleLrScheduler>,
    ) -> Result<Trained<C>, TrainError> {
        self.check(&model)?;
        let schedule = schedule.into();
        // A step for each replay of a pass at least.
        let steps = self.passes * self.trainer.replays();
        check_schedule(&schedule, &model, steps.max(1) as u64)?;
        let name = self.after_step.as_ref().map(|after_step| after_step.name());
        let checkpoints =
            Checkpoints::open(self.folder.join("checkpoint"), &model)?.after_step(name)?;
        let done = checkpoints.newest().map_or(0, |about| about.passes as usize);
        let path = self.folder.join("metrics.jsonl");
        let metrics = MetricsFile::open(path, done, self.trainer.clock())?;

        let trainer = self.trainer;
        let guard = self.guard.map(|guard| guard.remembering(metrics.best()));
        let kept = Kept::new(&model, self.after_step, self.accumulated);
        let learned = trainer.adversarial_model(model, kept)?;
        let learned = match &guard {
            Some(guard) => learned.with_probe(guard.probe()),
            None => learned,
        };

        let every = self.metrics_every;
        let training = trainer
            .training(&self.folder, self.train, self.valid)
            .metric_train_numeric(EveryNth::new(every, LossMetric::new()))
            .metric_train_numeric(EveryNth::new(every, AccuracyMetric::new()))
            .metric_valid_numeric(LossMetric::new())
            .metric_valid_numeric(AccuracyMetric::new())
            .with_metric_logger(metrics)
            .renderer(renderer(trainer, done))
            .with_application_logger(None)
            .num_epochs(self.passes);
        let training = match &guard {
            Some(guard) => training
                .metric_valid_numeric(RobustAccuracyMetric::new())
                .early_stopping(guard.clone()),
            None => training,
        };
        let training = match self.devices {
            Devices::Own => training,
            Devices::Several(devices) => {
                training.with_training_strategy(trainer.multi_device(&devices)?.into())
            }
            Devices::Distributed(devices) => {
                training.with_training_strategy(trainer.distributed(&devices)?.into())
            }
        };
        let training = self.settings.into_iter().fold(training, |training, set| set(training));
        let training = checkpoints.keep(trainer.session(), training, guard.as_ref());
        let result = training.launch(Learner::new(learned, optimizer, schedule));
        trained(trainer, guard, result)
    }

    fn setting(
        mut self,
        set: impl FnOnce(InBurn<C, M, D>) -> InBurn<C, M, D> + Send + 'static,
    ) -> Self {
        self.settings.push(Box::new(set));
        self
    }
}

/// What came of it, or what ended it.
fn trained<C, M, B, const D: usize>(
    trainer: &Trainer<M, B>,
    guard: Option<Guard<C, D>>,
    result: LearningResult<AdversarialModel<C, M, D>>,
) -> Result<Trained<C>, TrainError>
where
    C: Trainable<D>,
    M: Descend<D>,
    B: AutodiffBackend,
{
    if let Some(error) = trainer.failure() {
        return Err(error);
    }
    if let Some(error) = guard.as_ref().and_then(Guard::failure) {
        return Err(error.into());
    }
    if let Some(error) = result.error {
        return Err(TrainError::Loop { reason: error.to_string() });
    }
    let model = result.model.into_classifier();
    check_finite(&model)?;
    Ok(Trained {
        model,
        best_model: guard.as_ref().and_then(Guard::best_model),
        best: guard.as_ref().and_then(Guard::best),
        overfitting: guard.as_ref().and_then(Guard::overfitting),
        passes: trainer.state().passes(),
        stopped: trainer.stopper().should_stop(),
    })
}

/// Burn's dashboard in a terminal, short lines elsewhere.
fn renderer<M: Method, B: AutodiffBackend>(
    trainer: &Trainer<M, B>,
    done: usize,
) -> Box<dyn MetricsRenderer> {
    match cfg!(feature = "tui") && std::io::stdout().is_terminal() {
        true => default_renderer(trainer.stopper(), (done > 0).then_some(done)),
        false => Box::new(ShortLines::new()),
    }
}
