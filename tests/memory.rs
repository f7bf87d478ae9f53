//! The memory of an attack does not grow with its steps or restarts, nor that of a training with its
//! passes. A program of its own, for the allocator that counts.

#[allow(dead_code)] // the other tests use the rest
mod reference;

use std::sync::{Arc, Mutex};

use burn::optim::SgdConfig;
use burn::tensor::{Device, TensorReadError};
use burn::train::metric::{Metric, MetricMetadata, MetricName, SerializedEntry};
use free_at::attacks::{Apgd, Attack, FabT, Square};
use free_at::data::Transform;
use free_at::prelude::*;
use free_at::train::Guard;
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// A step's tensors are many times as large as all that may be kept of it.
const GROWTH: f64 = 1.1;

fn peak(attack: impl Attack<4> + 'static) -> f64 {
    let (model, test) = (reference::model("free-8"), reference::loader(64, 64));
    // Nothing leaves: the worst case of memory.
    let evaluation = Evaluation::new(ThreatModel::linf(Epsilon::unit(1e-6))).attack(attack);
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    evaluation.run(&model, &*test).unwrap();
    (ALLOCATOR.peak_usage() - before) as f64
}

/// Takes down the peak of each pass.
#[derive(Clone, Default)]
struct Peaks(Arc<Mutex<Vec<f64>>>);

impl Metric for Peaks {
    type Input = ();

    fn name(&self) -> MetricName {
        Arc::new("Peak".into())
    }

    fn update(&mut self, _: &(), _: &MetricMetadata) -> Result<SerializedEntry, TensorReadError> {
        Ok(SerializedEntry::not_available(None))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        self.0.lock().unwrap().push(ALLOCATOR.peak_usage() as f64);
        ALLOCATOR.reset_peak_usage();
        Ok(SerializedEntry::not_available(None))
    }

    fn clear(&mut self) {}
}

/// With all that a long run has: threads that load, augmentation, metrics, a guard, checkpoints.
fn training() {
    const PASSES: usize = 20;
    let folder = tempfile::tempdir().unwrap();
    let threat = ThreatModel::linf(Epsilon::unit(0.1));
    let config = FreeConfig::new(threat.clone()).with_replays(2);
    let trainer = FreeAdversarialTrainer::new(config, Device::flex()).unwrap();
    let transforms = vec![Transform::PadCrop { pad: 1 }, Transform::Flip];
    let images = digits::train().take(256).with_transforms(transforms).unwrap();
    let train = images.loading(32).with_seed(0).with_workers(2).build(trainer.device()).unwrap();
    let valid = digits::test().take(64).loader(32, None, trainer.device()).unwrap();
    let model = SmallCnnConfig::new(1, 10).with_width(6).init(trainer.device());
    let guard = Guard::new(threat, Pgd::new(2)).with_share(1.0);
    let peaks = Peaks::default();
    let trained = trainer
        .run(folder.path(), train, valid)
        .passes(PASSES)
        .guard(guard)
        .metric_train(peaks.clone())
        .launch(model, SgdConfig::new().init(), 0.05)
        .unwrap();
    assert!(trained.best.is_some());
    let peaks = peaks.0.lock().unwrap();
    assert_eq!(peaks.len(), PASSES);
    let (early, late) = (&peaks[1..4], &peaks[PASSES - 3..]);
    let highest = |of: &[f64]| of.iter().copied().fold(0.0, f64::max);
    assert!(highest(late) < GROWTH * highest(early), "{peaks:?}");
}

#[test]
fn memory_does_not_grow_with_steps_restarts_or_passes() {
    // Each worker keeps memory for convolutions from its first task on. With several it is chance when that comes.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().unwrap();
    peak(Pgd::new(10)); // fills pools that stay
    let few = peak(Pgd::new(10));
    assert!(few > 0.0);
    for (name, many) in
        [("steps", peak(Pgd::new(300))), ("restarts", peak(Pgd::new(10).with_restarts(30)))]
    {
        assert!(many < GROWTH * few, "{name}: {many} bytes, {few} with few");
    }
    let apgd = |steps| peak(Apgd::ce().with_steps(steps));
    assert!(apgd(300) < GROWTH * apgd(10));
    let fab = |steps| peak(FabT::new().with_steps(steps).with_targets(2));
    assert!(fab(100) < GROWTH * fab(10));
    let square = |queries| peak(Square::new().with_queries(queries));
    assert!(square(300) < GROWTH * square(10));
    training(); // not beside the others, whose memory it would count
}
