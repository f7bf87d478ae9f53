//! Free-m against `fixtures/free.json`, written in PyTorch by `fixtures/free.py`.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};
use free_at::Norm;
use free_at::prelude::*;
use free_at::train::Clamp;
use serde::Deserialize;

use crate::nets::{ConvNet, sgd, state};

/// Both sides compute in single precision and add up in different orders; an algorithm that
/// differs, in the order of an update, say, is off by more than 1e-2 after a few replays.
const RELATIVE: f32 = 1e-4;
/// Below this a value is a rounding error itself: parameters and losses here are of order 0.1.
const ABSOLUTE: f32 = 1e-5;

#[derive(Deserialize)]
struct Fixture {
    settings: Settings,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Settings {
    epsilon: f64,
    replays: usize,
    learning_rate: f64,
}

#[derive(Deserialize)]
struct Case {
    norm: Norm,
    clamp: Clamp,
    initial: BTreeMap<String, Vec<f32>>,
    inputs: Vec<Vec<f32>>,
    labels: Vec<Vec<i64>>,
    replays: Vec<Replay>,
}

#[derive(Deserialize)]
struct Replay {
    loss: f32,
    perturbation: Vec<f32>,
    state: BTreeMap<String, Vec<f32>>,
}

/// Puts values in the place of parameters, by path.
pub(crate) struct Load<'a> {
    pub(crate) path: Vec<String>,
    pub(crate) values: &'a BTreeMap<String, Vec<f32>>,
}

impl ModuleMapper for Load<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.into());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let values = self.values[&self.path.join(".")].clone();
        param.map(|old| {
            let data = TensorData::new(values, old.shape());
            let new = Tensor::from_data(data, &old.device());
            if old.is_require_grad() { new.require_grad() } else { new }
        })
    }
}

pub(crate) fn assert_close(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let allowed = ABSOLUTE + RELATIVE * expected.abs();
        assert!((found - expected).abs() <= allowed, "{what}[{at}]: {found}, not {expected}");
    }
}

fn replay(settings: &Settings, case: &Case) {
    let threat = ThreatModel::new(case.norm, Epsilon::unit(settings.epsilon));
    let config = FreeConfig::new(threat).with_replays(settings.replays).with_clamp(case.clamp);
    let trainer = FreeAdversarialTrainer::new(config, Device::flex()).unwrap();
    let device = trainer.device();
    let mut load = Load { path: Vec::new(), values: &case.initial };
    let mut model = ConvNet::new(0, device).map(&mut load);
    let mut optimizer = sgd();
    let mut expected = case.replays.iter();

    for (minibatch, (inputs, labels)) in case.inputs.iter().zip(&case.labels).enumerate() {
        let inputs = TensorData::new(inputs.clone(), [labels.len(), 2, 5, 5]);
        let batch = Batch::new(
            Tensor::<4>::from_data(inputs, device),
            Tensor::from_data(labels.as_slice(), device),
        )
        .unwrap();
        for replay in 0..trainer.replays() {
            let (next, step) =
                trainer.step(model, &mut optimizer, settings.learning_rate, &batch).unwrap();
            model = next;
            let expected = expected.next().unwrap();
            let at = format!("{:?} {:?} {minibatch}.{replay}", case.norm, case.clamp);
            assert_close(&format!("{at} loss"), &[step.loss.into_scalar()], &[expected.loss]);
            let delta = trainer.state().perturbation(device).unwrap();
            let delta: Vec<f32> = delta.try_into_vec_as().unwrap();
            assert_close(&format!("{at} perturbation"), &delta, &expected.perturbation);
            let found = state(&model);
            assert_eq!(found.keys().collect::<Vec<_>>(), expected.state.keys().collect::<Vec<_>>());
            for (name, values) in &found {
                assert_close(&format!("{at} {name}"), values, &expected.state[name]);
            }
        }
    }
    assert!(expected.next().is_none());
}

#[test]
fn every_replay_agrees_for_both_norms_and_both_clamps() {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/free.json")).unwrap();
    assert_eq!(fixture.cases.len(), 4);
    for case in &fixture.cases {
        replay(&fixture.settings, case);
    }
}
