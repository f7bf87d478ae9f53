//! What certificates have in common: batch by batch, with labels and answers on the host.

use burn::data::dataloader::DataLoader;
use burn::tensor::{Int, Tensor};
use free_at_core::{Batch, Error};

use super::report::CertifiedSample;
use crate::error::EvaluationError;
use crate::order::keeps_its_order;

/// The certificates of all samples, a batch of the loader at a time, given with the number of its first sample.
pub(super) fn each_batch<const D: usize>(
    test: &dyn DataLoader<Batch<D>>,
    mut certify: impl FnMut(&Batch<D>, usize) -> Result<Vec<CertifiedSample>, Error>,
) -> Result<Vec<CertifiedSample>, EvaluationError> {
    keeps_its_order(test)?;
    let mut samples = Vec::new();
    for batch in test.iter() {
        samples.extend(certify(&batch?, samples.len())?);
    }
    match samples.is_empty() {
        true => Err(Error::EmptyBatch.into()),
        false => Ok(samples),
    }
}

/// The labels of a batch whose first sample has this number, each below `classes`.
pub(super) fn labels_of<const D: usize>(
    batch: &Batch<D>,
    first: usize,
    classes: usize,
) -> Result<Vec<usize>, Error> {
    if batch.numbers().is_some() {
        return Err(Error::Unsupported {
            attack: "a certificate".into(),
            what: "numbers in place of classes".into(),
            instead: "certificates are of the class that comes first".into(),
        });
    }
    if classes < 2 {
        return Err(Error::TooFewClasses { expected: 2, found: classes });
    }
    let numbered = classes_of(batch.labels())?.into_iter().enumerate();
    numbered
        .map(|(at, label)| {
            let wrong = Error::Label { sample: first + at, label, classes };
            usize::try_from(label).ok().filter(|label| *label < classes).ok_or(wrong)
        })
        .collect()
}

/// Classes on the host.
pub(super) fn classes_of(classes: Tensor<1, Int>) -> Result<Vec<i64>, Error> {
    classes.without_autodiff().try_into_vec_as::<i64>().map_err(Error::unreadable)
}
