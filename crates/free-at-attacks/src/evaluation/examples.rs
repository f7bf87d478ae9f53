//! Adversarial examples as a safetensors file.

use std::path::Path;

use free_at_core::{Error, files};
use safetensors::tensor::{Dtype, TensorView, serialize};

use super::samples::Samples;
use super::tally::Finding;

/// Of each sample its adversarial example, or the sample itself where no attack broke it.
pub(super) struct Examples {
    adversarial: Vec<f32>,
    broken: Vec<u8>,
    features: usize,
}

impl Examples {
    pub(super) fn of(samples: &Samples) -> Self {
        Self {
            adversarial: samples.inputs().to_vec(),
            broken: vec![0; samples.len()],
            features: samples.shape().iter().product(),
        }
    }

    /// Takes the examples, in the order of what the finding broke; the first of a sample stays.
    pub(super) fn add(&mut self, finding: &Finding, examples: &[f32]) {
        // There are none of a finding on the lattice.
        for (broken, example) in finding.broken.iter().zip(examples.chunks(self.features)) {
            if self.broken[broken.sample] == 0 {
                self.broken[broken.sample] = 1;
                let at = broken.sample * self.features;
                self.adversarial[at..at + self.features].copy_from_slice(example);
            }
        }
    }

    /// Writes `adversarial` `[n, …]` (f32), `labels` `[n]` (i64) and `broken` `[n]` (u8).
    pub(super) fn save(&self, path: &Path, samples: &Samples) -> Result<(), Error> {
        let n = samples.len();
        let shape: Vec<usize> = std::iter::once(n).chain(samples.shape().iter().copied()).collect();
        let adversarial: Vec<u8> =
            self.adversarial.iter().flat_map(|value| value.to_le_bytes()).collect();
        let labels: Vec<u8> =
            samples.truth().iter().flat_map(|label| label.to_le_bytes()).collect();
        let view = |dtype, shape, bytes| {
            TensorView::new(dtype, shape, bytes).map_err(|error| files::failed(path, error))
        };
        let tensors = [
            ("adversarial", view(Dtype::F32, shape, &adversarial)?),
            ("labels", view(Dtype::I64, vec![n], &labels)?),
            ("broken", view(Dtype::U8, vec![n], &self.broken)?),
        ];
        let bytes = serialize(tensors, None).map_err(|error| files::failed(path, error))?;
        files::write(path, &bytes)
    }
}
