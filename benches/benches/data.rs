//! Images a second that the data loader prepares: as CIFAR-10's, padded, cropped and flipped.
//!
//! `cargo bench -p free-at-benches --bench data`

use burn::tensor::Device;
use criterion::{Criterion, Throughput};
use free_at::data::Transform;
use free_at::prelude::*;
use free_at_benches::ratio::{Bar, ratio};
use free_at_benches::ratios;
use free_at_benches::timing;

/// As in the quickstart, and for its reason.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const IMAGES: usize = 8_192;
const BATCH: usize = 128;

fn data(criterion: &mut Criterion) {
    let device = Device::default();
    let bytes = (0..IMAGES * 3 * 32 * 32).map(|at| (at * 31 % 256) as u8).collect();
    let labels = (0..IMAGES).map(|at| at % 10).collect();
    let names = (0..10).map(|class| class.to_string()).collect();
    let plain = ImageDataset::from_bytes(bytes, labels, [3, 32, 32], names, 255);
    let plain = plain.expect("the images are valid");
    let augmented = plain.with_transforms(vec![Transform::PadCrop { pad: 4 }, Transform::Flip]);
    let augmented = augmented.expect("the transforms fit the images");
    let mut group = timing::group(criterion, "data");
    group.throughput(Throughput::Elements(IMAGES as u64));
    for (name, images, workers) in [
        ("plain", &plain, 0),
        ("augmented", &augmented, 0),
        ("augmented, 1 worker", &augmented, 1),
        ("augmented, 2 workers", &augmented, 2),
    ] {
        let loader = images.loading(BATCH).with_seed(0).with_workers(workers).build(&device);
        let loader = loader.expect("the batch size is valid");
        timing::time(&mut group, name, &device, || {
            loader.iter().for_each(|batch| drop(batch.expect("the images are in memory")));
        });
    }
    group.finish();
}

fn main() {
    let ratios = [
        ratio("data", "augmented", "plain", Bar::None),
        ratio("data", "augmented, 2 workers", "augmented", Bar::None),
    ];
    ratios::run(data, &ratios);
}
