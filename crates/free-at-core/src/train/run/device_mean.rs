//! A mean whose sums stay on the devices until somebody asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{Tensor, TensorReadError};

use crate::error::Error;

/// Sums of some numbers, with how many they were, for each device of a training. Taking numbers in makes no
/// device wait. Clones share the sums.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use free_at_core::train::DeviceMean;
///
/// let one = |value: f32| Tensor::<1>::from_data([value], &Device::flex());
/// let mean = DeviceMean::default();
/// mean.add(0, one(3.0), one(2.0)); // two numbers, 3 in all
/// mean.add(0, one(3.0), one(1.0));
/// assert_eq!(mean.mean()?, Some(2.0));
/// assert_eq!(mean.mean()?, None); // nothing since then
/// # Ok::<(), free_at_core::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct DeviceMean {
    sums: Arc<Mutex<BTreeMap<u64, (Tensor<1>, Tensor<1>)>>>,
}

impl DeviceMean {
    /// Takes in numbers of one device, told apart by its worker's number: their sum and how many they are, `[1]`
    /// each.
    pub fn add(&self, worker: u64, sum: Tensor<1>, count: Tensor<1>) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let next = match sums.remove(&worker) {
            Some((before, counted)) => (before + sum, counted + count),
            None => (sum, count),
        };
        sums.insert(worker, next);
    }

    /// The mean of all that was taken in since the last call, if that was anything; waits for the devices.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn mean(&self) -> Result<Option<f64>, Error> {
        let (sum, count) = self.take().map_err(Error::unreadable)?;
        Ok((count > 0.0).then_some(sum / count))
    }

    /// The sum and the number of all that was taken in since the last call; waits for the devices.
    ///
    /// # Errors
    /// What the device says.
    pub fn take(&self) -> Result<(f64, f64), TensorReadError> {
        let sums = std::mem::take(&mut *self.sums.lock().unwrap_or_else(PoisonError::into_inner));
        sums.into_values().try_fold((0.0, 0.0), |(all, counted), (sum, count)| {
            Ok((all + sum.try_into_scalar::<f64>()?, counted + count.try_into_scalar::<f64>()?))
        })
    }
}
