//! Stochastic gradient descent as the reference programs use it.

use std::fmt;

use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::optim::ModuleOptimizer;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::tensor::Tensor;
use free_at_nn::SgdConfig;
use serde::{Deserialize, Serialize};

use super::RecipeError;

/// SGD with momentum and weight decay, as PyTorch defines them (no dampening).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SgdRecipe {
    /// From 0 to below 1.
    pub momentum: f64,
    /// At least 0: this times a parameter is added to its gradient.
    pub weight_decay: f64,
    /// Of which parameters.
    pub decayed: Decayed,
}

/// What weight decay acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decayed {
    /// All parameters, as PyTorch does unless told otherwise.
    All,
    /// The weights of convolutions and linear layers; neither biases nor the scale and shift of batch norm.
    Weights,
}

impl SgdRecipe {
    /// Accepts a momentum and weight decay in their ranges.
    ///
    /// # Errors
    /// [`RecipeError::Parameter`].
    pub fn check(&self) -> Result<(), RecipeError> {
        let Self { momentum, weight_decay, .. } = self;
        if !(0.0..1.0).contains(momentum) {
            return Err(RecipeError::parameter("momentum", "from 0 to below 1", momentum));
        }
        match weight_decay.is_finite() && *weight_decay >= 0.0 {
            true => Ok(()),
            false => {
                Err(RecipeError::parameter("weight decay", "finite and at least 0", weight_decay))
            }
        }
    }

    /// The optimiser for `model`, whose parameters it looks at to tell weights from others.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use free_at::prelude::*;
    /// use free_at::recipe::{Decayed, SgdRecipe};
    ///
    /// let model = SmallCnnConfig::new(1, 10).init(&Device::flex().autodiff());
    /// let sgd = SgdRecipe { momentum: 0.9, weight_decay: 2e-4, decayed: Decayed::Weights };
    /// let optimizer = sgd.init(&model);
    /// ```
    pub fn init(&self, model: &impl Module) -> ModuleOptimizer {
        let all = self.config(self.weight_decay).init();
        match self.decayed {
            Decayed::All => all,
            Decayed::Weights => {
                let group = ParamGroup::from_paths(vectors(model));
                all.with_group(group, self.config(0.0).build(), None)
            }
        }
    }

    fn config(&self, weight_decay: f64) -> SgdConfig {
        let momentum = MomentumConfig::new().with_momentum(self.momentum).with_dampening(0.0);
        let decay = (weight_decay > 0.0).then(|| WeightDecayConfig::new(weight_decay as f32));
        SgdConfig::new()
            .with_momentum((self.momentum > 0.0).then_some(momentum))
            .with_weight_decay(decay)
    }
}

/// The paths of the parameters with one dimension: biases, scales and shifts.
fn vectors(model: &impl Module) -> Vec<String> {
    #[derive(Default)]
    struct Vectors {
        path: Vec<String>,
        found: Vec<String>,
    }
    impl ModuleVisitor for Vectors {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.into());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, _: &Param<Tensor<D>>) {
            if D == 1 {
                self.found.push(self.path.join("."));
            }
        }
    }
    let mut vectors = Vectors::default();
    model.visit(&mut vectors);
    vectors.found
}

impl fmt::Display for SgdRecipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = match self.decayed {
            Decayed::All => "all parameters",
            Decayed::Weights => "weights only",
        };
        let Self { momentum, weight_decay, .. } = self;
        write!(f, "SGD, momentum {momentum}, weight decay {weight_decay} on {of}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::collections::BTreeMap;

    use burn::optim::GradientsParams;
    use burn::tensor::Device;
    use free_at_core::Classifier;
    use free_at_models::SmallCnnConfig;

    fn parameters(model: &impl Module) -> BTreeMap<String, Vec<f32>> {
        #[derive(Default)]
        struct Read(Vec<String>, BTreeMap<String, Vec<f32>>);
        impl ModuleVisitor for Read {
            fn enter_module(&mut self, name: &str, _: &str) {
                self.0.push(name.into());
            }
            fn exit_module(&mut self, _: &str, _: &str) {
                self.0.pop();
            }
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if param.is_require_grad() {
                    self.1.insert(self.0.join("."), param.val().try_into_vec_as().unwrap());
                }
            }
        }
        let mut read = Read::default();
        model.visit(&mut read);
        read.1
    }

    /// The share of a parameter that a step without a gradient of the loss leaves, where it is not 0.
    fn left(decayed: Decayed) -> BTreeMap<String, f32> {
        const DECAY: f64 = 0.1;
        let device = Device::flex().autodiff();
        let model = SmallCnnConfig::new(1, 3).with_width(4).init(&device);
        let before = parameters(&model);
        let sgd = SgdRecipe { momentum: 0.9, weight_decay: DECAY, decayed };
        let loss = model.logits(Tensor::ones([2, 1, 8, 8], &device)).sum().mul_scalar(0.0);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let model = sgd.init(&model).step(1.0, model, gradients);
        let share = |(path, after): (String, Vec<f32>)| {
            let at = before[&path].iter().position(|value| *value != 0.0)?;
            Some((path.clone(), after[at] / before[&path][at]))
        };
        parameters(&model).into_iter().filter_map(share).collect()
    }

    #[test]
    fn weight_decay_leaves_out_what_it_should() {
        for (path, left) in left(Decayed::Weights) {
            let expected = if path.ends_with("weight") { 0.9 } else { 1.0 };
            assert!((left - expected).abs() < 1e-6, "{path}: {left}");
        }
        let all = left(Decayed::All);
        assert!(all.keys().any(|path| path.ends_with("gamma")));
        assert!(all.keys().any(|path| path.ends_with("bias")));
        for (path, left) in all {
            assert!((left - 0.9).abs() < 1e-6, "{path}: {left}");
        }
    }

    #[test]
    fn refuses_what_is_out_of_range() {
        let good = SgdRecipe { momentum: 0.9, weight_decay: 5e-4, decayed: Decayed::All };
        assert!(good.check().is_ok());
        for wrong in [
            SgdRecipe { momentum: 1.0, ..good },
            SgdRecipe { weight_decay: -1.0, ..good },
            SgdRecipe { weight_decay: f64::NAN, ..good },
        ] {
            assert!(wrong.check().is_err(), "{wrong}");
        }
    }
}
