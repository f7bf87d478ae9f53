//! Training steps on one thread, for a profiler: `benches/profile.py` runs it and adds up the operations.
//!
//! On one thread of rayon's every stack leads from the operation it is part of down to its inner loop.
//! Otherwise workers have stacks of their own, which do not say whose work they do.

use std::error::Error;

use burn::tensor::Device;
use free_at::prelude::*;
use free_at::train::Descend;
use free_at_benches::cases::{CASES, Case, sgd};

/// As in the quickstart, and for its reason.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "usage: profile CASE standard|free|pgd STEPS";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, method, steps] = arguments.as_slice() else { return Err(USAGE.into()) };
    let case = CASES.iter().find(|case| case.name == name).ok_or(USAGE)?;
    let (steps, device) = (steps.parse()?, Device::default());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let free = || FreeConfig::new(case.threat());
    let pgd = || AdversarialConfig::new(case.threat(), Pgd::new(7));
    let done: Result<(), free_at::train::TrainError> = match method.as_str() {
        "standard" => pool.install(|| {
            profiled(&StandardTrainer::new(StandardConfig::new(), device)?, case, steps)
        }),
        "free" => {
            pool.install(|| profiled(&FreeAdversarialTrainer::new(free(), device)?, case, steps))
        }
        "pgd" => pool.install(|| profiled(&AdversarialTrainer::new(pgd(), device)?, case, steps)),
        _ => return Err(USAGE.into()),
    };
    Ok(done?)
}

/// Kept apart by its name: only what is below it counts.
#[inline(never)]
fn profiled<M: Descend<4>>(
    trainer: &Trainer<M>,
    case: &Case,
    steps: usize,
) -> Result<(), free_at::train::TrainError> {
    let device = trainer.device();
    let (batch, mut optimizer) = (case.batch(device), sgd());
    let mut model = case.network(device);
    for _ in 0..steps {
        model = trainer.step(model, &mut optimizer, 1e-4, &batch)?.0;
    }
    trainer.finish()
}
