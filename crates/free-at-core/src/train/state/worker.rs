//! What a method keeps from step to step on one device.

use burn::backend::DeviceOps;
use burn::tensor::{Device, Tensor};

use crate::draws::Draws;
use crate::error::Error;
use crate::train::TrainError;

/// What a training method keeps on one device: the carried perturbation and the number of steps.
#[derive(Debug, Clone, Default)]
pub(crate) struct Worker {
    /// Which device, as [`key_of`] tells them apart.
    pub(super) device: u32,
    pub(super) steps: u64,
    /// δ, `[rows, features]`: flat, so that one type serves inputs of every rank.
    pub(super) perturbation: Option<Tensor<2>>,
    /// The shape of one sample, once one has been seen.
    pub(super) sample_shape: Option<Vec<usize>>,
    /// Whether it comes from a file and no device has used it yet.
    pub(super) restored: bool,
}

impl Worker {
    /// What tells this worker from those of other devices.
    pub(crate) fn key(&self) -> u64 {
        self.device.into()
    }

    /// Optimiser steps taken.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// The carried perturbation for `inputs`: its first rows. Zero at the very first minibatch,
    /// which sets its size unless `largest_batch` does.
    ///
    /// # Errors
    /// [`TrainError::BatchTooLarge`], [`Error::SampleShape`].
    pub(crate) fn perturbation<const D: usize>(
        &mut self,
        inputs: &Tensor<D>,
        largest_batch: Option<usize>,
    ) -> Result<Tensor<D>, TrainError> {
        let shape = inputs.dims();
        self.check_shape(shape[0], &shape[1..])?;
        self.sample_shape = Some(shape[1..].to_vec());
        let rows = largest_batch.unwrap_or(shape[0]).max(shape[0]);
        let carried = self.perturbation.get_or_insert_with(|| {
            let features = shape[1..].iter().product();
            Tensor::zeros([rows, features], (&inputs.device(), inputs.dtype()))
        });
        if carried.device() != inputs.device() {
            *carried = carried.clone().to_device(&inputs.device()); // restored from a file
        }
        let rows = match carried.dims()[0] == shape[0] {
            true => carried.clone(),
            false => carried.clone().slice_dim(0, ..shape[0]),
        };
        Ok(rows.reshape(shape))
    }

    /// Carries these first rows of the perturbation on to the next step.
    pub(crate) fn carry<const D: usize>(&mut self, delta: Tensor<D>) {
        let delta = delta.flatten::<2>(1, D - 1);
        let [n, features] = delta.dims();
        self.perturbation = Some(match self.perturbation.take() {
            Some(carried) if carried.dims()[0] > n => {
                carried.slice_assign([0..n, 0..features], delta)
            }
            _ => delta,
        });
    }

    /// The random draws of this step for a minibatch of `n`.
    pub(crate) fn draws(&self, seed: u64, n: usize) -> Draws {
        const ROWS: u64 = 1 << 24; // more than any minibatch has
        let first = self.steps * ROWS;
        Draws::new(seed, (first..first + n as u64).collect()).for_attack(self.device.into())
    }

    /// Accepts a minibatch that the carried perturbation has room for.
    fn check_shape(&self, n: usize, sample: &[usize]) -> Result<(), TrainError> {
        let other = |expected: &[usize]| {
            let (expected, found) = (expected.to_vec(), sample.to_vec());
            Error::SampleShape { expected, found }
        };
        if let Some(expected) = self.sample_shape.as_deref().filter(|shape| *shape != sample) {
            return Err(other(expected).into());
        }
        match self.perturbation.as_ref().map(|carried| carried.dims()) {
            Some([_, features]) if features != sample.iter().product::<usize>() => {
                Err(other(&[features]).into())
            }
            Some([rows, _]) if n > rows => {
                Err(TrainError::BatchTooLarge { allowed: rows, found: n })
            }
            _ => Ok(()),
        }
    }

    /// What is recorded of it beside the perturbation: its device, steps, rows and features.
    pub(super) fn numbers(&self) -> [u64; 4] {
        let [rows, features] = self.perturbation.as_ref().map_or([0, 0], |delta| delta.dims());
        [self.device.into(), self.steps, rows as u64, features as u64]
    }
}

/// The kind of the device and its index among that kind.
pub(super) fn key_of(device: &Device) -> u32 {
    let id = device.as_dispatch().id();
    (u32::from(id.type_id) << 16) | u32::from(id.index_id)
}
