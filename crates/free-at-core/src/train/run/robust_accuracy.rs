//! Robust accuracy on a few held-out samples, measured inside Burn's validation, and beside it the accuracy
//! of the answers that the model gave in training.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{FloatDType, Tensor};

use super::device_mean::DeviceMean;
use crate::attack::device_check::check_device;
use crate::attack::interface::Attack;
use crate::attack::task::AttackTask;
use crate::draws::Draws;
use crate::error::Error;
use crate::model::batch::Batch;
use crate::model::classifier::Trainable;
use crate::model::frozen::FrozenModel;
use crate::rows;
use crate::threat::goal::Goal;
use crate::threat::threat_model::ThreatModel;

/// An attack on the first samples of the validation data, every so many passes.
pub(crate) struct Probe<C, const D: usize> {
    pub(crate) threat: ThreatModel,
    pub(crate) attack: Arc<dyn Attack<D>>,
    pub(crate) seed: u64,
    /// How many samples, at most, and in which passes.
    pub(crate) samples: AtomicUsize,
    pub(crate) every: AtomicU64,
    /// Of the answers in this pass over the training data those that are right, and of its probed samples
    /// those that withstand.
    pub(crate) training: DeviceMean,
    pub(crate) robust: DeviceMean,
    /// Of the probed samples those that were moved further than they may be.
    pub(crate) beyond: DeviceMean,
    seen: Mutex<Seen<C>>,
    /// Whether the device has computed what is known.
    trusted: AtomicBool,
}

struct Seen<C> {
    /// Passes over the training data that were made before this validation, and its samples so far.
    pass: u64,
    samples: usize,
    /// The model that was probed in it.
    model: Option<C>,
}

/// How many of some samples withstood the attack; the number stays on the device.
#[derive(Debug, Clone)]
pub struct RobustCount {
    /// Samples that are still classified correctly, `[1]`.
    pub right: Tensor<1>,
    /// Samples attacked.
    pub samples: usize,
}

impl<C: Trainable<D>, const D: usize> Probe<C, D> {
    pub(crate) fn new(threat: ThreatModel, attack: Arc<dyn Attack<D>>) -> Self {
        let seen = Mutex::new(Seen { pass: 0, samples: 0, model: None });
        let (samples, every) = (AtomicUsize::new(512), AtomicU64::new(1));
        let [training, robust, beyond] = [(); 3].map(|()| DeviceMean::default());
        let trusted = AtomicBool::new(false);
        Self { threat, attack, seed: 0, samples, every, training, robust, beyond, seen, trusted }
    }

    /// Makes the probe cost at most this share of a pass with so many gradient computations: with
    /// fewer samples, and where they would be too few to tell anything, less often.
    pub(crate) fn fit(&self, share: f64, gradients_in_a_pass: usize) {
        const FEWEST: usize = 64;
        let one = self.attack.gradient_computations_in(self.threat.norm());
        let attack = one * self.attack.runs(false);
        let wanted = self.samples.load(Ordering::Relaxed);
        let affordable = share * gradients_in_a_pass as f64 / attack.max(1) as f64;
        let samples = wanted.min((affordable as usize).max(FEWEST));
        self.samples.store(samples, Ordering::Relaxed);
        let every = (samples as f64 / affordable).ceil().max(1.0) as u64;
        self.every.store(every, Ordering::Relaxed);
    }

    /// Attacks those samples of the batch whose turn it is, if any.
    ///
    /// # Errors
    /// Those of the attack and the model.
    pub(crate) fn measure(
        &self,
        model: &C,
        batch: &Batch<D>,
        pass: u64,
    ) -> Result<Option<RobustCount>, Error> {
        let due = pass.is_multiple_of(self.every.load(Ordering::Relaxed).max(1));
        // The first pass too: a short run shall have a best model.
        if !due && pass > 1 {
            return Ok(None);
        }
        let Some((first, count)) = self.turn(model, batch.len(), pass) else { return Ok(None) };
        let inputs = batch.inputs().slice_dim(0, ..count);
        let truth = batch.untargeted().first(count);
        if !self.trusted.load(Ordering::Relaxed) {
            check_device(&inputs)?;
            self.trusted.store(true, Ordering::Relaxed);
        }
        let frozen = FrozenModel::new(model);
        let draws = Draws::new(self.seed, (first..first + count as u64).collect());
        let task = AttackTask::new(&frozen, inputs, truth.clone(), &self.threat, draws)?;
        let adversarial = self.attack.perturb(&task)?;
        let beyond = beyond_budget(&task, &adversarial);
        let (right, samples) = answers(frozen.logits(adversarial)?, &truth);
        self.beyond.add(0, beyond, samples.clone());
        self.robust.add(0, right.clone(), samples);
        Ok(Some(RobustCount { right, samples: count }))
    }

    /// The number of the batch's first sample, and how many of them to attack.
    fn turn(&self, model: &C, n: usize, pass: u64) -> Option<(u64, usize)> {
        let mut seen = self.seen();
        if seen.pass != pass {
            *seen = Seen { pass, samples: 0, model: Some(model.clone()) };
        }
        let first = seen.samples;
        let count = self.samples.load(Ordering::Relaxed).saturating_sub(first).min(n);
        seen.samples += n;
        (count > 0).then_some((first as u64, count))
    }

    /// The model that was probed last; it is kept no longer.
    pub(crate) fn take_model(&self) -> Option<C> {
        self.seen().model.take()
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen<C>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many samples are further from their inputs than ε, or outside the input bounds, by more than rounding, `[1]`: a
/// device that computes wrongly is not to be trusted with the count.
fn beyond_budget<const D: usize>(task: &AttackTask<D>, adversarial: &Tensor<D>) -> Tensor<1> {
    const ROUNDING: f64 = 1e-2; // half precision, over many features; a defect moves a sample by ε and more
    let (allowed, inputs) = (task.allowed(), task.inputs());
    let epsilon = allowed.epsilon();
    let size = allowed.measure(adversarial.clone() - inputs.clone());
    let past = rows::largest(allowed.clamp(adversarial.clone()) - adversarial.clone());
    let within = size
        .lower_equal_scalar(epsilon * (1.0 + ROUNDING))
        .bool_and(past.lower_equal_scalar(epsilon * ROUNDING));
    within.bool_not().cast(FloatDType::F32).sum()
}

/// How many of the answers are right, and how many there are, `[1]` each. As in an evaluation, logits of which one is no
/// finite number are wrong.
fn answers(logits: Tensor<2>, truth: &Goal) -> (Tensor<1>, Tensor<1>) {
    let right = truth.fooled(logits).bool_not().cast(FloatDType::F32);
    (right.clone().sum(), right.ones_like().sum())
}

/// A probe of whatever model: Burn's derived modules take no field that names their model's type.
#[derive(Debug, Clone)]
pub(crate) struct AnyProbe<const D: usize>(Arc<dyn Measure<D>>);

trait Measure<const D: usize>: fmt::Debug + Send + Sync {
    fn note_answers(&self, worker: u64, logits: &Tensor<2>, truth: &Goal);

    fn measure_any(
        &self,
        model: &dyn Any,
        batch: &Batch<D>,
        pass: u64,
    ) -> Result<Option<RobustCount>, Error>;
}

impl<C: Trainable<D>, const D: usize> Measure<D> for Probe<C, D> {
    fn note_answers(&self, worker: u64, logits: &Tensor<2>, truth: &Goal) {
        let (right, all) = answers(logits.clone(), truth);
        self.training.add(worker, right, all);
    }

    fn measure_any(
        &self,
        model: &dyn Any,
        batch: &Batch<D>,
        pass: u64,
    ) -> Result<Option<RobustCount>, Error> {
        match model.downcast_ref() {
            Some(model) => self.measure(model, batch, pass),
            None => Ok(None), // the learner and its guard are of one model
        }
    }
}

impl<const D: usize> AnyProbe<D> {
    pub(crate) fn of<C: Trainable<D>>(probe: Arc<Probe<C, D>>) -> Self {
        Self(probe)
    }

    /// Takes in what the model answered in a training step; the counts stay on the device.
    pub(crate) fn note_answers(&self, worker: u64, logits: &Tensor<2>, truth: &Goal) {
        self.0.note_answers(worker, logits, truth);
    }

    /// As [`Probe::measure`].
    pub(crate) fn measure(
        &self,
        model: &dyn Any,
        batch: &Batch<D>,
        pass: u64,
    ) -> Result<Option<RobustCount>, Error> {
        self.0.measure_any(model, batch, pass)
    }
}

impl<C, const D: usize> fmt::Debug for Probe<C, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe")
            .field("threat", &self.threat)
            .field("attack", &self.attack)
            .field("samples", &self.samples)
            .field("every", &self.every)
            .finish_non_exhaustive()
    }
}

impl RobustCount {
    /// Right answers, read from the device.
    pub(crate) fn read(&self) -> Result<f64, burn::tensor::TensorReadError> {
        self.right.clone().try_into_scalar::<f64>()
    }
}
