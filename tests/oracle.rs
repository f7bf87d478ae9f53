//! An oracle that needs no fixture: on a linear classifier the closest adversarial example is known.
//!
//! Two classes whose logits differ by w·x: a sample at margin m has its closest adversarial example at
//! distance m / ‖s ∘ w‖*, with the dual norm and the scale s of its features. Two classes more are never in
//! reach; they are there for the attacks that need more than two.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Int, Tensor};
use free_at::attacks::{Access, Attack, AttackTask};
use free_at::prelude::*;
use free_at::{Draws, FrozenModel, Goal, Norm};

use crate::catalogue::attacks_within;
use crate::nets::TableNet;

const FEATURES: usize = 8;
const SAMPLES: usize = 6;
const MARGIN: f32 = 1.0;
const NORMS: [Norm; 4] = [Norm::Linf, Norm::L2, Norm::L1, Norm::L0];
/// Every ε below the distance by more than rounding is too small for any attack.
const BELOW: f64 = 0.999;

/// The ε at which an attack breaks every sample, in units of the least at which any can.
fn above(attack: &dyn Attack<2>, norm: Norm) -> f64 {
    match attack.access() {
        // Its steps change two features at least, as the reference's, where one is best.
        _ if attack.name().starts_with("apgd") && norm == Norm::L1 => 2.0 * 1.05,
        // What it minimises is mostly the square of the L2 norm, so it spreads the change.
        _ if attack.name().starts_with("ead") => 2.5,
        // A quarter of its budget is a random step, which may be the wrong one.
        _ if attack.name().starts_with("r+fgsm") => 2.0 * 1.05,
        // Ten steps of a few per cent each do not turn a random start all the way.
        Access::WhiteBox => 1.05,
        // A random search does not come all the way.
        Access::BlackBox | Access::Labels => 1.5,
    }
}

/// The largest w·δ of a δ of this norm's length 1.
fn dual(norm: Norm, w: &[f64]) -> f64 {
    match norm {
        Norm::Linf => w.iter().map(|w| w.abs()).sum(),
        Norm::L2 => w.iter().map(|w| w * w).sum::<f64>().sqrt(),
        Norm::L1 => w.iter().map(|w| w.abs()).fold(0.0, f64::max),
        Norm::L0 => f64::from(MARGIN), // one feature goes as far as it takes
    }
}

struct Oracle {
    w: Vec<f32>,
    model: FrozenModel<2>,
    inputs: Tensor<2>,
    truth: Tensor<1, Int>,
}

impl Oracle {
    fn new(seed: u64) -> Self {
        const OUT_OF_REACH: f32 = -1e3;
        let device = Device::flex();
        let draws = |seed, n: u64| Draws::new(seed, (0..n).collect());
        let w: Tensor<1> = draws(seed, 1).normal([1, FEATURES], &device).squeeze_dim(0);
        let square = w.clone().square().sum().into_scalar::<f32>();
        // Samples with w·x = ±m: each is moved along w.
        let x = draws(seed + 1, SAMPLES as u64).uniform([SAMPLES, FEATURES], &device);
        let sign = |at: usize| if at.is_multiple_of(2) { 1.0 } else { -1.0 };
        let wanted: Vec<f32> = (0..SAMPLES).map(|at| MARGIN * sign(at)).collect();
        let wanted = Tensor::<1>::from_data(wanted.as_slice(), &device).unsqueeze_dim::<2>(1);
        let row = w.clone().unsqueeze_dim::<2>(0);
        let found = (x.clone() * row.clone()).sum_dim(1);
        let inputs = x + (wanted - found).div_scalar(square) * row;
        let labels: Vec<i64> = (0..SAMPLES).map(|at| (at % 2) as i64).collect();

        let none = Tensor::zeros([FEATURES, 2], &device);
        let half = w.clone().mul_scalar(0.5).unsqueeze_dim::<2>(1);
        let weight = Tensor::cat(vec![half.clone(), half.neg(), none], 1);
        let bias = Tensor::from_data([0.0, 0.0, OUT_OF_REACH, OUT_OF_REACH], &device);
        let linear =
            Linear { weight: Param::from_tensor(weight), bias: Some(Param::from_tensor(bias)) };
        Self {
            w: w.try_into_vec_as().unwrap(),
            model: FrozenModel::new(&TableNet { linear }.valid()),
            inputs,
            truth: Tensor::from_data(labels.as_slice(), &device),
        }
    }

    /// How far it is to the closest adversarial example, of every sample.
    fn distance(&self, norm: Norm, scale: &[f32]) -> f64 {
        let scaled: Vec<f64> =
            self.w.iter().zip(scale).map(|(w, s)| f64::from(*w) * f64::from(*s)).collect();
        f64::from(MARGIN) / dual(norm, &scaled)
    }

    /// How many samples the attack breaks.
    fn broken(&self, attack: &dyn Attack<2>, threat: &ThreatModel, goal: &Goal) -> usize {
        let draws = Draws::new(3, (0..SAMPLES as u64).collect());
        let inputs = self.inputs.clone();
        let task = AttackTask::new(&self.model, inputs.clone(), goal.clone(), threat, draws);
        let found = attack.perturb(&task.unwrap()).unwrap();
        let size = threat.around(&inputs).unwrap().measure(found.clone() - inputs);
        let size = f64::from(size.max().into_scalar::<f32>());
        assert!(size <= threat.epsilon().value() * 1.0001, "{}: {size}", attack.name());
        goal.fooled(self.model.logits(found).unwrap()).int().sum().into_scalar::<i64>() as usize
    }
}

#[test]
fn every_attack_reaches_the_optimum_of_every_norm_on_a_linear_classifier() {
    let scales = [vec![1.0; FEATURES], vec![1.0, 0.5, 2.0, 0.0, 1.0, 3.0, 0.2, 1.0]];
    for (seed, norm) in [1, 2].into_iter().flat_map(|seed| NORMS.map(|norm| (seed, norm))) {
        let oracle = Oracle::new(seed);
        let truth = oracle.truth.clone();
        let other = truth.clone().neg().add_scalar(1);
        let goals = [Goal::untargeted(truth.clone()), Goal::targeted(truth, other).unwrap()];
        for (scale, goal) in scales.iter().flat_map(|scale| goals.iter().map(move |g| (scale, g))) {
            let distance = oracle.distance(norm, scale);
            let within = |share: f64| {
                ThreatModel::new(norm, Epsilon::unit(share * distance))
                    .with_bounds(Bounds::None)
                    .with_scale(scale.clone())
            };
            let attacks = attacks_within::<2>(&within(1.0), &[FEATURES]);
            assert!(attacks.len() >= 2, "{norm} is attacked");
            for attack in attacks {
                let case = format!("{}, {norm}, seed {seed}, {scale:?}", attack.name());
                let [below, reach] = [BELOW, above(&*attack, norm)]
                    .map(|share| oracle.broken(&*attack, &within(share), goal));
                assert_eq!(below, 0, "{case}: nothing is that close");
                assert_eq!(reach, SAMPLES, "{case}: it does not reach what is there");
            }
        }
    }
}
