//! Data that come in the same order each time.

use burn::data::dataloader::DataLoader;
use free_at_core::{Batch, Error};

use crate::error::EvaluationError;

/// Accepts a loader whose first batch is the same twice, in every bit. Verdicts, targets and records go by a sample's place in the data,
/// which a loader that shuffles, or transforms at random, has none of.
pub(crate) fn keeps_its_order<const D: usize>(
    test: &dyn DataLoader<Batch<D>>,
) -> Result<(), EvaluationError> {
    let first = || match test.iter().next() {
        Some(batch) => values(&batch?).map(Some).map_err(EvaluationError::from),
        None => Ok(None),
    };
    match first()? == first()? {
        true => Ok(()),
        false => Err(EvaluationError::Shuffled),
    }
}

/// The indices, the labels, and the bits of the inputs: a NaN is not equal to itself.
type Values = (Option<Vec<usize>>, Vec<i64>, Vec<u32>);

fn values<const D: usize>(batch: &Batch<D>) -> Result<Values, Error> {
    let labels = batch.labels().try_into_vec_as::<i64>().map_err(Error::unreadable)?;
    let inputs = batch.inputs().try_into_vec_as::<f32>().map_err(Error::unreadable)?;
    let indices = batch.indices().map(<[usize]>::to_vec);
    Ok((indices, labels, inputs.into_iter().map(f32::to_bits).collect()))
}
