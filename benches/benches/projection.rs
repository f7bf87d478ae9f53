//! Seconds of what keeps a perturbation within its threat model: for a batch of CIFAR-10's size.
//!
//! `cargo bench -p free-at-benches --bench projection`

use burn::tensor::{Device, Distribution, Tensor};
use criterion::Criterion;
use free_at::prelude::*;
use free_at_benches::ratios;
use free_at_benches::timing;

/// As in the quickstart, and for its reason.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SHAPE: [usize; 4] = [128, 3, 32, 32];

fn projection(criterion: &mut Criterion) {
    let device = Device::default();
    let random = |low, high| Tensor::<4>::random(SHAPE, Distribution::Uniform(low, high), &device);
    let (inputs, delta) = (random(0.0, 1.0), random(-0.1, 0.1));
    for threat in [ThreatModel::linf(Epsilon::pixels(8.0)), ThreatModel::l2(Epsilon::unit(0.5))] {
        let allowed = threat.around(&inputs).expect("the threat model fits the inputs");
        let mut group = timing::group(criterion, &format!("projection/{}", threat.norm()));
        group.throughput(criterion::Throughput::Elements(SHAPE.iter().product::<usize>() as u64));
        timing::time(&mut group, "to the ball", &device, || {
            allowed.project_to_ball(delta.clone());
        });
        timing::time(&mut group, "to the bounds", &device, || {
            allowed.project_to_bounds(&inputs, delta.clone());
        });
        timing::time(&mut group, "to both", &device, || {
            allowed.project(&inputs, delta.clone());
        });
        timing::time(&mut group, "steepest step", &device, || {
            allowed.steepest_step(delta.clone(), 0.01);
        });
        group.finish();
    }
}

fn main() {
    ratios::run(projection, &[]);
}
