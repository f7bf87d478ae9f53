//! Training methods and what is added to them against `fixtures/methods.json`, written in PyTorch by
//! `fixtures/methods.py`.

use std::collections::BTreeMap;

use burn::data::dataloader::{DataLoader, DataLoaderBuilder, batcher::Batcher};
use burn::data::dataset::InMemDataset;
use burn::module::Module;
use burn::tensor::Device;
use free_at::prelude::*;
use free_at::train::{
    AfterStep, Descend, Ema, MartConfig, MepConfig, ModelMode, NoiseFgsmConfig, Swa, TradesConfig,
    WeightPerturbation, reestimate_statistics,
};
use serde::Deserialize;

use crate::nets::{ConvNet, linf, sgd, state};
use crate::step_by_step::{State, assert_close, assert_state, batch, conv_net};

#[derive(Deserialize)]
struct Fixture {
    epsilon: f64,
    step_size: f64,
    k: usize,
    seed: u64,
    learning_rate: f64,
    samples: usize,
    indices: Vec<Vec<usize>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    initial: State,
    inputs: Vec<Vec<f32>>,
    labels: Vec<Vec<i64>>,
    steps: Vec<Expected>,
    ema: Option<State>,
    swa: Option<State>,
    estimated_anew: Option<State>,
}

#[derive(Deserialize)]
struct Expected {
    loss: f32,
    state: State,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixtures/methods.json")).unwrap()
}

impl Fixture {
    fn case(&self, name: &str) -> &Case {
        self.cases.iter().find(|case| case.name == name).unwrap()
    }

    fn adversary(&self) -> Adversary {
        Adversary::new(linf(self.epsilon)).with_seed(self.seed)
    }

    /// Of methods with several steps.
    fn stepping(&self) -> Adversary {
        self.adversary().with_step_size(Epsilon::unit(self.step_size))
    }

    fn pgd(&self, adversary: Adversary) -> AdversarialConfig<Pgd> {
        let attack = Pgd::new(self.k).with_step_size(Epsilon::unit(self.step_size));
        AdversarialConfig::new(adversary, attack)
    }

    /// Every step of the case, replays included, is PyTorch's.
    fn agrees<M: Descend<4>>(&self, name: &str, trainer: &Trainer<M>) -> ConvNet {
        self.agrees_and(name, trainer, |_, _| ())
    }

    fn agrees_and<M: Descend<4>>(
        &self,
        name: &str,
        trainer: &Trainer<M>,
        after: impl FnMut(&ConvNet, u64),
    ) -> ConvNet {
        self.agrees_on(name, trainer, |batch, _| batch, after)
    }

    /// The same on batches that are made of those of the case and their labels.
    fn agrees_on<M: Descend<4>>(
        &self,
        name: &str,
        trainer: &Trainer<M>,
        made: impl Fn(Batch<4>, &[i64]) -> Batch<4>,
        mut after: impl FnMut(&ConvNet, u64),
    ) -> ConvNet {
        let (case, device) = (self.case(name), trainer.device());
        let mut model = conv_net(&case.initial, device);
        let mut optimizer = sgd();
        let data = case.inputs.iter().zip(&case.labels).zip(&self.indices).zip(&case.steps);
        for (at, (((inputs, labels), indices), expected)) in data.enumerate() {
            let batch = batch(inputs, labels, device).with_indices(indices.clone()).unwrap();
            let batch = made(batch, labels);
            let mut loss = f32::NAN;
            for _ in 0..trainer.replays() {
                let rate = self.learning_rate;
                let (next, output) = trainer.step(model, &mut optimizer, rate, &batch).unwrap();
                model = next;
                loss = output.loss.into_scalar();
            }
            assert_close(&format!("{name} {at} loss"), &[loss], &[expected.loss]);
            assert_state(&format!("{name} {at}"), &model, &expected.state);
            after(&model, trainer.state().steps());
        }
        model
    }
}

fn trainer<M: Descend<4>>(method: M) -> Trainer<M> {
    Trainer::new(method, Device::flex()).unwrap()
}

#[test]
fn k_pgd_attacks_the_model_in_training_mode_as_its_references_do_or_in_evaluation_mode() {
    let fixture = fixture();
    fixture.agrees("pgd", &trainer(fixture.pgd(fixture.adversary())));
    let evaluation = fixture.adversary().attacking_in(ModelMode::Evaluation);
    fixture.agrees("pgd-evaluation", &trainer(fixture.pgd(evaluation)));
}

#[test]
fn the_methods_of_one_step_are_their_authors() {
    let fixture = fixture();
    fixture.agrees("fgsm-rs", &trainer(FastConfig::new(fixture.adversary())));
    fixture.agrees("n-fgsm", &trainer(NoiseFgsmConfig::new(fixture.adversary())));
    let mep = MepConfig::new(fixture.adversary(), fixture.samples).restarting_every(2);
    fixture.agrees("fgsm-mep", &trainer(mep));
}

#[test]
fn trades_and_mart_are_their_authors() {
    let fixture = fixture();
    let trades = TradesConfig::new(fixture.stepping()).with_steps(fixture.k);
    fixture.agrees("trades", &trainer(trades));
    let mart = MartConfig::new(fixture.stepping()).with_steps(fixture.k);
    fixture.agrees("mart", &trainer(mart));
}

#[test]
fn moved_weights_are_awps_for_any_method() {
    let fixture = fixture();
    let weights = WeightPerturbation::new(0.01).with_warm_up(1);
    let pgd = trainer(fixture.pgd(fixture.adversary())).perturbing_weights(weights).unwrap();
    fixture.agrees("pgd-awp", &pgd);
    let trades = TradesConfig::new(fixture.stepping()).with_steps(fixture.k);
    fixture.agrees("trades-awp", &trainer(trades).perturbing_weights(weights).unwrap());
}

#[test]
fn smoothed_labels_are_pytorchs() {
    let smoothed = trainer(StandardConfig::new()).smoothing_labels(0.3).unwrap();
    fixture().agrees("smoothed", &smoothed);
}

#[test]
fn images_of_two_classes_count_by_area() {
    const SHARE: f32 = 0.3;
    let made = |batch: Batch<4>, labels: &[i64]| {
        let mut next: Vec<usize> = labels.iter().map(|label| *label as usize).collect();
        next.rotate_left(1);
        batch.mixed_with(&next, SHARE).unwrap()
    };
    fixture().agrees_on("mixed", &trainer(StandardConfig::new()), made, |_, _| ());
}

#[test]
fn free_remembers_each_sample() {
    let fixture = fixture();
    let free = FreeConfig::new(fixture.adversary()).with_replays(2).with_memory(fixture.samples);
    fixture.agrees("free", &trainer(free));
}

#[test]
fn averages_of_weights_are_those_of_their_formulas() {
    let fixture = fixture();
    let case = fixture.case("averaged");
    let trainer = trainer(StandardConfig::new());
    let mut kept: BTreeMap<&str, ConvNet> = BTreeMap::new();
    let averages: [(&str, Box<dyn AfterStep<ConvNet>>); 2] =
        [("ema", Box::new(Ema::new(0.7))), ("swa", Box::new(Swa::new(2)))];
    let first = conv_net(&case.initial, trainer.device()).valid();
    let model = fixture.agrees_and("averaged", &trainer, |model, step| {
        for (name, average) in &averages {
            let before = kept.remove(name).unwrap_or_else(|| first.clone());
            kept.insert(name, average.after_step(before, &model.valid(), step));
        }
    });
    assert_state("ema", &kept["ema"], case.ema.as_ref().unwrap());
    assert_state("swa", &kept["swa"], case.swa.as_ref().unwrap());

    let estimated = reestimate_statistics(model.clone(), &*case.loader(trainer.device())).unwrap();
    let (found, before) = (state(&estimated), state(&model));
    for (name, expected) in case.estimated_anew.as_ref().unwrap() {
        assert_close(name, &found[name], expected);
        assert!(found[name] != before[name], "{name} was as it is estimated before");
    }
    let parameters = found.iter().filter(|(name, _)| !name.contains("running"));
    assert!(parameters.clone().count() > 0);
    assert!(parameters.into_iter().all(|(name, values)| *values == before[name]));

    // Layers that do not move their statistics keep them, and so does a model that sees no batch.
    let device = trainer.device();
    let frozen = reestimate_statistics(model.clone().freeze(), &*case.loader(device)).unwrap();
    assert_eq!(state(&frozen), before);
    let none = Case { inputs: Vec::new(), ..fixture_of("averaged") };
    assert_eq!(state(&reestimate_statistics(model, &*none.loader(device)).unwrap()), before);
}

fn fixture_of(name: &str) -> Case {
    fixture().cases.into_iter().find(|case| case.name == name).unwrap()
}

impl Case {
    /// Its minibatches, in order.
    fn loader(&self, device: &Device) -> std::sync::Arc<dyn DataLoader<Batch<4>>> {
        type Minibatch = (Vec<f32>, Vec<i64>);
        struct One;
        impl Batcher<Minibatch, Batch<4>> for One {
            fn batch(&self, items: Vec<Minibatch>, device: &Device) -> Batch<4> {
                batch(&items[0].0, &items[0].1, device)
            }
        }
        let items = self.inputs.iter().cloned().zip(self.labels.iter().cloned()).collect();
        let loader = DataLoaderBuilder::new(One).batch_size(1).set_device(device.clone());
        loader.build(InMemDataset::new(items))
    }
}
