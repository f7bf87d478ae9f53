//! The work of randomised smoothing.

use std::time::Instant;

use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::tensor::{FloatDType, Tensor};
use free_at_core::{Batch, Classifier, Draws, Error, FrozenModel, Goal, rows};

use super::batches::{classes_of, each_batch, labels_of};
use super::confidence::{lower_bound, normal_quantile};
use super::report::CertifiedSample;
use super::smoothing::{Smoothing, SmoothingReport};
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
        let samples = each_batch(test, |batch, first| self.certify_batch(&frozen, batch, first))?;
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
        let noisy_logits = |draw: usize| {
            let noise = draws.for_restart(draw).normal(inputs.dims(), &inputs.device());
            let noisy = inputs.clone() + noise.mul_scalar(self.sigma.value());
            model.logits_with(noisy, &draws.for_restart(draw).nested())
        };
        // One vote a sample for what the model says; none for what is no answer.
        let vote = |logits: Tensor<2>| {
            let said = rows::class_mask(&logits, &rows::predicted(logits.clone()));
            let answers = rows::for_each_feature(rows::finite(logits.clone()), &logits);
            said.bool_and(answers).cast(FloatDType::F32)
        };
        let logits = noisy_logits(0)?;
        let labels = labels_of(batch, first, logits.dims()[1])?; // before the work
        let mut votes = vote(logits);
        for draw in 1..self.selection {
            votes = votes + vote(noisy_logits(draw)?);
        }
        let chosen = rows::predicted(votes);
        let says_chosen = Goal::untargeted(chosen.clone());
        let mut misses = Tensor::<1>::zeros([batch.len()], &inputs.device());
        for draw in self.selection..self.selection + self.estimation {
            misses = misses + says_chosen.fooled(noisy_logits(draw)?).cast(FloatDType::F32);
        }
        let misses = misses.try_into_vec_as::<f32>().map_err(Error::unreadable)?;
        let all_draws = self.estimation as u64;
        let found = misses.into_iter().zip(classes_of(chosen)?).zip(labels).enumerate();
        let certificates = found.map(|(at, ((misses, class), label))| {
            let share = lower_bound(all_draws - misses as u64, all_draws, self.failure);
            let certified = share > 0.5;
            let radius = if certified { self.sigma.value() * normal_quantile(share) } else { 0.0 };
            let class = certified.then_some(class as usize);
            CertifiedSample { sample: first + at, label, class, radius }
        });
        Ok(certificates.collect())
    }
}
