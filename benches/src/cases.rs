//! The networks and batches that are measured.

use burn::optim::ModuleOptimizer;
use burn::optim::momentum::MomentumConfig;
use burn::tensor::{Device, Distribution, Int, Tensor};
use free_at::models::Network;
use free_at::nn::SgdConfig;
use free_at::prelude::*;

/// Classes of every case.
pub const CLASSES: usize = 10;

/// A network with a batch for it, small enough for a CPU.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Of the network, with its width where that is not the published one.
    pub name: &'static str,
    network: &'static str,
    width: usize,
    /// Samples in a batch.
    pub batch: usize,
    /// Channels, height, width of an image.
    pub image: [usize; 3],
}

/// The quickstart's network on digits, and two of the field's on images as large as CIFAR-10's.
pub const CASES: [Case; 3] = [
    Case { name: "small-cnn", network: "small-cnn", width: 14, batch: 128, image: [1, 8, 8] },
    Case {
        name: "preact-resnet-18-w16",
        network: "preact-resnet-18",
        width: 16,
        batch: 32,
        image: [3, 32, 32],
    },
    Case { name: "wrn-16-4", network: "wrn-16-4", width: 16, batch: 16, image: [3, 32, 32] },
];

impl Case {
    /// The network with new weights.
    pub fn network(&self, device: &Device) -> Network {
        let config = NetworkConfig::named(self.network, CLASSES).expect("the network is known");
        let config = config.with_width(self.width).for_images(self.image, CLASSES);
        config.init(device).expect("the network takes the images")
    }

    /// Random images, all classes in turn.
    pub fn batch(&self, device: &Device) -> Batch<4> {
        let [channels, height, width] = self.image;
        let uniform = Distribution::Uniform(0.0, 1.0);
        let images = Tensor::random([self.batch, channels, height, width], uniform, device);
        let labels = Tensor::<1, Int>::arange(0..self.batch as i64, device);
        let batch = Batch::new(images, labels.remainder_scalar(CLASSES as i64));
        batch.expect("as many labels as images")
    }

    /// What is trained against.
    pub fn threat(&self) -> ThreatModel {
        ThreatModel::linf(match self.image[0] {
            1 => Epsilon::unit(0.1),
            _ => Epsilon::pixels(8.0),
        })
    }
}

/// The optimiser of the published programs.
pub fn sgd() -> ModuleOptimizer {
    let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0);
    SgdConfig::new().with_momentum(Some(momentum)).init()
}
