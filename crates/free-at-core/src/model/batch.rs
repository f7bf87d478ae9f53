//! Inputs with their labels.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::{DType, Device, FloatDType, Int, Tensor, TensorData};

use super::samples::{check_inputs, check_samples};
use crate::error::Error;
use crate::threat::bounds::Bounds;
use crate::threat::goal::Goal;
use crate::threat::labels::{KnownLabels, check_label, check_labels, in_own_integers};
use crate::threat::numbers::Numbers;

/// A minibatch: inputs `[n, …]` in their own units, and the true class of each, `[n]`.
///
/// Rank-generic: `Batch<4>` holds images `[n, channels, height, width]`, `Batch<2>` tables
/// `[n, features]`, `Batch<3>` sequences.
///
/// ```
/// use burn::tensor::Device;
/// use free_at_core::{Batch, Bounds, Error};
///
/// let rows = [[0.1, 0.9], [0.4, 0.2]];
/// let batch = Batch::<2>::from_samples(&rows, &[2], &[0, 1], 2, &Bounds::default(), &Device::flex())?;
/// assert_eq!((batch.len(), batch.inputs().dims()), (2, [2, 2]));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Batch<const D: usize> {
    inputs: Tensor<D>,
    labels: Tensor<1, Int>,
    /// The number of classes the labels were checked against, if they were.
    classes: Option<usize>,
    known: KnownLabels,
    /// What it counts in an optimiser step that adds up the gradients of several devices.
    weight: f32,
    /// Where each sample is in its data set, if that is known.
    indices: Option<Arc<[usize]>>,
    /// Tells minibatches apart; replays of one have one.
    serial: u64,
    /// A second class of each sample.
    mixed: Option<Mixed>,
    /// What an answer should be, in place of a class, and how far it may be from it.
    numbers: Option<Numbers>,
}

#[derive(Debug, Clone)]
struct Mixed {
    labels: Tensor<1, Int>,
    /// What it counts.
    share: f32,
    /// Below how many classes it is.
    classes: usize,
}

impl<const D: usize> Batch<D> {
    /// A batch of tensors that are on a device already. Inputs are not read: see [`check`](Self::check). Labels may be
    /// integers of any type; they are read when a model is first asked about them, to refuse those that are none of its
    /// classes. (Training on a GPU waits for that at its first minibatch alone, and reads later ones beside its steps.)
    ///
    /// # Errors
    /// [`Error::EmptyBatch`], [`Error::BatchLength`], [`Error::Device`] if the labels are elsewhere
    /// than the inputs.
    pub fn new(inputs: Tensor<D>, labels: Tensor<1, Int>) -> Result<Self, Error> {
        const { assert!(D >= 2, "inputs are [n, …]: samples of at least one dimension") };
        let (n, [count]) = (inputs.dims()[0], labels.dims());
        if n != count {
            return Err(Error::BatchLength { inputs: n, labels: count });
        }
        if n == 0 {
            return Err(Error::EmptyBatch);
        }
        if inputs.device() != labels.device() {
            let (inputs, labels) = (inputs.device(), labels.device());
            return Err(Error::elsewhere("tensor of labels", &inputs, &labels));
        }
        let labels = in_own_integers(labels);
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        let (weight, known) = (1.0, KnownLabels::of(vec![labels.clone()]));
        let (classes, indices, mixed, numbers) = (None, None, None, None);
        Ok(Self { inputs, labels, classes, known, weight, indices, serial, mixed, numbers })
    }

    /// A batch for a model that answers with a number, its one logit: what the answer to each sample should be, `[n]`, and
    /// how far it may be from that, above 0. Such an answer counts as right, another as wrong; the loss is the squared error.
    /// The labels are all 0.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use free_at_core::Batch;
    ///
    /// let (rows, prices) = (Tensor::<2>::zeros([2, 3], &Device::flex()), [210_000.0, 340_000.0]);
    /// let prices = Tensor::<1>::from_data(prices, &Device::flex());
    /// let batch = Batch::of_numbers(rows, prices, 20_000.0)?;
    /// assert!(batch.untargeted().is_of_numbers());
    /// # Ok::<(), free_at_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`new`](Self::new); [`Error::Tolerance`].
    pub fn of_numbers(
        inputs: Tensor<D>,
        numbers: Tensor<1>,
        tolerance: f64,
    ) -> Result<Self, Error> {
        if !(tolerance.is_finite() && tolerance > 0.0) {
            return Err(Error::Tolerance { value: tolerance });
        }
        let labels = Tensor::<1, Int>::zeros(numbers.dims(), &numbers.device());
        let values = numbers.cast(FloatDType::F32);
        let numbers = Some(Numbers { values, tolerance });
        Ok(Self { numbers, known: KnownLabels::below(1), ..Self::new(inputs, labels)? })
    }

    /// What the answers should be, `[n]`, and how far they may be from it, in a batch [of numbers](Self::of_numbers).
    pub fn numbers(&self) -> Option<(Tensor<1>, f64)> {
        self.numbers.as_ref().map(|numbers| (numbers.values.clone(), numbers.tolerance))
    }

    /// The logits as metrics of classes want them.
    pub(crate) fn shown(&self, logits: Tensor<2>) -> Tensor<2> {
        self.untargeted().shown(logits)
    }

    /// A batch of samples on the host, checked, then sent to `device`.
    ///
    /// `sample_shape` is the shape of one sample, the `…` of `[n, …]`; the values of each sample
    /// are row-major.
    ///
    /// # Errors
    /// [`Error::EmptyBatch`], [`Error::BatchLength`], [`Error::SampleShape`] if `sample_shape` is
    /// not of rank `D − 1`, [`Error::RaggedBatch`], [`Error::Label`], [`Error::InputNotFinite`],
    /// [`Error::InputOutOfBounds`].
    pub fn from_samples<S: AsRef<[f32]>>(
        samples: &[S],
        sample_shape: &[usize],
        labels: &[usize],
        classes: usize,
        bounds: &Bounds,
        device: &Device,
    ) -> Result<Self, Error> {
        let shape = batch_shape::<D>(samples.len(), sample_shape)?;
        check_samples(samples, sample_shape.iter().product(), labels, classes, bounds)?;
        let values = samples.iter().flat_map(|sample| sample.as_ref()).copied().collect();
        let inputs =
            Tensor::from_data(TensorData::new::<f32, _>(values, shape), (device, DType::F32));
        let batch = Self::new(inputs, on_device(labels, device))?;
        Ok(batch.among(classes))
    }

    /// A batch of samples that are bytes, each `byte / white`: they are sent to `device` as bytes and become
    /// floats there, where it can hold bytes.
    ///
    /// `sample_shape` is the shape of one sample, and `bytes` has them one after the other, row-major.
    ///
    /// # Errors
    /// [`Error::EmptyBatch`], [`Error::SampleShape`] if `sample_shape` is not of rank `D − 1`,
    /// [`Error::RaggedBatch`] for another number of bytes than the labels need, [`Error::Label`],
    /// [`Error::Bounds`] for a white of 0.
    pub fn from_bytes(
        bytes: Vec<u8>,
        sample_shape: &[usize],
        labels: &[usize],
        classes: usize,
        white: u8,
        device: &Device,
    ) -> Result<Self, Error> {
        let shape = batch_shape::<D>(labels.len(), sample_shape)?;
        let features: usize = sample_shape.iter().product();
        if bytes.len() != features * labels.len() {
            let sample = bytes.len() / features.max(1);
            let found = bytes.len() - sample.min(labels.len()) * features;
            return Err(Error::RaggedBatch { sample, expected: features, found });
        }
        if white == 0 {
            return Err(Error::Bounds { low: 0.0, high: 0.0, feature: None });
        }
        let numbered = labels.iter().enumerate();
        numbered.clone().try_for_each(|(at, &label)| check_label(at, label as i64, classes))?;
        let inputs = match device.supports_dtype(DType::U8) {
            true => {
                let data = TensorData::new::<u8, _>(bytes, shape);
                Tensor::<D, Int>::from_data(data, (device, DType::U8)).cast(FloatDType::F32)
            }
            false => {
                let floats = bytes.into_iter().map(f32::from).collect();
                Tensor::from_data(TensorData::new::<f32, _>(floats, shape), (device, DType::F32))
            }
        };
        let batch = Self::new(inputs.div_scalar(white), on_device(labels, device))?;
        Ok(batch.among(classes))
    }

    /// Reads the batch back and checks every value, for one that was made on a device.
    ///
    /// Waits for the device, so it belongs before a training loop and not in one.
    ///
    /// # Errors
    /// [`Error::Label`], [`Error::InputNotFinite`], [`Error::InputOutOfBounds`], and
    /// [`Error::Read`] if the device fails.
    pub fn check(&self, classes: usize, bounds: &Bounds) -> Result<(), Error> {
        check_labels(&self.labels, classes)?;
        self.check_inputs(bounds)
    }

    /// The batch, whose labels are known to be below `classes`.
    fn among(self, classes: usize) -> Self {
        Self { classes: Some(classes), known: KnownLabels::below(classes), ..self }
    }

    /// Whether it is known that the labels are classes, so that no model has to read them.
    pub(crate) fn knows_labels(&self) -> bool {
        self.known.are_known()
    }

    /// The batch with labels of no class in the place of those of the nearest: nothing is read, and a device that is asked
    /// for the logit of no class may do anything.
    pub(crate) fn with_labels_clamped(self, classes: usize) -> Self {
        let labels = self.labels.clone().clamp(0, classes as i64 - 1);
        Self { labels, known: KnownLabels::below(classes), ..self }
    }

    /// The same of the inputs alone.
    pub(crate) fn check_inputs(&self, bounds: &Bounds) -> Result<(), Error> {
        let read = |reason: String| Error::Read { reason };
        let values = self.inputs.try_to_vec_as::<f32>().map_err(|e| read(e.to_string()))?;
        values
            .chunks((values.len() / self.len()).max(1))
            .enumerate()
            .try_for_each(|(at, sample)| check_inputs(at, sample, bounds))
    }

    /// The inputs, `[n, …]`.
    pub fn inputs(&self) -> Tensor<D> {
        self.inputs.clone()
    }

    /// The true classes, `[n]`.
    pub fn labels(&self) -> Tensor<1, Int> {
        self.labels.clone()
    }

    /// What an untargeted attack wants of the batch: any answer but the labels.
    pub fn untargeted(&self) -> Goal {
        let goal = Goal::untargeted(self.labels()).knowing(self.known.clone());
        match &self.numbers {
            Some(numbers) => goal.of_numbers(numbers.clone()),
            None => goal,
        }
    }

    /// The number of classes that the labels were checked against; none for a batch of tensors.
    pub fn classes(&self) -> Option<usize> {
        self.classes
    }

    /// Accepts a model with this many logits.
    ///
    /// # Errors
    /// Those of [`Goal::check_logits`], and [`Error::Classes`] for a second class that is none.
    pub fn check_logits(&self, logits: usize) -> Result<(), Error> {
        self.untargeted().check_logits(logits)?;
        match &self.mixed {
            Some(mixed) if mixed.classes > logits => {
                Err(Error::Classes { classes: mixed.classes, logits })
            }
            _ => Ok(()),
        }
    }

    /// The number of samples; never 0.
    #[allow(clippy::len_without_is_empty)] // A batch is never empty.
    pub fn len(&self) -> usize {
        self.labels.dims()[0]
    }

    /// The shape of one sample, the `…` of `[n, …]`.
    pub fn sample_shape(&self) -> Vec<usize> {
        self.inputs.dims()[1..].to_vec()
    }

    /// The device of the inputs.
    pub fn device(&self) -> Device {
        self.inputs.device()
    }

    /// The batch, whose samples have these indices in their data set.
    ///
    /// # Errors
    /// [`Error::BatchLength`] if there are more of them than samples, or fewer.
    pub fn with_indices(self, indices: Vec<usize>) -> Result<Self, Error> {
        match indices.len() == self.len() {
            true => Ok(Self { indices: Some(indices.into()), ..self }),
            false => Err(Error::BatchLength { inputs: self.len(), labels: indices.len() }),
        }
    }

    /// Where each sample is in the data set that was read, as the loaders of `free-at-data` say; none for
    /// a batch of tensors.
    pub fn indices(&self) -> Option<&[usize]> {
        self.indices.as_deref()
    }

    /// The batch, whose samples are each of a second class, too, as CutMix makes them: it counts `share` in the
    /// cross-entropy that is descended, the label the rest. Attacks, penalties and other losses have the label alone;
    /// Free-m and FGSM-MEP, which ascend what they descend, have both.
    ///
    /// # Errors
    /// [`Error::BatchLength`], [`Error::Label`] where the classes are known, [`Error::Share`] for a share that is not
    /// from 0 to 1/2: the label is that of the larger part.
    pub fn mixed_with(self, labels: &[usize], share: f32) -> Result<Self, Error> {
        if labels.len() != self.len() {
            return Err(Error::BatchLength { inputs: self.len(), labels: labels.len() });
        }
        // Numbers have no second class.
        if !(0.0..=0.5).contains(&share) || self.numbers.is_some() {
            return Err(Error::Share { share });
        }
        let classes = self.classes.unwrap_or(usize::MAX);
        let mut numbered = labels.iter().enumerate();
        numbered.try_for_each(|(at, &label)| check_label(at, label as i64, classes))?;
        let classes = labels.iter().max().map_or(0, |most| most + 1);
        let labels = on_device(labels, &self.device());
        Ok(Self { mixed: Some(Mixed { labels, share, classes }), ..self })
    }

    /// The second class of each sample, `[n]`, and what it counts, if they have one.
    pub fn mixed(&self) -> Option<(Tensor<1, Int>, f32)> {
        self.mixed.as_ref().map(|mixed| (mixed.labels.clone(), mixed.share))
    }

    /// The second class of each sample as what is wanted of it, and what it counts, if they have one.
    pub(crate) fn second(&self) -> Option<(Goal, f32)> {
        let goal = |mixed: &Mixed| Goal::untargeted(mixed.labels.clone()).among(mixed.classes);
        self.mixed.as_ref().map(|mixed| (goal(mixed), mixed.share))
    }

    /// A number that clones of this batch have, replays for example, and no other batch.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// The batch on another device.
    #[must_use]
    pub fn to_device(self, device: &Device) -> Self {
        Self {
            inputs: self.inputs.to_device(device),
            labels: self.labels.to_device(device),
            mixed: self
                .mixed
                .map(|mixed| Mixed { labels: mixed.labels.to_device(device), ..mixed }),
            numbers: self.numbers.map(|numbers| numbers.moved_to(device)),
            ..self
        }
    }

    /// The batch, to count this much in an optimiser step.
    pub(crate) fn with_weight(self, weight: f32) -> Self {
        Self { weight, ..self }
    }

    /// What the batch counts in an optimiser step: 1 unless several devices share it.
    pub(crate) fn weight(&self) -> f32 {
        self.weight
    }
}

/// `[n, …]`.
fn batch_shape<const D: usize>(n: usize, sample: &[usize]) -> Result<[usize; D], Error> {
    if sample.len() + 1 != D {
        return Err(Error::SampleShape { expected: vec![0; D - 1], found: sample.to_vec() });
    }
    let mut shape = [n; D];
    shape[1..].copy_from_slice(sample);
    Ok(shape)
}

fn on_device(labels: &[usize], device: &Device) -> Tensor<1, Int> {
    let labels: Vec<i64> = labels.iter().map(|&label| label as i64).collect();
    Tensor::from_data(labels.as_slice(), device)
}

#[cfg(test)]
mod tests;
