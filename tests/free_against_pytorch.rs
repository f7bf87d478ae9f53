//! Free-m against `fixtures/free.json`, written in PyTorch by `fixtures/free.py`.

use burn::tensor::Device;
use free_at::Norm;
use free_at::prelude::*;
use free_at::train::Clamp;
use serde::Deserialize;

use crate::nets::sgd;
use crate::step_by_step::{State, assert_close, assert_state, batch, conv_net};

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
    initial: State,
    inputs: Vec<Vec<f32>>,
    labels: Vec<Vec<i64>>,
    replays: Vec<Replay>,
}

#[derive(Deserialize)]
struct Replay {
    loss: f32,
    perturbation: Vec<f32>,
    state: State,
}

fn replay(settings: &Settings, case: &Case) {
    let threat = ThreatModel::new(case.norm, Epsilon::unit(settings.epsilon));
    let config = FreeConfig::new(threat).with_replays(settings.replays).with_clamp(case.clamp);
    let trainer = FreeAdversarialTrainer::new(config, Device::flex()).unwrap();
    let device = trainer.device();
    let mut model = conv_net(&case.initial, device);
    let mut optimizer = sgd();
    let mut expected = case.replays.iter();

    for (minibatch, (inputs, labels)) in case.inputs.iter().zip(&case.labels).enumerate() {
        let batch = batch(inputs, labels, device);
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
            assert_state(&at, &model, &expected.state);
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
