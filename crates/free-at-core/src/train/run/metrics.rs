//! Burn metrics of adversarial training.

use std::sync::Arc;

use burn::tensor::TensorReadError;
use burn::train::metric::{
    Metric, MetricAttributes, MetricMetadata, MetricName, Numeric, NumericAttributes, NumericEntry,
    SerializedEntry,
};

use super::robust_accuracy::RobustCount;

/// Accuracy in per cent under the attack of a [`Guard`](crate::train::Guard), as a Burn metric for
/// validation. Registered by [`Trainer::run`](crate::train::Trainer::run).
#[derive(Debug, Clone, Default)]
pub struct RobustAccuracyMetric {
    right: f64,
    samples: usize,
    last: Option<(f64, usize)>,
}

impl RobustAccuracyMetric {
    /// The name under which it is logged.
    pub const NAME: &'static str = "Robust Accuracy";

    /// A metric that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// In per cent.
    fn share(right: f64, samples: usize) -> f64 {
        100.0 * right / samples as f64 // no number where nothing was probed
    }

    /// What a line of metrics says, from 0 to 1, to the last bit: a run that goes on compares with it.
    pub(crate) fn accuracy(right: f64, samples: f64) -> Option<f64> {
        (samples > 0.0).then(|| Self::share(right, samples as usize) / 100.0)
    }

    fn entry(&self, value: Option<NumericEntry>) -> SerializedEntry {
        match (self.samples, value) {
            (0, _) | (_, None) => SerializedEntry::not_available(Some("%")),
            (samples, Some(value)) => {
                let all = Self::share(self.right, samples);
                SerializedEntry::new(format!("epoch {all:.2} % of {samples}"), value.serialize())
            }
        }
    }
}

impl Metric for RobustAccuracyMetric {
    type Input = Option<RobustCount>;

    fn name(&self) -> MetricName {
        Arc::new(Self::NAME.into())
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes { unit: Some("%".into()), higher_is_better: true }.into()
    }

    fn update(
        &mut self,
        count: &Self::Input,
        _: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        self.last = match count {
            Some(count) => Some((count.read()?, count.samples)),
            None => None,
        };
        if let Some((right, samples)) = self.last {
            self.right += right;
            self.samples += samples;
        }
        Ok(self.entry(self.value()))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        Ok(self.entry(Some(self.final_value())))
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Numeric for RobustAccuracyMetric {
    fn value(&self) -> Option<NumericEntry> {
        let (right, count) = self.last?;
        Some(NumericEntry::Aggregated { aggregated_value: Self::share(right, count), count })
    }

    fn running_value(&self) -> Option<NumericEntry> {
        let (right, count) = (self.right, self.samples);
        let value = NumericEntry::Aggregated { aggregated_value: Self::share(right, count), count };
        (count > 0).then_some(value)
    }

    fn final_value(&self) -> NumericEntry {
        NumericEntry::Final(Self::share(self.right, self.samples))
    }
}

/// Another metric, asked about every n-th minibatch only: reading a metric waits for the device.
///
/// What it reports of an epoch is the mean over the minibatches it saw.
///
/// ```
/// use burn::train::metric::AccuracyMetric;
/// use free_at_core::train::EveryNth;
///
/// let training_accuracy = EveryNth::new(10, AccuracyMetric::new());
/// ```
#[derive(Debug, Clone)]
pub struct EveryNth<M> {
    inner: M,
    every: usize,
    asked: bool,
    last: SerializedEntry,
}

impl<M: Metric> EveryNth<M> {
    /// `inner` for minibatches number 1, 1 + `every`, 1 + 2 `every`, … of an epoch; 0 counts as 1.
    pub fn new(every: usize, inner: M) -> Self {
        let last = SerializedEntry::not_available(None);
        Self { inner, every: every.max(1), asked: false, last }
    }
}

impl<M: Metric> Metric for EveryNth<M> {
    type Input = M::Input;

    fn name(&self) -> MetricName {
        self.inner.name()
    }

    fn description(&self) -> Option<String> {
        self.inner.description()
    }

    fn attributes(&self) -> MetricAttributes {
        self.inner.attributes()
    }

    fn update(
        &mut self,
        input: &Self::Input,
        metadata: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        let before = metadata.iteration.map_or(0, |iteration| iteration.saturating_sub(1));
        self.asked = before.is_multiple_of(self.every);
        if self.asked {
            self.last = self.inner.update(input, metadata)?;
        }
        Ok(self.last.clone())
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        self.inner.compute()
    }

    fn clear(&mut self) {
        self.inner.clear();
    }
}

impl<M: Metric + Numeric> Numeric for EveryNth<M> {
    fn value(&self) -> Option<NumericEntry> {
        self.asked.then(|| self.inner.value()).flatten()
    }

    fn running_value(&self) -> Option<NumericEntry> {
        self.inner.running_value()
    }

    fn final_value(&self) -> NumericEntry {
        self.inner.final_value()
    }
}
