//! Small networks, data and readings that the tests share.

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::data::dataloader::{DataLoader, DataLoaderBuilder, batcher::Batcher};
use burn::data::dataset::InMemDataset;
use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{ModuleOptimizer, SgdConfig};
use burn::tensor::activation::tanh;
use burn::tensor::{Device, Int, Tensor};
use free_at::prelude::*;

pub(crate) const CLASSES: usize = 3;

/// Convolution, batch norm, tanh, linear: for images `[n, 2, 5, 5]`.
#[derive(Module, Debug)]
pub(crate) struct ConvNet {
    pub(crate) conv: Conv2d,
    pub(crate) norm: BatchNorm,
    pub(crate) linear: Linear,
}

impl ConvNet {
    pub(crate) fn new(seed: u64, device: &Device) -> Self {
        device.seed(seed);
        let conv = Conv2dConfig::new([2, 4], [3, 3])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
            .with_bias(false);
        Self {
            conv: conv.init(device),
            norm: BatchNormConfig::new(4).init(device),
            linear: LinearConfig::new(4 * 5 * 5, CLASSES).init(device),
        }
    }
}

impl Classifier<4> for ConvNet {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let x = tanh(self.norm.forward(self.conv.forward(images)));
        self.linear.forward(x.flatten(1, 3))
    }
}

/// A linear classifier of rows `[n, 4]`.
#[derive(Module, Debug)]
pub(crate) struct LinearNet {
    pub(crate) linear: Linear,
}

impl LinearNet {
    pub(crate) fn new(seed: u64, device: &Device) -> Self {
        device.seed(seed);
        Self { linear: LinearConfig::new(4, CLASSES).init(device) }
    }
}

impl Classifier<2> for LinearNet {
    fn logits(&self, rows: Tensor<2>) -> Tensor<2> {
        self.linear.forward(rows)
    }
}

/// SGD with momentum 0.9 and weight decay, as PyTorch defines them.
pub(crate) fn sgd() -> ModuleOptimizer {
    SgdConfig::new()
        .with_momentum(Some(MomentumConfig::new().with_momentum(0.9).with_dampening(0.0)))
        .with_weight_decay(Some(WeightDecayConfig::new(1e-3)))
        .init()
}

/// Every parameter and running statistic by its path, brought up to date.
pub(crate) fn state<M: Module>(model: &M) -> BTreeMap<String, Vec<f32>> {
    #[derive(Default)]
    struct Read {
        path: Vec<String>,
        found: BTreeMap<String, Vec<f32>>,
    }
    impl ModuleVisitor for Read {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.into());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let values = param.val().try_into_vec_as().unwrap();
            self.found.insert(self.path.join("."), values);
        }
    }
    let mut read = Read::default();
    model.valid().visit(&mut read);
    read.found
}

/// Values in [0.05, 0.95], the same for the same seed on every device.
pub(crate) fn values<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    let samples = (0..shape[0] as u64).collect();
    Draws::new(seed, samples).uniform(shape, device).mul_scalar(0.45).add_scalar(0.5)
}

pub(crate) fn images(n: usize, seed: u64, device: &Device) -> Batch<4> {
    let labels = (0..n).map(|at| (at * 7 % 5 % CLASSES) as i64).collect::<Vec<_>>();
    let labels = Tensor::<1, Int>::from_data(labels.as_slice(), device);
    Batch::new(values([n, 2, 5, 5], seed, device), labels).unwrap()
}

struct Images;

impl Batcher<(u64, i64), Batch<4>> for Images {
    fn batch(&self, items: Vec<(u64, i64)>, device: &Device) -> Batch<4> {
        let inputs = items.iter().map(|(id, _)| values([1, 2, 5, 5], *id, device)).collect();
        let labels = items.iter().map(|(_, label)| *label).collect::<Vec<_>>();
        let labels = Tensor::from_data(labels.as_slice(), device);
        Batch::new(Tensor::cat(inputs, 0), labels).unwrap()
    }
}

/// 22 images, shuffled, in minibatches of 8: the last one is smaller.
pub(crate) fn loader(shuffle: Option<u64>) -> Arc<dyn DataLoader<Batch<4>>> {
    let items = (0..22).map(|id| (id, id as i64 % CLASSES as i64)).collect();
    let builder = DataLoaderBuilder::new(Images).batch_size(8).set_device(Device::flex());
    let builder = match shuffle {
        Some(seed) => builder.shuffle(seed),
        None => builder,
    };
    builder.build(InMemDataset::new(items))
}

pub(crate) fn linf(epsilon: f64) -> ThreatModel {
    ThreatModel::linf(Epsilon::unit(epsilon))
}
