//! The work of randomised smoothing.

use std::time::Instant;

use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::tensor::{FloatDType, Int, Tensor};
use free_at_core::{Batch, Classifier, Draws, Error, FrozenModel, rows};

use super::confidence::{lower_bound, normal_quantile};
use super::report::{CertifiedSample, SmoothingReport};
use super::smoothing::Smoothing;
use crate::error::EvaluationError;

impl Smoothing {
    /// The certificate of every sample, a batch of the loader at a time.
    ///
    /// # Errors
    /// [`Error::AttackParameter`]; [`Error::EmptyBatch`] for no sample, [`Error::Label`] for a label that the model has
    /// no logit for; those of the loader, the model and the device. All are [`EvaluationError::Core`].
    pub fn certify<C: Classifier<D> + Module + 'static, const D: usize>(
        &self,
        model: &C,
        test: &dyn DataLoader<Batch<D>>,
    ) -> Result<SmoothingReport, EvaluationError> {
        self.check()?;
        let (frozen, start) = (FrozenModel::new(model), Instant::now());
        let mut samples = Vec::new();
        for batch in test.iter() {
            let batch = batch?;
            let first = samples.len();
            samples.extend(self.certify_batch(&frozen, &batch, first)?);
        }
        if samples.is_empty() {
            return Err(Error::EmptyBatch.into());
        }
        Ok(SmoothingReport {
            settings: self.clone(),
            samples,
            forward_passes: frozen.forward_passes(),
            seconds: start.elapsed().as_secs_f64(),
        })
    }

    fn certify_batch<const D: usize>(
        &self,
        model: &FrozenModel<D>,
        batch: &Batch<D>,
        first: usize,
    ) -> Result<Vec<CertifiedSample>, Error> {
        let keys = (first as u64..(first + batch.len()) as u64).collect();
        let draws = Draws::new(self.seed, keys);
        let inputs = batch.inputs().without_autodiff();
        // What the model says at each draw, one row a sample: where in `[n, classes]` that is.
        let answers = |draw: usize| {
            let noise = draws.for_restart(draw).normal(inputs.dims(), &inputs.device());
            let logits = model.logits(inputs.clone() + noise.mul_scalar(self.sigma.value()))?;
            let finite = logits.clone().is_finite().all_dim(1);
            let said = rows::class_mask(&logits, &rows::predicted(logits.clone()));
            Ok::<_, Error>(said.bool_and(finite.expand(logits.dims())).cast(FloatDType::F32))
        };
        let mut votes = answers(0)?;
        for draw in 1..self.selection {
            votes = votes + answers(draw)?;
        }
        let classes = votes.dims()[1];
        let chosen = rows::predicted(votes);
        let mut hits = Tensor::<1>::zeros([batch.len()], &inputs.device());
        for draw in self.selection..self.selection + self.estimation {
            hits = hits + rows::of_class(answers(draw)?, &chosen);
        }
        let hits = hits.try_into_vec_as::<f32>().map_err(Error::unreadable)?;
        let (chosen, labels) = (read(chosen)?, read(batch.labels())?);
        let all = hits.into_iter().zip(chosen).zip(labels).enumerate();
        all.map(|(at, ((hits, class), label))| {
            let sample = first + at;
            let wrong = Error::Label { sample, label, classes };
            let label =
                usize::try_from(label).ok().filter(|label| *label < classes).ok_or(wrong)?;
            let share = lower_bound(hits as u64, self.estimation as u64, self.failure);
            let certified = share > 0.5;
            let radius = if certified { self.sigma.value() * normal_quantile(share) } else { 0.0 };
            let class = certified.then_some(class as usize);
            Ok(CertifiedSample { sample, label, class, radius })
        })
        .collect()
    }
}

fn read(classes: Tensor<1, Int>) -> Result<Vec<i64>, Error> {
    classes.without_autodiff().try_into_vec_as::<i64>().map_err(Error::unreadable)
}
