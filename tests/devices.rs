//! Several devices: two of Burn's servers on loopback train as one device does.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;

use burn::data::dataloader::{DataLoader, DataLoaderBuilder, batcher::Batcher};
use burn::data::dataset::InMemDataset;
use burn::optim::lr_scheduler::constant::ConstantLr;
use burn::remote::RemoteHost;
use burn::server::{RemoteServer, WebSocketTransport};
use burn::tensor::{Device, Int, Tensor};
use burn::train::ExecutionStrategy;
use free_at::models::MlpConfig;
use free_at::prelude::*;
use free_at::train::{Descend, TrainError};

use crate::catalogue::for_each_method;
use crate::nets::{linf, sgd, state, values};

/// Sums are taken in another order: two means of 4 samples, and one of 8.
const ROUNDING: f32 = 2e-6;
const ROWS: u64 = 24;

struct Rows;

impl Batcher<u64, Batch<2>> for Rows {
    fn batch(&self, ids: Vec<u64>, device: &Device) -> Batch<2> {
        let rows = ids.iter().map(|id| values([1, 6], *id, device)).collect();
        let labels: Vec<i64> = ids.iter().map(|id| (id * 7 % 5 % 3) as i64).collect();
        let labels = Tensor::<1, Int>::from_data(labels.as_slice(), device);
        let batch = Batch::new(Tensor::cat(rows, 0), labels).unwrap();
        batch.with_indices(ids.iter().map(|id| *id as usize).collect()).unwrap()
    }
}

fn loader(ids: Vec<u64>, batch_size: usize) -> Arc<dyn DataLoader<Batch<2>>> {
    DataLoaderBuilder::new(Rows)
        .batch_size(batch_size)
        .set_device(Device::flex())
        .build(InMemDataset::new(ids))
}

type Parameters = BTreeMap<String, Vec<f32>>;

/// Parameters and perturbations after two passes with minibatches of `batch_size` on each device.
fn train<M: Descend<2>>(
    method: &M,
    devices: &[Device],
    ids: Vec<u64>,
    batch_size: usize,
) -> (Parameters, Vec<f32>) {
    let directory = tempfile::tempdir().unwrap();
    let trainer = Trainer::<M>::new(method.clone(), devices[0].clone()).unwrap();
    let model = model().init(trainer.device());
    let strategy = trainer.multi_device(devices).unwrap();
    let result = trainer
        .training(directory.path(), loader(ids, batch_size), loader((0..8).collect(), 8))
        .with_training_strategy(strategy.into())
        .with_application_logger(None)
        .num_epochs(2)
        .launch(trainer.learner(model, sgd(), ConstantLr::new(0.05)).unwrap());
    assert!(result.error.is_none(), "{:?}", result.error);
    let carried = devices.iter().flat_map(|device| {
        let delta = trainer.state().perturbation(device);
        delta.map(|delta| delta.try_into_vec_as::<f32>().unwrap()).unwrap_or_default()
    });
    let carried = carried.collect();
    (state(&result.model.into_classifier()), carried)
}

fn model() -> MlpConfig {
    MlpConfig::new(6, 3).with_hidden(vec![16])
}

/// A flex device of a server of its own.
fn remote() -> Device {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("ws://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let server = RemoteServer::new([Device::flex()]);
        server.serve(WebSocketTransport::from_listener(listener)).unwrap();
    });
    Device::remote_options(&RemoteHost::websocket(&address)).init().unwrap()
}

/// The largest difference of any parameter.
fn apart(a: &Parameters, b: &Parameters) -> f32 {
    assert!(a.keys().eq(b.keys()));
    let differences = a.iter().flat_map(|(path, a)| a.iter().zip(&b[path]).map(|(a, b)| a - b));
    differences.fold(0.0, |most: f32, apart| most.max(apart.abs()))
}

/// A method that draws nothing trains two devices as one. One that draws does so for each device anew, and
/// comes close; with a loss that counts twice, or half, it would not.
fn two_devices_train_as_one<M: Descend<2>>(method: M, drawing: &mut Vec<String>) {
    const CLOSE: f32 = 0.25;
    // Each device has half of the data; together they see 4 + 4 of them at each step.
    let halves: Vec<u64> = (0..ROWS).collect();
    let half = ROWS / 2;
    let together = (0..half).step_by(4).flat_map(|at| (at..at + 4).chain(at + half..at + half + 4));
    let together: Vec<u64> = together.collect();
    let (expected, one_delta) = train(&method, &[Device::flex()], together.clone(), 8);
    let (elsewhere, _) = train(&method, &[remote()], together, 8);
    let (found, two_deltas) = train(&method, &[remote(), remote()], halves, 4);
    assert_eq!(one_delta, two_deltas, "{}", method.name());
    let moved = apart(&expected, &state(&model().init(&Device::flex())));
    assert!(moved > 1000.0 * ROUNDING, "training moved parameters by {moved} only");
    let apart_by = apart(&found, &expected);
    if apart(&elsewhere, &expected) <= ROUNDING {
        assert!(apart_by <= ROUNDING, "{}: {apart_by}", method.name());
    } else {
        assert!(apart_by <= CLOSE * moved, "{}: {apart_by} of {moved}", method.name());
        drawing.push(method.name());
    }
}

#[test]
fn two_remote_devices_train_as_one_device_with_the_same_minibatches() {
    let mut drawing = Vec::new();
    for_each_method!(linf(0.1), two_devices_train_as_one(&mut drawing));
    assert!(!drawing.iter().any(|name| name == "standard" || name == "free-3"), "{drawing:?}");
}

#[test]
fn devices_that_cannot_train_together_are_refused_before_training() {
    let flex = Device::flex();
    let config = FreeConfig::new(linf(0.1));
    let trainer = FreeAdversarialTrainer::new(config, flex.clone()).unwrap();
    let refused = |found: Result<ExecutionStrategy, TrainError>| found.err().unwrap();
    assert_eq!(refused(trainer.multi_device(&[])), TrainError::NoDevice);
    let twice = [flex.clone(), flex.clone()];
    assert!(matches!(refused(trainer.multi_device(&twice)), TrainError::SameDevice { .. }));
    let other = refused(trainer.multi_device(&[remote()]));
    assert!(matches!(other, TrainError::MainDevice { .. }));
    let ddp = refused(trainer.distributed(&[flex]));
    assert!(matches!(&ddp, TrainError::NotDistributed { device } if device.contains("Flex")));
    assert!(ddp.to_string().contains("multi_device"));
}
