//! The work of interval bounds.

use std::time::Instant;

use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::tensor::{DType, Int, Tensor};
use free_at_core::{
    Batch, BoundedClassifier, Error, Interval, PerturbationSet, precision_of, rows,
};

use super::batches::{classes_of, each_batch, labels_of};
use super::intervals::{IntervalReport, Intervals};
use super::report::CertifiedSample;
use crate::error::EvaluationError;
use crate::evaluation::read_bools;

impl Intervals {
    /// The certificate of every sample, a batch of the loader at a time.
    ///
    /// # Errors
    /// Those of [`check`](Self::check); [`Error::Precision`] for a model that is not in single precision; [`Error::EmptyBatch`]
    /// for no sample, [`Error::Label`] for a label that the model has no logit for, [`Error::Unsupported`] for numbers in place of
    /// classes; those of the loader, the model and the device. All are [`EvaluationError::Core`].
    pub fn certify<C: BoundedClassifier<D> + Module + 'static, const D: usize>(
        &self,
        model: &C,
        test: &dyn DataLoader<Batch<D>>,
    ) -> Result<IntervalReport, EvaluationError> {
        self.check()?;
        let found = precision_of(model);
        if found != DType::F32 {
            // What is rounded is bounded for single precision.
            return Err(Error::Precision { found: format!("{found:?}") }.into());
        }
        let (model, start) = (model.valid(), Instant::now());
        let mut forward_passes = 0;
        let samples = each_batch(test, |batch, first| {
            self.certify_batch(&model, batch, first, &mut forward_passes)
        })?;
        let seconds = start.elapsed().as_secs_f64();
        Ok(IntervalReport { settings: self.clone(), samples, forward_passes, seconds })
    }

    fn certify_batch<C: BoundedClassifier<D>, const D: usize>(
        &self,
        model: &C,
        batch: &Batch<D>,
        first: usize,
        passes: &mut u64,
    ) -> Result<Vec<CertifiedSample>, Error> {
        let inputs = batch.inputs().without_autodiff();
        model.check_input(&batch.sample_shape())?;
        let logits = model.logits(inputs.clone());
        let labels = labels_of(batch, first, logits.dims()[1])?;
        batch.check(logits.dims()[1], self.threat.bounds())?;
        let answers = read_bools(rows::finite(logits.clone()))?;
        let classes = rows::predicted(logits);
        let allowed = self.threat.around(&inputs)?;
        *passes += batch.len() as u64;

        let (mut holds, mut fails) = (vec![0.0; batch.len()], vec![1.0; batch.len()]);
        let mut open: Vec<usize> = (0..batch.len()).filter(|&at| answers[at]).collect();
        for halving in 0..=self.halvings {
            // First all of ε, then the middle between what holds and what fails.
            let shares: Vec<f64> = open
                .iter()
                .map(|&at| if halving == 0 { 1.0 } else { (holds[at] + fails[at]) / 2.0 })
                .collect();
            if open.is_empty() {
                break;
            }
            *passes += 2 * open.len() as u64;
            let stands = stands(model, &allowed, (&inputs, &classes), (&open, &shares))?;
            for ((&at, &share), stands) in open.iter().zip(&shares).zip(stands) {
                let end = if stands { &mut holds } else { &mut fails };
                end[at] = share;
            }
            open.retain(|&at| holds[at] < 1.0);
        }
        let epsilon = self.threat.epsilon().value();
        let found = labels.into_iter().zip(classes_of(classes)?).enumerate();
        let certificates = found.map(|(at, (label, class))| CertifiedSample {
            sample: first + at,
            label,
            class: answers[at].then_some(class as usize),
            radius: holds[at] * epsilon,
        });
        Ok(certificates.collect())
    }
}

/// Whether the model says the same of all inputs within shares of ε around some of the samples.
fn stands<C: BoundedClassifier<D>, const D: usize>(
    model: &C,
    allowed: &PerturbationSet<D>,
    (inputs, classes): (&Tensor<D>, &Tensor<1, Int>),
    (samples, shares): (&[usize], &[f64]),
) -> Result<Vec<bool>, Error> {
    let device = inputs.device();
    let rows: Vec<i64> = samples.iter().map(|&at| at as i64).collect();
    let rows = Tensor::<1, Int>::from_data(rows.as_slice(), &device);
    let inputs = inputs.clone().select(0, rows.clone());
    let classes = classes.clone().select(0, rows);
    let mut each = [1; D];
    each[0] = samples.len();
    let shares: Vec<f32> = shares.iter().map(|&share| share as f32).collect();
    let shares = Tensor::<1>::from_data(shares.as_slice(), (&device, DType::F32)).reshape(each);
    let Some([lower, upper]) = allowed.corners(&inputs, &shares) else {
        return Ok(vec![false; samples.len()]);
    };
    let rises = model.rise_bounds(Interval { lower, upper }, &classes);
    let itself = rows::class_mask(&rises, &classes);
    let highest = rises.mask_fill(itself, f32::NEG_INFINITY).max_dim(1).squeeze_dim::<1>(1);
    // What is no number is no proof.
    read_bools(highest.lower_elem(0.0))
}
