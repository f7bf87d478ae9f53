//! Training held to PyTorch's, step by step, on the network of `fixtures/free.py`.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};
use free_at::prelude::*;

use crate::nets::{ConvNet, state};

/// Parameters and running statistics, by path.
pub(crate) type State = BTreeMap<String, Vec<f32>>;

/// Both sides compute in single precision and add up in different orders; an algorithm that
/// differs, in the order of an update, say, is off by more than 1e-2 after a few replays.
const RELATIVE: f32 = 1e-4;
/// Below this a value is a rounding error itself: parameters and losses here are of order 0.1.
const ABSOLUTE: f32 = 1e-5;

/// Puts values in the place of parameters, by path.
struct Load<'a> {
    path: Vec<String>,
    values: &'a State,
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

/// The network with these parameters.
pub(crate) fn conv_net(initial: &State, device: &Device) -> ConvNet {
    ConvNet::new(0, device).map(&mut Load { path: Vec::new(), values: initial })
}

/// A minibatch of its images.
pub(crate) fn batch(inputs: &[f32], labels: &[i64], device: &Device) -> Batch<4> {
    let inputs = TensorData::new(inputs.to_vec(), [labels.len(), 2, 5, 5]);
    Batch::new(Tensor::from_data(inputs, device), Tensor::from_data(labels, device)).unwrap()
}

/// All of the network is as PyTorch's, and nothing is missing.
pub(crate) fn assert_state(at: &str, model: &ConvNet, expected: &State) {
    let found = state(model);
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, values) in &found {
        assert_close(&format!("{at} {name}"), values, &expected[name]);
    }
}
