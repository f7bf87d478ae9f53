//! A Burn metric of a mean that stays on the device until somebody asks.

use burn::tensor::TensorReadError;
use burn::train::metric::{NumericEntry, SerializedEntry};
use free_at_core::train::DeviceMean;

/// What a metric has read of a [`DeviceMean`]: in this pass, and the last time.
#[derive(Debug, Clone, Default)]
pub(super) struct Readings {
    pass: (f64, f64),
    last: Option<f64>,
}

impl Readings {
    pub(super) fn read(&mut self, mean: &DeviceMean) -> Result<SerializedEntry, TensorReadError> {
        let (sum, count) = mean.take()?;
        self.pass = (self.pass.0 + sum, self.pass.1 + count);
        self.last = (count > 0.0).then_some(sum / count);
        Ok(self.entry(self.last))
    }

    /// All of the pass, once what is left of it has been read.
    pub(super) fn whole(&mut self, mean: &DeviceMean) -> Result<SerializedEntry, TensorReadError> {
        self.read(mean)?;
        Ok(self.entry(self.of_pass()))
    }

    fn of_pass(&self) -> Option<f64> {
        (self.pass.1 > 0.0).then_some(self.pass.0 / self.pass.1)
    }

    fn entry(&self, value: Option<f64>) -> SerializedEntry {
        match (value, self.of_pass()) {
            (Some(value), Some(pass)) => {
                let serialized = NumericEntry::Value(value).serialize();
                SerializedEntry::new(format!("epoch {pass:.4}"), serialized)
            }
            _ => SerializedEntry::not_available(None),
        }
    }

    pub(super) fn value(&self) -> Option<NumericEntry> {
        self.last.map(NumericEntry::Value)
    }

    pub(super) fn running_value(&self) -> Option<NumericEntry> {
        self.of_pass().map(NumericEntry::Value)
    }

    pub(super) fn final_value(&self) -> NumericEntry {
        NumericEntry::Final(self.of_pass().unwrap_or(f64::NAN)) // no number where nothing was seen
    }
}

/// Makes an observer with fields `mean: DeviceMean` and `readings: Readings` a Burn metric for training.
macro_rules! metric {
    ($observer:ty, $name:literal, higher_is_better: $better:literal) => {
        impl burn::train::metric::Metric for $observer {
            type Input = burn::train::metric::LossInput;

            fn name(&self) -> burn::train::metric::MetricName {
                std::sync::Arc::new($name.into())
            }

            fn attributes(&self) -> burn::train::metric::MetricAttributes {
                burn::train::metric::NumericAttributes { unit: None, higher_is_better: $better }
                    .into()
            }

            fn update(
                &mut self,
                _: &Self::Input,
                _: &burn::train::metric::MetricMetadata,
            ) -> Result<burn::train::metric::SerializedEntry, burn::tensor::TensorReadError> {
                self.readings.read(&self.mean)
            }

            fn compute(
                &mut self,
            ) -> Result<burn::train::metric::SerializedEntry, burn::tensor::TensorReadError> {
                self.readings.whole(&self.mean)
            }

            fn clear(&mut self) {
                self.readings = Default::default();
            }
        }

        impl burn::train::metric::Numeric for $observer {
            fn value(&self) -> Option<burn::train::metric::NumericEntry> {
                self.readings.value()
            }

            fn running_value(&self) -> Option<burn::train::metric::NumericEntry> {
                self.readings.running_value()
            }

            fn final_value(&self) -> burn::train::metric::NumericEntry {
                self.readings.final_value()
            }
        }
    };
}

pub(super) use metric;
