//! One training step for each line of input, and the seconds it took: the half of `pytorch/compare.py`
//! that runs here. First the loss of the batch, at the end the peak memory in MiB.

use std::error::Error;
use std::io::BufRead;
use std::time::Instant;

use burn::tensor::{Device, Int, Tensor, TensorData};
use free_at::models::{Network, Stem, Weights};
use free_at::prelude::*;
use free_at::train::Descend;
use free_at_benches::cases::{CLASSES, sgd};
use safetensors::SafeTensors;

/// As in the quickstart, and for its reason.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "usage: free-at-benches NETWORK WIDTH standard|free|pgd FILE";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [network, width, method, file] = arguments.as_slice() else { return Err(USAGE.into()) };
    let (device, threat) = (Device::default(), ThreatModel::linf(Epsilon::pixels(8.0)));
    let given = Given { network, width: width.parse()?, file };
    match method.as_str() {
        "standard" => given.steps(&StandardTrainer::new(StandardConfig::new(), device)?),
        "free" => given.steps(&FreeAdversarialTrainer::new(FreeConfig::new(threat), device)?),
        "pgd" => {
            let config = AdversarialConfig::new(threat, Pgd::new(7));
            given.steps(&AdversarialTrainer::new(config, device)?)
        }
        _ => Err(USAGE.into()),
    }
}

/// A network, and the file with its weights and the batch.
struct Given<'a> {
    network: &'a str,
    width: usize,
    file: &'a str,
}

impl Given<'_> {
    fn steps<M: Descend<4>>(&self, trainer: &Trainer<M>) -> Result<(), Box<dyn Error>> {
        let device = trainer.device();
        let batch = self.batch(device)?;
        let checkpoint = Weights::open(self.file)?.ignoring("inputs").ignoring("labels");
        let model = || -> Result<Network, Box<dyn Error>> {
            let mut config = NetworkConfig::named(self.network, CLASSES)?.with_width(self.width);
            if let NetworkConfig::ResNet(resnet) = &mut config {
                resnet.stem = Stem::Cifar;
            }
            Ok(checkpoint.load(config.init(device)?)?)
        };
        // Ordinary training's: that of clean images, as the other side's.
        let ordinary = StandardTrainer::new(StandardConfig::new(), Device::default())?;
        let (_, output) = ordinary.step(model()?, &mut sgd(), 0.0, &batch)?;
        println!("{}", output.loss.into_scalar::<f32>());

        let (mut model, mut optimizer) = (model()?, sgd());
        for line in std::io::stdin().lock().lines() {
            line?;
            let start = Instant::now();
            (model, _) = trainer.step(model, &mut optimizer, 1e-4, &batch)?;
            device.sync()?;
            println!("{}", start.elapsed().as_secs_f64());
        }
        println!("{}", peak_memory()?);
        Ok(())
    }

    fn batch(&self, device: &Device) -> Result<Batch<4>, Box<dyn Error>> {
        let bytes = std::fs::read(self.file)?;
        let tensors = SafeTensors::deserialize(&bytes)?;
        let (inputs, labels) = (tensors.tensor("inputs")?, tensors.tensor("labels")?);
        let shape = inputs.shape().to_vec();
        let inputs: Vec<f32> = words(inputs.data()).map(f32::from_le_bytes).collect();
        let labels: Vec<i32> = words(labels.data()).map(i32::from_le_bytes).collect();
        let inputs = Tensor::<4>::from_data(TensorData::new(inputs, shape), device);
        let labels = Tensor::<1, Int>::from_data(labels.as_slice(), device);
        Ok(Batch::new(inputs, labels)?)
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = [u8; 4]> {
    bytes.as_chunks().0.iter().copied()
}

/// The most memory this program had at once, in MiB.
fn peak_memory() -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB")).ok_or("no VmHWM")?;
    Ok(kibibytes.trim().parse::<f64>()? / 1024.0)
}
