//! The memory of an attack does not grow with its steps or restarts. A program of its own, for the
//! allocator that counts.

#[allow(dead_code)] // the other tests use the rest
mod reference;

use free_at::prelude::*;
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

#[test]
fn memory_does_not_grow_with_steps_or_restarts() {
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
}
