//! Gradient descent in one pass takes Burn's steps.

use std::collections::BTreeMap;

use burn::grad_clipping::GradientClippingConfig;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig as BurnsConfig};
use burn::tensor::{Device, Tensor};
use free_at::Classifier;
use free_at::nn::SgdConfig;

use crate::nets::{ConvNet, state};

fn steps(
    mut model: ConvNet,
    optimizer: &mut ModuleOptimizer,
    seeds: std::ops::Range<u64>,
) -> ConvNet {
    let device = Device::flex().autodiff();
    for seed in seeds {
        // Not drawn by the device: other tests draw from it at the same time.
        let value = |index: u64| (0.7 * index as f32 + 1.3 * seed as f32).sin() / 2.0 + 0.5;
        let images =
            Tensor::<1>::from_floats((0..400).map(value).collect::<Vec<_>>().as_slice(), &device);
        let images = images.reshape([8, 2, 5, 5]);
        let loss = model.logits(images).powi_scalar(2).sum();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(0.01, model, gradients);
    }
    model
}

fn model() -> ConvNet {
    ConvNet::new(1, &Device::flex().autodiff())
}

/// Without running statistics, which clones share.
fn parameters(model: &ConvNet) -> BTreeMap<String, Vec<f32>> {
    let mut state = state(model);
    state.retain(|path, _| !path.contains("running"));
    state
}

/// Each setting, here and in Burn.
fn settings() -> Vec<(ModuleOptimizer, ModuleOptimizer)> {
    let mut settings = Vec::new();
    for decay in [None, Some(WeightDecayConfig::new(0.01))] {
        for (momentum, dampening, nesterov) in [
            (None, 0.0, false),
            (Some(0.9), 0.0, false),
            (Some(0.8), 0.1, false),
            (Some(0.9), 0.0, true),
        ] {
            for clipping in [None, Some(GradientClippingConfig::Norm(1.0))] {
                let momentum =
                    momentum.map(|momentum| MomentumConfig { momentum, dampening, nesterov });
                let ours = SgdConfig::new()
                    .with_weight_decay(decay.clone())
                    .with_momentum(momentum.clone())
                    .with_gradient_clipping(clipping.clone());
                let theirs = BurnsConfig::new()
                    .with_weight_decay(decay.clone())
                    .with_momentum(momentum)
                    .with_gradient_clipping(clipping);
                assert_eq!(ours.to_string(), theirs.to_string());
                settings.push((ours.init(), theirs.init()));
            }
        }
    }
    settings
}

#[test]
fn its_steps_are_burns_bit_for_bit() {
    let first = state(&model());
    for (mut ours, mut theirs) in settings() {
        let here = state(&steps(model(), &mut ours, 0..4));
        assert_eq!(here, state(&steps(model(), &mut theirs, 0..4)));
        assert_ne!(here, first, "steps were taken");
    }
}

#[test]
fn it_goes_on_from_burns_records_and_burn_from_its() {
    for (index, (mut ours, mut theirs)) in settings().into_iter().enumerate() {
        let (mut our_next, mut their_next) = settings().swap_remove(index);
        let start = model(); // records go by its parameters' names
        let halfway = steps(start.clone(), &mut ours, 0..2);
        steps(start, &mut theirs, 0..2);
        their_next = their_next.load_record(ours.to_record());
        our_next = our_next.load_record(theirs.to_record());
        let whole = parameters(&steps(halfway.clone(), &mut ours, 2..4));
        assert_eq!(parameters(&steps(halfway.clone(), &mut our_next, 2..4)), whole);
        assert_eq!(parameters(&steps(halfway, &mut their_next, 2..4)), whole);
    }
}

#[test]
fn a_parameter_that_others_hold_stays_as_it_was() {
    let held = model();
    let before = state(&held);
    let (mut ours, _) = settings().swap_remove(2);
    let after = steps(held.clone(), &mut ours, 0..2);
    assert_eq!(state(&held)["conv.weight"], before["conv.weight"]);
    assert_ne!(state(&after)["conv.weight"], before["conv.weight"]);
}
