//! Who looks on while a model is trained: at the gradient in the input that training has anyway.

use std::fmt::Debug;
use std::sync::Arc;

use burn::tensor::{Int, Tensor};

use crate::error::Error;
use crate::model::batch::Batch;

/// Looks at the gradient in the input at each optimiser step: given to
/// [`Trainer::observing`](crate::train::Trainer::observing).
///
/// It costs what it computes itself: what it does not ask for is neither copied nor read from the device.
/// Reading a tensor waits for the device, so an observer keeps sums there until somebody asks. It cannot
/// change the training: a run with observers ends in the same parameters as one without, bit for bit.
///
/// Several devices call it at the same time, from a thread each.
///
/// ```
/// use std::sync::Mutex;
///
/// use burn::tensor::Tensor;
/// use free_at_core::Error;
/// use free_at_core::train::{GradientObserver, Observation};
///
/// /// The largest entry of the last gradient, left on the device.
/// #[derive(Debug, Default)]
/// struct Steepest(Mutex<Option<Tensor<1>>>);
///
/// impl GradientObserver for Steepest {
///     fn observe(&self, seen: &Observation<'_>) -> Result<(), Error> {
///         if let Ok(mut last) = self.0.lock() {
///             *last = Some(seen.gradient().max_abs());
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait GradientObserver: Debug + Send + Sync {
    /// One optimiser step; in FGSM-RS training the step uphill before it too, see
    /// [`phase`](Observation::phase). Of a method whose loss is of several inputs, it is the last of them.
    ///
    /// # Errors
    /// Whatever is to end the training; an error of your own is [`Error::other`].
    fn observe(&self, seen: &Observation<'_>) -> Result<(), Error>;

    /// Pass number `pass` over the data, from 1, is over. Burn's loop calls it; a loop of one's own does
    /// with [`Trainer::end_pass`](crate::train::Trainer::end_pass). Here is the place to read and to write.
    ///
    /// # Errors
    /// Whatever is to end the training.
    fn end_pass(&self, pass: u64) -> Result<(), Error> {
        let _ = pass;
        Ok(())
    }
}

/// What a gradient was computed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// For a step of the perturbation alone: FGSM-RS's first gradient.
    Ascent,
    /// For the step of the parameters: of Free-m, and of every other method's last gradient.
    Descent,
}

/// What an observer sees of one gradient computation. Rows are flat, `[n, features]`, whatever the rank of
/// the inputs; [`sample_shape`](Self::sample_shape) is what a row was.
#[derive(Debug, Clone)]
pub struct Observation<'a> {
    step: u64,
    worker: u64,
    phase: Phase,
    serial: u64,
    /// What the gradient of the loss is of the sum of the samples' losses.
    share: f64,
    sample_shape: Vec<usize>,
    gradient: Tensor<2>,
    seen: Tensor<2>,
    inputs: Tensor<2>,
    logits: Tensor<2>,
    labels: Tensor<1, Int>,
    indices: Option<&'a [usize]>,
}

impl<'a> Observation<'a> {
    /// What was seen at this step, by this worker; tensors are without autodiff from here on.
    pub(crate) fn new<const D: usize>(
        (step, worker, phase): (u64, u64, Phase),
        batch: &'a Batch<D>,
        (seen, gradient, logits): (Tensor<D>, Tensor<D>, Tensor<2>),
    ) -> Self {
        // An attack's gradient is each sample's own; a training step's is of the weighted mean.
        let share = match phase {
            Phase::Ascent => 1.0,
            Phase::Descent => f64::from(batch.weight()) / batch.len() as f64,
        };
        let flat = |rows: Tensor<D>| rows.without_autodiff().flatten::<2>(1, D - 1);
        Self {
            step,
            worker,
            phase,
            serial: batch.serial(),
            share,
            sample_shape: batch.sample_shape(),
            gradient: flat(gradient),
            seen: flat(seen),
            inputs: flat(batch.inputs()),
            logits: logits.without_autodiff(),
            labels: batch.labels().without_autodiff(),
            indices: batch.indices(),
        }
    }

    /// The optimiser step on this device, from 1.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// A number that tells the devices of one training apart. Tensors of different devices cannot be added.
    pub fn worker(&self) -> u64 {
        self.worker
    }

    /// What the gradient was computed for.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// A number that replays of one minibatch have in common, and no other minibatch has.
    pub fn minibatch(&self) -> u64 {
        self.serial
    }

    /// The shape of one sample, `[features]` or `[channels, height, width]`.
    pub fn sample_shape(&self) -> &[usize] {
        &self.sample_shape
    }

    /// The gradient of each sample's own loss in its input, `[n, features]`, where the model saw it. With a
    /// [`GradientPenalty`](crate::train::GradientPenalty), that of the whole loss.
    pub fn gradient(&self) -> Tensor<2> {
        self.gradient.clone().mul_scalar(self.share.recip())
    }

    /// The perturbation: what the model saw, less the input, `[n, features]`.
    pub fn perturbation(&self) -> Tensor<2> {
        self.seen.clone() - self.inputs.clone()
    }

    /// What the model saw, `[n, features]`.
    pub fn seen(&self) -> Tensor<2> {
        self.seen.clone()
    }

    /// What the model said, `[n, classes]`.
    pub fn logits(&self) -> Tensor<2> {
        self.logits.clone()
    }

    /// The true classes, `[n]`.
    pub fn labels(&self) -> Tensor<1, Int> {
        self.labels.clone()
    }

    /// Where each sample is in its data set, if the batch knows: see [`Batch::indices`].
    pub fn indices(&self) -> Option<&'a [usize]> {
        self.indices
    }
}

/// Everybody who looks on. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Observers(Vec<Arc<dyn GradientObserver>>);

impl Observers {
    pub(crate) fn add(&mut self, observer: Arc<dyn GradientObserver>) {
        self.0.push(observer);
    }

    /// Whether there is nobody: then nothing is computed or kept for them.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Shows a gradient computation to all.
    pub(crate) fn show(&self, seen: &Observation<'_>) -> Result<(), Error> {
        self.0.iter().try_for_each(|observer| observer.observe(seen))
    }

    pub(crate) fn end_pass(&self, pass: u64) -> Result<(), Error> {
        self.0.iter().try_for_each(|observer| observer.end_pass(pass))
    }
}
