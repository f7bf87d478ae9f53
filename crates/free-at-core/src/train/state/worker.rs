//! What a method keeps from step to step on one device.

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::backend::DeviceOps;
use burn::tensor::{DType, Device, FloatDType, IndexingUpdateOp, Int, Tensor};

use super::slot::MOST_BYTES;
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
    /// What a method keeps by name, `[rows, columns]` each.
    pub(super) kept: BTreeMap<String, Tensor<2>>,
    /// What is to be written into kept tensors once the step has been taken.
    pub(super) writes: Vec<Write>,
    /// The shape of one sample, once one has been seen.
    pub(super) sample_shape: Option<Vec<usize>>,
    /// Whether it comes from a file and no device has used it yet.
    pub(super) restored: bool,
}

/// Rows that take the place of others in what is kept under a name.
#[derive(Debug, Clone)]
pub(super) struct Write {
    name: &'static str,
    places: Arc<[usize]>,
    rows: Tensor<2>,
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

    /// What was kept under this name, on the device of the inputs.
    pub(crate) fn kept(&self, name: &str, device: &Device) -> Option<Tensor<2>> {
        let kept = self.kept.get(name)?.clone();
        Some(if kept.device() == *device { kept } else { kept.to_device(device) })
    }

    /// Keeps a tensor under this name, or nothing from now on.
    ///
    /// # Errors
    /// [`TrainError::KeptName`].
    pub(crate) fn keep(
        &mut self,
        name: &'static str,
        tensor: Option<Tensor<2>>,
    ) -> Result<(), TrainError> {
        check_name(name)?;
        match tensor {
            Some(tensor) => drop(self.kept.insert(name.into(), recordable(tensor))),
            None => drop(self.kept.remove(name)),
        }
        Ok(())
    }

    /// Rows of what is kept of all `samples` under this name, zero at first, by their places among them.
    pub(crate) fn remembered(
        &mut self,
        name: &'static str,
        (samples, columns): (usize, usize),
        places: &[usize],
        device: &Device,
    ) -> Result<Tensor<2>, TrainError> {
        check_name(name)?;
        let whole = self
            .kept(name, device)
            .unwrap_or_else(|| Tensor::zeros([samples, columns], (device, stored_as(device))));
        let (found, expected) = (whole.dims(), [samples, columns]);
        if found != expected {
            return Err(TrainError::Remembered { name, expected, found });
        }
        self.kept.insert(name.into(), whole.clone());
        Ok(whole.select(0, places_on(places, device)).cast(FloatDType::F32))
    }

    /// Puts rows in the place of those that are [remembered](Self::remembered), once the step has been taken.
    ///
    /// # Errors
    /// [`TrainError::Remembered`] for rows that do not fit, or where nothing is remembered yet.
    pub(crate) fn remember(
        &mut self,
        name: &'static str,
        places: Arc<[usize]>,
        rows: Tensor<2>,
    ) -> Result<(), TrainError> {
        let columns = self.kept.get(name).map_or(0, |whole| whole.dims()[1]);
        let (found, expected) = (rows.dims(), [places.len(), columns]);
        if found != expected {
            return Err(TrainError::Remembered { name, expected, found });
        }
        self.writes.push(Write { name, places, rows: rows.without_autodiff() });
        Ok(())
    }

    /// Writes what is to be remembered: in place, where nobody else holds what is kept.
    pub(super) fn write(&mut self) {
        for Write { name, places, rows } in std::mem::take(&mut self.writes) {
            if let Some(whole) = self.kept.remove(name) {
                let (places, rows) = (places_on(&places, &rows.device()), rows.cast(whole.dtype()));
                let whole = whole.select_assign(0, places, rows, IndexingUpdateOp::Assign);
                self.kept.insert(name.into(), whole);
            }
        }
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

    /// What is recorded of it beside its tensors: its device, steps, rows and features of the perturbation, and how
    /// many tensors it keeps by name.
    pub(super) fn numbers(&self) -> [u64; 5] {
        let [rows, features] = self.perturbation.as_ref().map_or([0, 0], |delta| delta.dims());
        let kept = self.kept.len() as u64;
        [self.device.into(), self.steps, rows as u64, features as u64, kept]
    }
}

/// Accepts a name that a record holds.
fn check_name(name: &'static str) -> Result<(), TrainError> {
    match name.len() {
        1..=MOST_BYTES => Ok(()),
        _ => Err(TrainError::KeptName { name, most: MOST_BYTES }),
    }
}

/// A tensor of no graph, in a type of float that a record holds.
fn recordable(tensor: Tensor<2>) -> Tensor<2> {
    match tensor.dtype() {
        DType::F16 | DType::F32 => tensor.without_autodiff(),
        _ => tensor.without_autodiff().cast(FloatDType::F32),
    }
}

/// In what type of float a device remembers samples: in half precision, where it has that.
pub(crate) fn stored_as(device: &Device) -> DType {
    match device.supports_dtype(DType::F16) {
        true => DType::F16,
        false => DType::F32,
    }
}

fn places_on(places: &[usize], device: &Device) -> Tensor<1, Int> {
    let places: Vec<i64> = places.iter().map(|&at| at as i64).collect();
    Tensor::from_data(places.as_slice(), device)
}

/// The kind of the device and its index among that kind.
pub(super) fn key_of(device: &Device) -> u32 {
    let id = device.as_dispatch().id();
    (u32::from(id.type_id) << 16) | u32::from(id.index_id)
}
