//! Samples on the host that can be a batch.

use crate::error::Error;
use crate::threat::bounds::Bounds;
use crate::threat::labels::check_label;

/// Accepts samples on the host that can be a batch: as many labels as samples and at least one,
/// `features` values each, labels below `classes`, values finite and within the bounds.
///
/// # Errors
/// [`Error::EmptyBatch`], [`Error::BatchLength`], and for the first sample that is wrong
/// [`Error::RaggedBatch`], [`Error::Label`], [`Error::InputNotFinite`], [`Error::InputOutOfBounds`].
pub fn check_samples<S: AsRef<[f32]>>(
    samples: &[S],
    features: usize,
    labels: &[usize],
    classes: usize,
    bounds: &Bounds,
) -> Result<(), Error> {
    if samples.len() != labels.len() {
        return Err(Error::BatchLength { inputs: samples.len(), labels: labels.len() });
    }
    if samples.is_empty() {
        return Err(Error::EmptyBatch);
    }
    for (at, (sample, &label)) in samples.iter().zip(labels).enumerate() {
        let sample = sample.as_ref();
        if sample.len() != features {
            return Err(Error::RaggedBatch { sample: at, expected: features, found: sample.len() });
        }
        check_label(at, label as i64, classes)?;
        check_inputs(at, sample, bounds)?;
    }
    Ok(())
}

/// Accepts the values of one sample.
///
/// # Errors
/// [`Error::InputNotFinite`], [`Error::InputOutOfBounds`].
pub(crate) fn check_inputs(sample: usize, values: &[f32], bounds: &Bounds) -> Result<(), Error> {
    for (feature, &value) in values.iter().enumerate() {
        if !value.is_finite() {
            return Err(Error::InputNotFinite { sample, value });
        }
        let (low, high) = bounds.of_feature(feature);
        if value < low || value > high {
            return Err(Error::InputOutOfBounds { sample, value, low, high });
        }
    }
    Ok(())
}
