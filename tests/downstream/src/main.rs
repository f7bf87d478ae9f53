//! A model of one's own, trained with Free-4 and attacked: what `cargo add free-at` is for.

use free_at::burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use free_at::burn::optim::AdamConfig;
use free_at::burn::tensor::{Device, Tensor, activation::relu};
use free_at::burn::{self, module::Module};
use free_at::prelude::*;

#[derive(Module, Debug)]
struct Mlp {
    hidden: Linear,
    norm: BatchNorm,
    output: Linear,
}

impl Classifier<4> for Mlp {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let x = self.hidden.forward(images.flatten(1, 3));
        self.output.forward(relu(self.norm.forward(x)))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let threat = ThreatModel::linf(Epsilon::unit(0.05));
    let config = FreeConfig::new(threat.clone()).with_replays(4);
    let trainer = FreeAdversarialTrainer::new(config, Device::default())?;
    let device = trainer.device();
    device.seed(0);
    let mut model = Mlp {
        hidden: LinearConfig::new(64, 128).init(device),
        norm: BatchNormConfig::new(128).init(device),
        output: LinearConfig::new(128, digits::CLASSES).init(device),
    };
    let mut adam = AdamConfig::new().init();
    let train = digits::train().loader(64, Some(0), device)?;
    for _ in 0..trainer.passes(32) {
        for batch in train.iter() {
            let batch = batch?;
            for _ in 0..trainer.replays() {
                (model, _) = trainer.step(model, &mut adam, 2e-3, &batch)?;
            }
        }
    }
    let test = digits::test().loader(120, None, &Device::default())?;
    let report = Evaluation::new(threat).attack(Pgd::new(20)).run(&model.valid(), &*test)?;
    println!("{report}");
    let enough = report.clean > 0.9 && report.worst_case > 0.5;
    enough.then_some(()).ok_or_else(|| "less robust than it should be".into())
}
