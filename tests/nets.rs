//! Small networks, data and readings that the tests share.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn::data::dataloader::{DataLoader, DataLoaderBuilder, batcher::Batcher};
use burn::data::dataset::InMemDataset;
use burn::module::{Module, ModuleDisplay, ModuleMapper, ModuleVisitor, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::lr_scheduler::constant::ConstantLr;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{ModuleOptimizer, SgdConfig};
use burn::tensor::activation::tanh;
use burn::tensor::{Device, FloatDType, Int, Tensor};
use burn::train::LearningResult;
use burn::train::metric::LossMetric;
use free_at::Draws;
use free_at::prelude::*;
use free_at::train::{AdversarialModel, Descend};

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
        let conv = Conv2dConfig::new([2, 4], [3, 3])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
            .with_bias(false);
        let net = Self {
            conv: conv.init(device),
            norm: BatchNormConfig::new(4).init(device),
            linear: LinearConfig::new(4 * 5 * 5, CLASSES).init(device),
        };
        seeded(net, seed)
    }
}

impl Classifier<4> for ConvNet {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let x = tanh(self.norm.forward(self.conv.forward(images)));
        self.linear.forward(x.flatten(1, 3))
    }
}

/// A linear classifier of tables: rows of any length.
#[derive(Module, Debug)]
pub(crate) struct TableNet {
    pub(crate) linear: Linear,
}

impl TableNet {
    pub(crate) fn new(features: usize, classes: usize, seed: u64, device: &Device) -> Self {
        seeded(Self { linear: LinearConfig::new(features, classes).init(device) }, seed)
    }
}

impl Classifier<2> for TableNet {
    fn logits(&self, rows: Tensor<2>) -> Tensor<2> {
        self.linear.forward(rows)
    }
}

/// A linear classifier of rows `[n, 4]`.
#[derive(Module, Debug)]
pub(crate) struct LinearNet {
    pub(crate) linear: Linear,
}

impl LinearNet {
    pub(crate) fn new(seed: u64, device: &Device) -> Self {
        seeded(Self { linear: LinearConfig::new(4, CLASSES).init(device) }, seed)
    }
}

impl Classifier<2> for LinearNet {
    fn logits(&self, rows: Tensor<2>) -> Tensor<2> {
        self.linear.forward(rows)
    }
}

/// A linear classifier of rows `[n, 6]` into four classes.
#[derive(Module, Debug)]
pub(crate) struct RowNet {
    linear: Linear,
}

impl RowNet {
    pub(crate) fn new(seed: u64, device: &Device) -> Self {
        seeded(Self { linear: LinearConfig::new(6, 4).init(device) }, seed)
    }
}

impl Classifier<2> for RowNet {
    fn logits(&self, rows: Tensor<2>) -> Tensor<2> {
        self.linear.forward(rows)
    }
}

/// `n` rows that the network gets right, whatever it says of them, in batches of ten.
pub(crate) fn rows(model: &RowNet, n: usize) -> Arc<dyn DataLoader<Batch<2>>> {
    struct Rows(RowNet);
    impl Batcher<u64, Batch<2>> for Rows {
        fn batch(&self, ids: Vec<u64>, device: &Device) -> Batch<2> {
            let rows = ids.iter().map(|id| values([1, 6], *id, device)).collect();
            let rows = Tensor::cat(rows, 0);
            let labels = self.0.logits(rows.clone()).argmax(1).squeeze_dim(1);
            Batch::new(rows, labels).unwrap()
        }
    }
    DataLoaderBuilder::new(Rows(model.clone()))
        .batch_size(10)
        .set_device(Device::flex())
        .build(InMemDataset::new((0..n as u64).collect()))
}

/// The model with weights that depend on the seed alone.
///
/// The backend's generator is one for the whole process, and tests run side by side in it.
pub(crate) fn seeded<M: Module>(model: M, seed: u64) -> M {
    struct Seed {
        seed: u64,
        path: Vec<String>,
    }
    impl ModuleMapper for Seed {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.into());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let is_bias = self.path.last().is_some_and(|name| name == "bias");
            self.seed += 1; // other numbers for every parameter
            let seed = self.seed;
            param.map(|old| {
                let (shape, device) = (old.dims(), old.device().without_autodiff());
                let new = match D {
                    1 if is_bias => Tensor::zeros(shape, &device),
                    1 => return old, // batch norm starts with ones and zeros
                    _ => {
                        // A linear weight is [in, out], a convolution's [out, in, height, width].
                        let inputs: usize =
                            if D == 2 { shape[0] } else { shape[1..].iter().product() };
                        let rows = (0..shape[0] as u64).collect();
                        let draws = Draws::new(seed, rows).uniform(shape, &device);
                        draws.div_scalar((inputs as f64).sqrt())
                    }
                };
                match old.is_require_grad() {
                    true => Tensor::from_inner(new).require_grad(),
                    false => new,
                }
            })
        }
    }
    const APART: u64 = 1 << 20; // more than a model has parameters
    model.map(&mut Seed { seed: seed * APART, path: Vec::new() })
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
    let batch = Batch::new(values([n, 2, 5, 5], seed, device), labels).unwrap();
    batch.with_indices((0..n).collect()).unwrap()
}

/// More images than any data set here has.
pub(crate) const SAMPLES: usize = 64;

/// Makes parameters of half precision.
pub(crate) struct Half;

impl ModuleMapper for Half {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|old| {
            let trained = old.is_require_grad();
            let half = old.without_autodiff().cast(FloatDType::BF16).autodiff();
            if trained { half.require_grad() } else { half }
        })
    }
}

/// With the images' indices, or without.
struct Images {
    named: bool,
}

impl Batcher<(u64, i64), Batch<4>> for Images {
    fn batch(&self, items: Vec<(u64, i64)>, device: &Device) -> Batch<4> {
        let inputs = items.iter().map(|(id, _)| values([1, 2, 5, 5], *id, device)).collect();
        let labels = items.iter().map(|(_, label)| *label).collect::<Vec<_>>();
        let labels = Tensor::from_data(labels.as_slice(), device);
        let indices = items.iter().map(|(id, _)| *id as usize).collect();
        let batch = Batch::new(Tensor::cat(inputs, 0), labels).unwrap();
        if self.named { batch.with_indices(indices).unwrap() } else { batch }
    }
}

/// 22 images, shuffled, in minibatches of 8: the last one is smaller.
pub(crate) fn loader(shuffle: Option<u64>) -> Arc<dyn DataLoader<Batch<4>>> {
    loader_of(Images { named: true }, shuffle)
}

/// The same, of batches that do not say which images they have.
pub(crate) fn nameless_loader() -> Arc<dyn DataLoader<Batch<4>>> {
    loader_of(Images { named: false }, None)
}

fn loader_of(images: Images, shuffle: Option<u64>) -> Arc<dyn DataLoader<Batch<4>>> {
    let items = (0..22).map(|id| (id, id as i64 % CLASSES as i64)).collect();
    let builder = DataLoaderBuilder::new(images).batch_size(8).set_device(Device::flex());
    let builder = match shuffle {
        Some(seed) => builder.shuffle(seed),
        None => builder,
    };
    builder.build(InMemDataset::new(items))
}

pub(crate) fn linf(epsilon: f64) -> ThreatModel {
    ThreatModel::linf(Epsilon::unit(epsilon))
}

/// A run of Burn's loop over `[train, valid]` to `epochs`, from a checkpoint if one is named.
pub(crate) fn launch<C, M>(
    trainer: &Trainer<M>,
    model: C,
    [train, valid]: [Arc<dyn DataLoader<Batch<4>>>; 2],
    directory: &Path,
    (from, epochs): (Option<usize>, usize),
    rate: f64,
) -> LearningResult<AdversarialModel<C, M, 4>>
where
    C: Classifier<4> + Module + ModuleDisplay + 'static,
    M: Descend<4>,
{
    let training = trainer
        .training(directory, train, valid)
        .metrics((LossMetric::new(),))
        .with_application_logger(None)
        .with_default_checkpointers()
        .num_epochs(epochs);
    let training = match from {
        Some(epoch) => training.checkpoint(epoch),
        None => training,
    };
    training.launch(trainer.learner(model, sgd(), ConstantLr::new(rate)).unwrap())
}
