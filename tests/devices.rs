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
use free_at::train::TrainError;

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
        Batch::new(Tensor::cat(rows, 0), labels).unwrap()
    }
}

fn loader(ids: Vec<u64>, batch_size: usize) -> Arc<dyn DataLoader<Batch<2>>> {
    DataLoaderBuilder::new(Rows)
        .batch_size(batch_size)
        .set_device(Device::flex())
        .build(InMemDataset::new(ids))
}

fn trainer(device: &Device) -> FreeAdversarialTrainer {
    let config = FreeConfig::new(linf(0.1)).with_replays(3);
    FreeAdversarialTrainer::new(config, device.clone()).unwrap()
}

/// Parameters and perturbations after two passes with minibatches of `batch_size` on each device.
fn train(
    devices: &[Device],
    ids: Vec<u64>,
    batch_size: usize,
) -> (BTreeMap<String, Vec<f32>>, Vec<f32>) {
    let directory = tempfile::tempdir().unwrap();
    let trainer = trainer(&devices[0]);
    let model = MlpConfig::new(6, 3).with_hidden(vec![16]).init(trainer.device());
    let strategy = trainer.multi_device(devices).unwrap();
    let result = trainer
        .training(directory.path(), loader(ids, batch_size), loader((0..8).collect(), 8))
        .with_training_strategy(strategy.into())
        .with_application_logger(None)
        .num_epochs(2)
        .launch(trainer.learner(model, sgd(), ConstantLr::new(0.05)).unwrap());
    assert!(result.error.is_none(), "{:?}", result.error);
    let carried = devices.iter().flat_map(|device| {
        let delta = trainer.state().perturbation(device).unwrap();
        delta.try_into_vec_as::<f32>().unwrap()
    });
    let carried = carried.collect();
    (state(&result.model.into_classifier()), carried)
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

#[test]
fn two_remote_devices_train_as_one_device_with_the_same_minibatches() {
    // Each device has half of the data; together they see 4 + 4 of them at each step.
    let halves: Vec<u64> = (0..ROWS).collect();
    let half = ROWS / 2;
    let together = (0..half).step_by(4).flat_map(|at| (at..at + 4).chain(at + half..at + half + 4));
    let (expected, one_delta) = train(&[Device::flex()], together.collect(), 8);
    let (found, two_deltas) = train(&[remote(), remote()], halves, 4);
    assert_eq!(one_delta, two_deltas);
    assert_eq!(found.len(), expected.len());
    for (path, expected) in &expected {
        for (found, expected) in found[path].iter().zip(expected) {
            assert!((found - expected).abs() <= ROUNDING, "{path}: {found}, {expected} expected");
        }
    }
    let before = state(&MlpConfig::new(6, 3).with_hidden(vec![16]).init(&Device::flex()));
    let moved =
        |path: &String| expected[path].iter().zip(&before[path]).map(|(a, b)| (a - b).abs());
    let largest = expected.keys().flat_map(moved).fold(0.0f32, f32::max);
    assert!(largest > 1000.0 * ROUNDING, "training moved parameters by {largest} only");
}

#[test]
fn devices_that_cannot_train_together_are_refused_before_training() {
    let flex = Device::flex();
    let trainer = trainer(&flex);
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
