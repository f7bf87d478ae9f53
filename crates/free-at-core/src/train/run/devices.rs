//! Training on several devices, of this machine or others.

use burn::backend::AutodiffBackend;
use burn::tensor::Device;
use burn::tensor::distributed::{DistributedConfig, ReduceOperation};
use burn::train::{ExecutionStrategy, MultiDeviceOptim};

use super::device_kind::is_cube;
use crate::error::convert::device_name;
use crate::train::TrainError;
use crate::train::method::interface::Method;
use crate::train::trainer::Trainer;

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
    /// [`TrainError::NoDevice`], [`TrainError::SameDevice`], [`TrainError::MainDevice`].
    pub fn multi_device(&self, devices: &[Device]) -> Result<ExecutionStrategy, TrainError> {
        self.check_devices(devices)?;
        self.session().set_averaging(false);
        Ok(ExecutionStrategy::multi(with_autodiff(devices), MultiDeviceOptim::OptimMainDevice))
    }

    /// Burn's strategy for distributed data parallel training: every device has the model, and they
    /// average their gradients among themselves.
    ///
    /// # Errors
    /// Those of [`multi_device`](Self::multi_device), and [`TrainError::NotDistributed`].
    pub fn distributed(&self, devices: &[Device]) -> Result<ExecutionStrategy, TrainError> {
        self.check_distributed(devices)?;
        self.session().set_averaging(true);
        let config = DistributedConfig { all_reduce_op: ReduceOperation::Mean };
        Ok(ExecutionStrategy::ddp(with_autodiff(devices), config))
    }

    pub(super) fn check_distributed(&self, devices: &[Device]) -> Result<(), TrainError> {
        self.check_devices(devices)?;
        match devices.iter().find(|device| !is_cube(device)) {
            Some(other) => Err(TrainError::NotDistributed { device: device_name(other) }),
            None => Ok(()),
        }
    }

    pub(super) fn check_devices(&self, devices: &[Device]) -> Result<(), TrainError> {
        let devices = with_autodiff(devices);
        let first = devices.first().ok_or(TrainError::NoDevice)?;
        if first != self.device() {
            let (expected, found) = (device_name(self.device()), device_name(first));
            return Err(TrainError::MainDevice { expected, found });
        }
        let twice = |(at, device): &(usize, &Device)| devices[..*at].contains(device);
        match devices.iter().enumerate().find(twice) {
            Some((_, device)) => Err(TrainError::SameDevice { device: device_name(device) }),
            None => Ok(()),
        }
    }
}

fn with_autodiff(devices: &[Device]) -> Vec<Device> {
    devices.iter().map(|device| device.clone().autodiff()).collect()
}
