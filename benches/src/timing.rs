//! Timing through criterion, the device's work included.

use std::time::{Duration, Instant};

use burn::tensor::Device;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode};

/// Ten samples of about as many repetitions as fit, after a second of warming up.
pub fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .sample_size(10)
        .sampling_mode(SamplingMode::Flat)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4));
    group
}

/// Seconds of one `step`. The device has finished before the clock starts and before it stops.
pub fn time(
    group: &mut BenchmarkGroup<WallTime>,
    name: &str,
    device: &Device,
    mut step: impl FnMut(),
) {
    time_many(group, name, device, |steps| (0..steps).for_each(|_| step()));
}

/// The same of something that does a number of steps at once.
pub fn time_many(
    group: &mut BenchmarkGroup<WallTime>,
    name: &str,
    device: &Device,
    mut steps: impl FnMut(u64),
) {
    let finish = || device.sync().expect("the device works");
    let mut warm = false;
    group.bench_function(name, |bencher| {
        // `--quick` does not warm up, and the first step may compile kernels.
        if !std::mem::replace(&mut warm, true) {
            steps(1);
        }
        bencher.iter_custom(|n| {
            finish();
            let start = Instant::now();
            steps(n);
            finish();
            start.elapsed()
        });
    });
}
