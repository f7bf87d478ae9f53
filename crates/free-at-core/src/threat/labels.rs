//! Labels that name classes there are: what is known of those on a device.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::{DType, Int, Tensor};

use crate::error::Error;

/// Below how many classes some labels are known to be. Clones share what one of them has found out, so labels on a device
/// are read back once, when a model is first asked about them. Of a part of them all are looked at, so that the part vouches
/// for no more than it knows.
#[derive(Debug, Clone)]
pub(crate) struct KnownLabels(Arc<Known>);

#[derive(Debug)]
struct Known {
    /// 0 while nothing is known.
    below: AtomicUsize,
    labels: Vec<Tensor<1, Int>>,
}

impl KnownLabels {
    /// Of which nothing is known yet.
    pub(crate) fn of(labels: Vec<Tensor<1, Int>>) -> Self {
        Self(Arc::new(Known { below: AtomicUsize::new(0), labels }))
    }

    pub(crate) fn below(classes: usize) -> Self {
        Self(Arc::new(Known { below: AtomicUsize::new(classes), labels: Vec::new() }))
    }

    pub(crate) fn are_known(&self) -> bool {
        self.0.below.load(Ordering::Relaxed) > 0
    }

    /// Accepts a model with this many classes for the labels, which are read if nothing is known of them yet.
    ///
    /// # Errors
    /// [`Error::Classes`] if they are known to be of more; [`Error::Label`] for the first that is of none, [`Error::Read`].
    pub(crate) fn check(&self, classes: usize) -> Result<(), Error> {
        match self.0.below.load(Ordering::Relaxed) {
            0 => {
                let mut below = 1;
                for labels in &self.0.labels {
                    below = below.max(check_labels(labels, classes)?);
                }
                self.0.below.store(below, Ordering::Relaxed);
                Ok(())
            }
            known if known > classes => Err(Error::Classes { classes: known, logits: classes }),
            _ => Ok(()),
        }
    }
}

/// Labels of the type of integer that the device makes itself: those of another do not fit its own. What does not fit stays
/// a label of no class.
pub(crate) fn in_own_integers(labels: Tensor<1, Int>) -> Tensor<1, Int> {
    let own = DType::from(labels.device().settings().int_dtype);
    match (labels.dtype(), own) {
        (found, own) if found == own => labels,
        (DType::I64, DType::I32) => labels.clamp(i32::MIN, i32::MAX).cast(own),
        _ => labels.cast(own),
    }
}

/// Reads labels and accepts them if they are below `classes`; below how many they are.
///
/// # Errors
/// [`Error::Label`], [`Error::Read`].
pub(crate) fn check_labels(labels: &Tensor<1, Int>, classes: usize) -> Result<usize, Error> {
    let labels = labels.try_to_vec_as::<i64>().map_err(Error::unreadable)?;
    labels.iter().enumerate().try_for_each(|(at, &label)| check_label(at, label, classes))?;
    Ok(labels.iter().max().map_or(0, |most| *most as usize + 1))
}

/// # Errors
/// [`Error::Label`].
pub(crate) fn check_label(sample: usize, label: i64, classes: usize) -> Result<(), Error> {
    match usize::try_from(label).is_ok_and(|label| label < classes) {
        true => Ok(()),
        false => Err(Error::Label { sample, label, classes }),
    }
}
