//! Averages of the weights that a run keeps: saved, resumed, and what comes back.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{DType, Device};
use free_at::prelude::*;
use free_at::train::{AfterStep, Ema, Swa, TrainError};

use crate::nets::{ConvNet, Half, linf, loader, sgd, state};

const DECAY: f64 = 0.999;
const RATE: f64 = 0.05;
const PASSES: usize = 3;

fn trainer() -> FreeAdversarialTrainer {
    let config = FreeConfig::new(linf(0.1)).with_replays(2);
    FreeAdversarialTrainer::new(config, Device::flex()).unwrap()
}

/// What is kept after a run to `passes`, from whatever is in the folder.
fn kept(
    folder: &Path,
    passes: usize,
    average: impl AfterStep<ConvNet> + 'static,
) -> Result<ConvNet, TrainError> {
    let trainer = trainer();
    let model = ConvNet::new(1, trainer.device());
    let run = trainer.run(folder, loader(Some(3)), loader(None)).passes(passes);
    let run = run.after_step(average);
    Ok(run.launch(model, sgd(), RATE)?.model)
}

/// The average, written out over a loop of one's own.
fn by_hand(ema: Ema) -> BTreeMap<String, Vec<f32>> {
    let trainer = trainer();
    let (mut model, mut optimizer) = (ConvNet::new(1, trainer.device()), sgd());
    let mut average = state(&model);
    let data = loader(Some(3)).to_device(trainer.device());
    let mut step = 0;
    for _ in 0..PASSES {
        for batch in data.iter() {
            let batch = batch.unwrap();
            for _ in 0..trainer.replays() {
                model = trainer.step(model, &mut optimizer, RATE, &batch).unwrap().0;
                step += 1;
                let moves = (1.0 - ema.decay(step)) as f32;
                for (path, values) in state(&model) {
                    let kept = average.get_mut(&path).unwrap();
                    for (kept, value) in kept.iter_mut().zip(values) {
                        *kept += (value - *kept) * moves;
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
    for ema in [Ema::new(DECAY), Ema::new(DECAY).without_warm_up()] {
        let folder = tempfile::tempdir().unwrap();
        let found = state(&kept(folder.path(), PASSES, ema).unwrap());
        let expected = by_hand(ema);
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
}

#[test]
fn it_is_resumed_bit_for_bit_and_by_no_other_average() {
    fn test<A: AfterStep<ConvNet> + Copy + 'static>(average: A) {
        let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let expected = kept(whole.path(), PASSES, average).unwrap();
        kept(parts.path(), 1, average).unwrap();
        let other = kept(parts.path(), PASSES, Ema::new(0.9)).unwrap_err();
        assert!(matches!(other, TrainError::OtherAfterStep { .. }), "{other}");
        let resumed = kept(parts.path(), PASSES, average).unwrap();
        assert_eq!(state(&resumed), state(&expected));
    }
    test(Ema::new(DECAY));
    test(Swa::new(3).every(2));
}

#[test]
fn averages_refuse_what_is_out_of_range() {
    let folder = tempfile::tempdir().unwrap();
    let refused = kept(folder.path(), PASSES, Ema::new(1.5)).unwrap_err();
    assert!(matches!(refused, TrainError::Parameter { what: "EMA", .. }), "{refused}");
    for swa in [Swa::new(3).every(0), Swa::new(0)] {
        let refused = kept(folder.path(), PASSES, swa).unwrap_err();
        assert!(matches!(refused, TrainError::Parameter { what: "SWA", .. }), "{refused}");
    }
}

/// Gradients of three minibatches make one optimiser step, and an average counts those.
#[test]
fn accumulated_minibatches_are_one_step_of_an_average() {
    #[derive(Debug, Default, Clone)]
    struct Steps(std::sync::Arc<std::sync::Mutex<Vec<u64>>>);
    impl AfterStep<ConvNet> for Steps {
        fn name(&self) -> String {
            "steps".into()
        }
        fn check(&self) -> Result<(), TrainError> {
            Ok(())
        }
        fn after_step(&self, kept: ConvNet, _: &ConvNet, step: u64) -> ConvNet {
            self.0.lock().unwrap().push(step);
            kept
        }
    }
    let (folder, steps, trainer) = (tempfile::tempdir().unwrap(), Steps::default(), trainer());
    let model = ConvNet::new(1, trainer.device());
    let run = trainer.run(folder.path(), loader(Some(3)), loader(None)).passes(2);
    // 3 minibatches, twice each, in a pass.
    run.after_step(steps.clone()).accumulating(3).launch(model, sgd(), RATE).unwrap();
    assert_eq!(*steps.0.lock().unwrap(), [1, 2, 3, 4]);
}

/// In half precision each step of a slow average would be rounded to nothing; in single they add up.
#[test]
fn an_average_of_a_model_in_half_precision_is_kept_in_single() {
    let (folder, trainer) = (tempfile::tempdir().unwrap(), trainer());
    let model = ConvNet::new(1, trainer.device()).map(&mut Half);
    let first = state(&model);
    let run = trainer.run(folder.path(), loader(Some(3)), loader(None)).passes(PASSES);
    let slow = Ema::new(0.998).without_warm_up(); // less than half a step of BF16 at a time
    let kept = run.after_step(slow).launch(model, sgd(), RATE).unwrap().model;
    assert_eq!(kept.linear.weight.val().dtype(), DType::BF16);
    let (found, before) = (&state(&kept)["linear.weight"], &first["linear.weight"]);
    let moved = found.iter().zip(before).filter(|(a, b)| a != b).count();
    assert!(moved > before.len() / 10, "{moved} of {} weights have moved", before.len());
}

/// Before its first step SWA keeps the last weights, and then the mean of those it takes.
#[test]
fn swa_is_the_mean_of_every_so_many_weights() {
    let device = Device::flex();
    let models: Vec<ConvNet> = (0..6).map(|seed| ConvNet::new(seed, &device)).collect();
    let swa = Swa::new(2).every(2);
    let mut kept = models[0].clone();
    let mut found = Vec::new();
    for step in 1..6 {
        kept = swa.after_step(kept, &models[step as usize], step);
        found.push(state(&kept)["linear.weight"][0]);
    }
    let of = |at: usize| state(&models[at])["linear.weight"][0];
    let expected = [of(1), of(2), of(2), (of(2) + of(4)) / 2.0, (of(2) + of(4)) / 2.0];
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    }
}
