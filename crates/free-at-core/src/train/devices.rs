//! Training on several devices, of this machine or others.

use burn::backend::AutodiffBackend;
use burn::tensor::Device;
use burn::tensor::distributed::{DistributedConfig, ReduceOperation};
use burn::train::{ExecutionStrategy, MultiDeviceOptim};

use crate::error::device_name;
use crate::train::backend::is_cube;
use crate::train::{Method, RunError, Trainer};

impl<M: Method, B: AutodiffBackend> Trainer<M, B> {
    /// Burn's strategy for several devices, for
    /// [`with_training_strategy`](burn::train::SupervisedTraining::with_training_strategy): the
    /// model is on the first, each computes the gradients of its share of the data, and the first
    /// takes the step. Remote devices of Burn's are devices like others.
    ///
    /// Each device has a loader over its share, with minibatches of the loader's size, and carries its own
    /// perturbation; gradients are averaged over all samples. So with `k` devices and a loader for minibatches
    /// of `n / k`, a step is that of one device and minibatches of `n` (batch norm sees `n / k`).
    ///
    /// # Errors
    /// [`RunError::NoDevice`], [`RunError::SameDevice`], [`RunError::MainDevice`].
    pub fn multi_device(&self, devices: &[Device]) -> Result<ExecutionStrategy, RunError> {
        let devices = self.checked_devices(devices)?;
        self.session().set_averaging(false);
        Ok(ExecutionStrategy::multi(devices, MultiDeviceOptim::OptimMainDevice))
    }

    /// Burn's strategy for distributed data parallel training: every device has the model, and they
    /// average their gradients among themselves.
    ///
    /// # Errors
    /// Those of [`multi_device`](Self::multi_device), and [`RunError::NotDistributed`].
    pub fn distributed(&self, devices: &[Device]) -> Result<ExecutionStrategy, RunError> {
        let devices = self.checked_devices(devices)?;
        if let Some(other) = devices.iter().find(|device| !is_cube(device)) {
            return Err(RunError::NotDistributed { device: device_name(other) });
        }
        self.session().set_averaging(true);
        let config = DistributedConfig { all_reduce_op: ReduceOperation::Mean };
        Ok(ExecutionStrategy::ddp(devices, config))
    }

    fn checked_devices(&self, devices: &[Device]) -> Result<Vec<Device>, RunError> {
        let devices: Vec<Device> = devices.iter().map(|device| device.clone().autodiff()).collect();
        let first = devices.first().ok_or(RunError::NoDevice)?;
        if first != self.device() {
            let (expected, found) = (device_name(self.device()), device_name(first));
            return Err(RunError::MainDevice { expected, found });
        }
        let twice = |(at, device): &(usize, &Device)| devices[..*at].contains(device);
        match devices.iter().enumerate().find(twice) {
            Some((_, device)) => Err(RunError::SameDevice { device: device_name(device) }),
            None => Ok(devices),
        }
    }
}
