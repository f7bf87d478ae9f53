//! What a step costs, counted by a model that counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use free_at::attacks::{Access, Attack, AttackTask};
use free_at::prelude::*;
use free_at::train::{Descend, GradientPenalty, WeightPerturbation};
use free_at::{Draws, FrozenModel, Norm, Objective};

use crate::catalogue::{attacks_within, for_each_method, trainer_of};
use crate::nets::{ConvNet, images, linf, sgd, state};

#[derive(Debug, Default)]
struct Counts {
    /// Passes that record a graph which reaches the parameters: a training step's.
    training: AtomicUsize,
    /// Passes that record a graph which reaches only the input: an attack step's.
    attack: AtomicUsize,
    /// Passes that record nothing.
    plain: AtomicUsize,
}

#[derive(Module, Debug)]
struct CountingNet {
    net: ConvNet,
    #[module(skip)]
    counts: Arc<Counts>,
}

impl Classifier<4> for CountingNet {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let in_parameters = self.net.conv.weight.val().is_require_grad();
        let logits = self.net.logits(images);
        // A recorded graph serves one backward pass and no more, so counting graphs counts them.
        let counter = match (logits.is_tracked(), in_parameters) {
            (true, true) => &self.counts.training,
            (true, false) => &self.counts.attack,
            (false, _) => &self.counts.plain,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        logits
    }
}

const STEPS: usize = 2;

/// Training, attack and plain passes in two optimiser steps.
fn passes<M: Descend<4>>(trainer: &Trainer<M>) -> [usize; 3] {
    let counts = Arc::new(Counts::default());
    let net = ConvNet::new(1, trainer.device());
    let mut model = CountingNet { net, counts: counts.clone() };
    let mut optimizer = sgd();
    let batch = images(6, 1, trainer.device());
    for _ in 0..STEPS {
        let before = state(&model);
        (model, _) = trainer.step(model, &mut optimizer, 0.1, &batch).unwrap();
        for (name, values) in state(&model) {
            assert_ne!(values, before[&name], "{name} was trained");
        }
    }
    [&counts.training, &counts.attack, &counts.plain].map(|n| n.load(Ordering::Relaxed))
}

#[test]
fn free_costs_one_gradient_a_step_and_k_pgd_k_plus_one() {
    let device = Device::flex;
    let free = FreeAdversarialTrainer::new(FreeConfig::new(linf(0.1)), device()).unwrap();
    assert_eq!(passes(&free), [2, 0, 0]);
    assert_eq!(free.gradient_computations(), 1);

    let standard = StandardTrainer::new(StandardConfig::new(), device()).unwrap();
    assert_eq!(passes(&standard), [2, 0, 0]);

    let pgd = AdversarialConfig::new(linf(0.1), Pgd::new(7));
    let pgd = AdversarialTrainer::new(pgd, device()).unwrap();
    assert_eq!(passes(&pgd), [2, 14, 0]);
    assert_eq!(pgd.gradient_computations(), 8);

    let fast = FastAdversarialTrainer::new(FastConfig::new(linf(0.1)), device()).unwrap();
    assert_eq!(passes(&fast), [2, 2, 0]);
    assert_eq!(fast.gradient_computations(), 2);
}

#[test]
fn every_method_costs_what_it_says() {
    fn test<M: Descend<4>>(method: M) {
        let trainer = trainer_of(method);
        let [training, attack, _] = passes(&trainer);
        let expected = STEPS * trainer.gradient_computations();
        assert_eq!(training + attack, expected, "{}", trainer.name());
    }
    for_each_method!(linf(0.1), test());
}

/// What is added to a method costs what the trainer says, too.
#[test]
fn every_addition_costs_what_it_says() {
    fn test<M: Descend<4>>(method: M) {
        let weights = WeightPerturbation::new(0.005);
        let with_weights = trainer_of(method.clone()).perturbing_weights(weights).unwrap();
        let both = trainer_of(method).penalizing(GradientPenalty::new(0.1)).unwrap();
        let both = both.perturbing_weights(weights).unwrap();
        for trainer in [with_weights, both] {
            let [training, attack, _] = passes(&trainer);
            let expected = STEPS * trainer.gradient_computations();
            assert_eq!(training + attack, expected, "{}", trainer.name());
        }
    }
    for_each_method!(linf(0.1), test());
}

#[test]
fn every_attack_costs_what_it_says() {
    const N: usize = 6;
    let model = ConvNet::new(1, &Device::flex());
    let batch = images(N, 1, &Device::flex());
    for norm in Norm::ALL {
        let threat = ThreatModel::new(norm, Epsilon::unit(0.1));
        for attack in attacks_within::<4>(&threat, &batch.sample_shape()) {
            let frozen = FrozenModel::new(&model);
            let draws = Draws::new(0, (0..N as u64).collect());
            let (x, goal) = (batch.inputs(), batch.untargeted());
            let task = AttackTask::new(&frozen, x, goal, &threat, draws).unwrap();
            attack.perturb(&task).unwrap();
            let expected = N * attack.gradient_computations_in(norm) * attack.runs(false);
            let found = frozen.gradient_computations() as usize;
            assert_eq!(found, expected, "{}, {norm}", attack.name());
            assert_eq!(found == 0, attack.access() != Access::WhiteBox);
        }
    }
}

#[test]
fn an_attack_leaves_the_model_alone_and_sees_it_in_evaluation_mode() {
    let device = Device::flex().autodiff();
    let model = ConvNet::new(1, &device);
    // A training pass, so that running statistics are there and batch statistics differ.
    let batch = images(6, 1, &device);
    model.logits(batch.inputs());
    let before = state(&model);

    let frozen = FrozenModel::new(&model);
    let inputs = batch.inputs().inner();
    let draws = Draws::new(0, (0..6).collect());
    let attack = Pgd::new(5).with_restarts(2);
    let task =
        AttackTask::new(&frozen, inputs.clone(), batch.untargeted(), &linf(0.1), draws).unwrap();
    attack.perturb(&task).unwrap();
    assert_eq!(state(&model), before);
    assert_eq!(frozen.gradient_computations(), 6 * 5 * 2);

    let read = |logits: Tensor<2>| logits.try_into_vec_as::<f32>().unwrap();
    let seen = frozen
        .input_gradient(inputs.clone(), &batch.untargeted(), Objective::CrossEntropy)
        .unwrap();
    let evaluated = read(model.valid().logits(inputs.clone()));
    assert_eq!(read(seen.logits), evaluated);
    assert_eq!(read(frozen.logits(inputs).unwrap()), evaluated);
    assert_ne!(read(model.logits(batch.inputs())), evaluated);
}
