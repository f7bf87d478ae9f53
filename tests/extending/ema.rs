//! An average of the weights: EMA, the exponential moving average.

use burn::module::Module;
use free_at::prelude::*;
use free_at::train::{AfterStep, TrainError, blend};

/// An exponential moving average of all weights and running statistics, from the first weights on: of what was
/// kept, the share `decay` stays at every step. A decay of 0.999 averages over the last 1,000 steps or so.
///
/// For adversarial training: Rebuffi et al., "Data augmentation can improve robustness", NeurIPS 2021.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ema {
    decay: f64,
}

impl Ema {
    /// A decay from 0, which keeps the last weights, to 1, which keeps the first.
    pub(crate) fn new(decay: f64) -> Self {
        Self { decay }
    }
}

impl<C: Module> AfterStep<C> for Ema {
    fn name(&self) -> String {
        format!("ema-{}", self.decay)
    }

    fn check(&self) -> Result<(), TrainError> {
        match (0.0..=1.0).contains(&self.decay) {
            true => Ok(()),
            false => Err(TrainError::Parameter {
                what: "EMA",
                parameter: "decay",
                allowed: "from 0 to 1",
                value: self.decay,
            }),
        }
    }

    fn after_step(&self, kept: C, trained: &C, _: u64) -> C {
        blend(kept, trained, 1.0 - self.decay)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use burn::tensor::Device;

    use super::*;
    use crate::nets::{ConvNet, linf, loader, sgd, state};

    const DECAY: f64 = 0.999;
    const RATE: f64 = 0.05;
    const PASSES: usize = 3;

    fn trainer() -> FreeAdversarialTrainer {
        let config = FreeConfig::new(linf(0.1)).with_replays(2);
        FreeAdversarialTrainer::new(config, Device::flex()).unwrap()
    }

    /// What is kept after a run to `passes`, from whatever is in the folder.
    fn kept(folder: &Path, passes: usize, ema: Ema) -> Result<ConvNet, TrainError> {
        let trainer = trainer();
        let model = ConvNet::new(1, trainer.device());
        let run = trainer.run(folder, loader(Some(3)), loader(None)).passes(passes).after_step(ema);
        Ok(run.launch(model, sgd(), RATE)?.model)
    }

    /// The average, written out over a loop of one's own.
    fn by_hand() -> BTreeMap<String, Vec<f32>> {
        let trainer = trainer();
        let (mut model, mut optimizer) = (ConvNet::new(1, trainer.device()), sgd());
        let mut average = state(&model);
        let data = loader(Some(3)).to_device(trainer.device());
        for _ in 0..PASSES {
            for batch in data.iter() {
                let batch = batch.unwrap();
                for _ in 0..trainer.replays() {
                    model = trainer.step(model, &mut optimizer, RATE, &batch).unwrap().0;
                    for (path, values) in state(&model) {
                        let kept = average.get_mut(&path).unwrap();
                        for (kept, value) in kept.iter_mut().zip(values) {
                            *kept += (value - *kept) * (1.0 - DECAY) as f32;
                        }
                    }
                }
            }
        }
        average
    }

    #[test]
    fn it_is_the_average_of_all_weights_and_running_statistics() {
        /// Rounding of some ten sums of numbers of order 1.
        const ROUNDING: f32 = 1e-6;
        let folder = tempfile::tempdir().unwrap();
        let found = state(&kept(folder.path(), PASSES, Ema::new(DECAY)).unwrap());
        let expected = by_hand();
        assert!(expected.keys().any(|path| path.contains("running_var")));
        let first = state(&ConvNet::new(1, &Device::flex()));
        for (path, expected) in &expected {
            let apart = |other: &[f32]| {
                let pairs = expected.iter().zip(other);
                pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
            };
            assert!(apart(&found[path]) < ROUNDING, "{path}: {}", apart(&found[path]));
            assert!(apart(&first[path]) > 10.0 * ROUNDING, "{path} has moved");
        }
    }

    #[test]
    fn it_is_resumed_bit_for_bit_and_by_no_other_average() {
        let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let ema = Ema::new(DECAY);
        let expected = kept(whole.path(), PASSES, ema).unwrap();
        kept(parts.path(), 1, ema).unwrap();
        let other = kept(parts.path(), PASSES, Ema::new(0.99)).unwrap_err();
        assert!(matches!(other, TrainError::OtherAfterStep { .. }), "{other}");
        let resumed = kept(parts.path(), PASSES, ema).unwrap();
        assert_eq!(state(&resumed), state(&expected));
        let refused = kept(parts.path(), PASSES, Ema::new(1.5)).unwrap_err();
        assert!(matches!(refused, TrainError::Parameter { .. }), "{refused}");
    }
}
