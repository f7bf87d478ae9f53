//! One training step of a network for each line of input, and the seconds it took: the half of
//! `models.py` that runs here.

use std::error::Error;
use std::io::BufRead;
use std::time::Instant;

use burn::optim::SgdConfig;
use burn::optim::momentum::MomentumConfig;
use burn::tensor::{Device, Distribution, Int, Tensor};
use free_at::prelude::*;

/// As in the quickstart, and for its reason.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CLASSES: usize = 10;
const USAGE: &str = "usage: free-at-benches NETWORK BATCH CHANNELS SIZE";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [network, batch, channels, size] = arguments.as_slice() else { return Err(USAGE.into()) };
    let (batch, channels, size): (usize, usize, usize) =
        (batch.parse()?, channels.parse()?, size.parse()?);

    let trainer = StandardTrainer::new(StandardConfig::new(), Device::default())?;
    let device = trainer.device();
    let mut config = NetworkConfig::named(network, CLASSES)?;
    if let NetworkConfig::ResNet(resnet) = &mut config {
        resnet.stem = Stem::Cifar;
    }
    let mut model = config.init(device)?;
    let uniform = Distribution::Uniform(0.0, 1.0);
    let images = Tensor::<4>::random([batch, channels, size, size], uniform, device);
    let labels = Tensor::<1, Int>::arange(0..batch as i64, device).remainder_scalar(CLASSES as i64);
    let batch = Batch::new(images, labels)?;
    let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0);
    let mut sgd = SgdConfig::new().with_momentum(Some(momentum)).init();

    for line in std::io::stdin().lock().lines() {
        line?;
        let start = Instant::now();
        (model, _) = trainer.step(model, &mut sgd, 0.01, &batch)?;
        device.sync()?;
        println!("{}", start.elapsed().as_secs_f64());
    }
    Ok(())
}
