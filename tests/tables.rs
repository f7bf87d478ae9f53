//! Attacks and trainers on tables: what a model sees is always a row that the rules allow.

use std::sync::{Arc, Mutex};

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use free_at::attacks::{Apgd, ApgdT, Attack, AttackTask, Bim, FabT, MiFgsm, PgdCw, RFgsm, Square};
use free_at::data::{Table, TableConfig};
use free_at::models::MlpConfig;
use free_at::prelude::*;
use free_at::train::{Clamp, Descend};
use free_at::{Direction, Draws, FeatureRules, FrozenModel, Objective, Trainable};
use proptest::prelude::*;

use crate::nets::{TableNet, seeded, sgd};

/// Rounding of a few operations on standardised values in single precision.
const ROUNDING: f32 = 2e-5;

/// Sixty people: whole numbers, numbers, and two properties with categories.
fn people() -> Table {
    let mut csv = "age,income,debt,job,home,pays\n".to_string();
    for at in 0..60usize {
        let draw = |salt: usize, below: usize| (at * 7919 + salt * 104_729) % 9973 % below;
        let (age, income) = (18 + draw(1, 60), 10.0 + draw(2, 400) as f64 / 4.0);
        let debt = draw(3, 900) as f64 / 10.0;
        let (job, home) = (["clerk", "nurse", "smith"][draw(4, 3)], ["own", "rent"][draw(5, 2)]);
        let pays = (income + age as f64 / 2.0 + 20.0 * draw(4, 3) as f64 > debt + 60.0) as usize;
        csv += &format!("{age},{income},{debt},{job},{home},{pays}\n");
    }
    let config = TableConfig::new("pays").with_integers(["age"]).with_categories(["job", "home"]);
    config.read(csv.as_bytes(), "people").unwrap()
}

/// Income can only be reported lower, homes do not change.
fn threat(table: &Table, threat: ThreatModel) -> ThreatModel {
    let threat =
        table.threat(threat).only_down("income").freezing("home").within("debt", 0.0, 95.0);
    threat.build().unwrap()
}

/// Why `after` is no row that the rules allow instead of `before`, if it is none.
fn broken_rule(table: &Table, before: &[f32], after: &[f32], epsilon: f32) -> Option<String> {
    let columns = table.columns();
    let std = |at: usize| columns[at].std().unwrap() as f32;
    let moved = |at: usize| after[at] - before[at];
    let years = moved(0) * std(0);
    let jobs = &after[3..6];
    let debt = table.decode(after).unwrap()[2].to_string().parse::<f32>().unwrap();
    let rules = [
        ("age moves in years", (years - years.round()).abs() < 100.0 * ROUNDING),
        ("within epsilon", (0..3).all(|at| moved(at).abs() <= epsilon + ROUNDING)),
        ("income falls", moved(1) <= 0.0),
        ("debt in its bounds", (-1e-3..=95.001).contains(&debt)),
        ("one job", jobs.iter().filter(|job| **job == 1.0).count() == 1),
        ("no other job", jobs.iter().filter(|job| **job == 0.0).count() == 2),
        ("home stays", after[6..] == before[6..]),
    ];
    let broken = rules.iter().find(|(_, kept)| !kept);
    broken.map(|(rule, _)| format!("{rule}: {before:?} -> {after:?}"))
}

fn rows(tensor: Tensor<2>) -> Vec<Vec<f32>> {
    let width = tensor.dims()[1];
    let values: Vec<f32> = tensor.try_into_vec_as().unwrap();
    values.chunks(width).map(<[f32]>::to_vec).collect()
}

fn task<'a>(
    model: &'a FrozenModel<2>,
    batch: &Batch<2>,
    threat: &ThreatModel,
) -> AttackTask<'a, 2> {
    let draws = Draws::new(3, (0..batch.len() as u64).collect());
    AttackTask::new(model, batch.inputs(), batch.untargeted(), threat, draws).unwrap()
}

#[test]
fn every_attack_keeps_every_rule() {
    const EPSILON: f32 = 0.4;
    let (table, device) = (people(), Device::flex());
    let batch = table.batch(&device).unwrap();
    let threat = threat(&table, ThreatModel::linf(Epsilon::unit(EPSILON.into())));
    let config = MlpConfig::new(table.features(), 2).with_hidden(vec![12]);
    let model = FrozenModel::new(&config.init(&device));
    let attacks: [&dyn Attack<2>; 10] = [
        &Fgsm::new(),
        &RFgsm::new(),
        &Bim::new(6),
        &MiFgsm::new(6),
        &Pgd::new(6).with_restarts(2),
        &PgdCw::new(6),
        &Apgd::ce().with_steps(12),
        &ApgdT::new().with_objective(Objective::Margin).with_targets(1).with_steps(12),
        &FabT::new().with_targets(1).with_steps(12),
        &Square::new().with_queries(30),
    ];
    for attack in attacks {
        let found = rows(attack.perturb(&task(&model, &batch, &threat)).unwrap());
        let mut moved = 0;
        for (before, after) in rows(batch.inputs()).iter().zip(&found) {
            let broken = broken_rule(&table, before, after, EPSILON);
            assert_eq!(broken, None, "{}", attack.name());
            moved += usize::from(before != after);
        }
        assert!(moved > 0, "{} moves something", attack.name());
    }
}

#[test]
fn an_evaluation_of_a_table_finds_what_the_rules_leave() {
    let (table, device) = (people(), Device::flex());
    let test = table.loader(17, None, &device).unwrap();
    let linf = ThreatModel::linf(Epsilon::unit(0.4));
    let config = MlpConfig::new(table.features(), 2).with_hidden(vec![12]);
    let trainer = StandardTrainer::new(StandardConfig::new(), Device::flex()).unwrap();
    let model = trained(&trainer, config.init(trainer.device()), &table, 60);
    let robust = |threat: ThreatModel| {
        let evaluation =
            Evaluation::new(threat).attack(Pgd::new(20)).attack(FabT::new().with_targets(1));
        evaluation.attack(Square::new().with_queries(200)).run(&model, &*test).unwrap().worst_case
    };
    let free = table.threat(linf.clone()).build().unwrap();
    let bound = threat(&table, linf.clone());
    let frozen = table.threat(linf).freezing("job").freezing("home").freezing("age");
    let frozen = frozen.freezing("income").build().unwrap();
    let (free, bound, frozen) = (robust(free), robust(bound), robust(frozen));
    assert!(free < bound && bound < frozen, "{free} {bound} {frozen}");
}

fn trained<M: Descend<2>, C: Trainable<2>>(
    trainer: &Trainer<M>,
    mut model: C,
    table: &Table,
    passes: usize,
) -> C {
    let loader = table.loader(20, Some(0), trainer.device()).unwrap();
    let mut optimizer = sgd();
    for _ in 0..passes {
        for batch in loader.iter() {
            let batch = batch.unwrap();
            for _ in 0..trainer.replays() {
                model = trainer.step(model, &mut optimizer, 0.05, &batch).unwrap().0;
            }
        }
    }
    model
}

/// A network that remembers what it has been shown.
#[derive(Module, Debug)]
struct Witness {
    net: TableNet,
    #[module(skip)]
    seen: Seen,
}

#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Vec<Vec<f32>>>>);

impl Classifier<2> for Witness {
    fn logits(&self, inputs: Tensor<2>) -> Tensor<2> {
        self.seen.0.lock().unwrap().extend(rows(inputs.clone().without_autodiff()));
        self.net.logits(inputs)
    }
}

#[test]
fn training_shows_the_model_only_rows_that_the_rules_allow() {
    const EPSILON: f32 = 0.4;
    let table = people();
    let threat = threat(&table, ThreatModel::linf(Epsilon::unit(EPSILON.into())));
    let check = |name: String, witness: Witness, passes: usize, each: usize| {
        let seen = std::mem::take(&mut *witness.seen.0.lock().unwrap());
        // Minibatch by minibatch: the rows that came, so many times each.
        let loader = table.loader(20, Some(0), &Device::flex()).unwrap();
        let mut shown = seen.iter();
        let mut moved = 0;
        for batch in (0..passes).flat_map(|_| loader.iter()) {
            let inputs = rows(batch.unwrap().inputs());
            for before in (0..each).flat_map(|_| &inputs) {
                let after = shown.next().unwrap();
                assert_eq!(broken_rule(&table, before, after, EPSILON), None, "{name}");
                moved += usize::from(before[3..] != after[3..]);
            }
        }
        assert!(shown.next().is_none());
        assert!(moved > 0, "{name}: no category ever changed");
    };
    let witness = |device: &Device| Witness {
        net: TableNet::new(table.features(), 2, 1, device),
        seen: Seen::default(),
    };
    let free = FreeConfig::new(threat.clone()).with_replays(4);
    for clamp in [Clamp::InForward, Clamp::OnUpdate, Clamp::BeforeForward] {
        let trainer = FreeAdversarialTrainer::new(free.clone().with_clamp(clamp), Device::flex());
        let trainer = trainer.unwrap();
        let model = trained(&trainer, witness(trainer.device()), &table, 3);
        if clamp != Clamp::OnUpdate {
            check(trainer.name(), model, 3, 4);
        }
    }
    let fast =
        FastAdversarialTrainer::new(FastConfig::new(threat.clone()), Device::flex()).unwrap();
    check(fast.name(), trained(&fast, witness(fast.device()), &table, 3), 3, 2);
    let pgd = AdversarialConfig::new(threat, Pgd::new(3));
    let pgd = AdversarialTrainer::new(pgd, Device::flex()).unwrap();
    check(pgd.name(), trained(&pgd, witness(pgd.device()), &table, 3), 3, 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// For a linear model the best that an adversary can do within L∞ is known feature by feature.
    #[test]
    fn attacks_on_a_linear_model_reach_the_optimum_within_the_rules(
        seed in 0..1_000u64, epsilon in 0.1..1.5f64,
    ) {
        const TOLERANCE: f32 = 1e-4; // of a sum of eight products of order 1
        let (table, device) = (people(), Device::flex());
        let batch = table.batch(&device).unwrap();
        let threat = threat(&table, ThreatModel::linf(Epsilon::unit(epsilon)));
        let net = TableNet::new(table.features(), 2, seed, &device);
        let weights = rows(net.linear.weight.val());
        let model = FrozenModel::new(&net);
        let labels: Vec<i64> = batch.labels().try_into_vec_as().unwrap();
        let (low, high) = (threat.bounds().of_feature(2).0, threat.bounds().of_feature(2).1);
        let year = threat.rules().unwrap().step(0).unwrap();
        let reach = epsilon as f32;

        let attacks: [&dyn Attack<2>; 4] = [
            &Fgsm::new(), &Bim::new(10), &Pgd::new(20), &Apgd::ce().with_steps(20),
        ];
        for attack in attacks {
            let found = attack.perturb(&task(&model, &batch, &threat)).unwrap();
            let fooled = batch.untargeted().fooled(model.logits(found.clone()).unwrap());
            let fooled: Vec<i32> = fooled.int().try_into_vec_as().unwrap();
            let samples = rows(batch.inputs()).into_iter().zip(&labels).zip(rows(found)).zip(fooled);
            for (((x, y), found), fooled) in samples {
                // APGD returns the first example that fools, if any does.
                if fooled != 0 && attack.name().starts_with("apgd") {
                    continue;
                }
                // How much the wrong class gains on the right one for each feature.
                let sign = if *y == 0 { 1.0 } else { -1.0 };
                let gains: Vec<f32> = weights.iter().map(|w| sign * (w[1] - w[0])).collect();
                let age = gains[0].abs() * (reach / year + ROUNDING).floor() * year;
                let income = if gains[1] < 0.0 { -gains[1] * reach } else { 0.0 };
                let debt = match gains[2] > 0.0 {
                    true => gains[2] * reach.min(high - x[2]),
                    false => -gains[2] * reach.min(x[2] - low),
                };
                let job = (3..6).find(|at| x[*at] == 1.0).unwrap();
                let best = gains[3..6].iter().copied().fold(f32::MIN, f32::max) - gains[job];
                let expected = age + income + debt + best;
                let reached: f32 = (0..8).map(|at| gains[at] * (found[at] - x[at])).sum();
                prop_assert!((reached - expected).abs() < TOLERANCE,
                    "{}: {reached}, not {expected}, of {x:?} to {found:?} by {gains:?}", attack.name());
            }
        }
    }

    /// For L2 it is along the gradient, cut to the box, as long as ε allows.
    #[test]
    fn pgd_on_a_linear_model_reaches_the_optimum_in_l2(seed in 0..1_000u64, epsilon in 0.3..3.0f64) {
        const TOLERANCE: f64 = 1e-4; // of ε ‖g‖: single precision, and what is left to turn
        let device = Device::flex();
        let rules = FeatureRules::new(4)
            .with_direction(0, Direction::Up)
            .with_direction(1, Direction::Down);
        let bounds = Bounds::PerFeature { low: vec![-1.0; 4], high: vec![1.0; 4] };
        let threat = ThreatModel::l2(Epsilon::unit(epsilon)).with_bounds(bounds).with_rules(rules);
        let inputs = Draws::new(seed, (0..6).collect()).uniform([6, 4], &device);
        let labels = Tensor::from_data([0, 1, 0, 1, 0, 1], &device);
        let batch = Batch::<2>::new(inputs, labels).unwrap();
        let net = TableNet::new(4, 2, seed, &device);
        let weights = rows(net.linear.weight.val());
        let model = FrozenModel::new(&net);
        // Long steps: where the bounds leave only features with a small gradient, short ones take very
        // many to move those.
        let attack = Pgd::new(100).with_step_size(Epsilon::unit(1_000.0 * epsilon));
        let found = rows(attack.perturb(&task(&model, &batch, &threat)).unwrap());
        for (at, (x, found)) in rows(batch.inputs()).iter().zip(&found).enumerate() {
            let sign = if at % 2 == 0 { 1.0 } else { -1.0 };
            let gains: Vec<f64> = weights.iter().map(|w| f64::from(sign * (w[1] - w[0]))).collect();
            let cut = |t: f64| -> Vec<f64> {
                (0..4).map(|i| {
                    let low = if i == 0 { 0.0 } else { f64::from(-1.0 - x[i]) };
                    let high = if i == 1 { 0.0 } else { f64::from(1.0 - x[i]) };
                    (t * gains[i]).clamp(low, high)
                }).collect()
            };
            let length = |d: &[f64]| d.iter().map(|v| v * v).sum::<f64>().sqrt();
            // Bisection on how far along.
            let (mut near, mut far) = (0.0, 1e6);
            for _ in 0..200 {
                let middle = 0.5 * (near + far);
                if length(&cut(middle)) <= epsilon { near = middle } else { far = middle }
            }
            let value = |d: &[f64]| d.iter().zip(&gains).map(|(d, g)| d * g).sum::<f64>();
            let reached: Vec<f64> = found.iter().zip(x).map(|(f, x)| f64::from(f - x)).collect();
            let (reached, expected) = (value(&reached), value(&cut(near)));
            prop_assert!((reached - expected).abs() < TOLERANCE * epsilon * length(&gains),
                "{reached}, not {expected}");
        }
    }
}

#[test]
fn table_networks_differ_by_seed() {
    // What the tests above rest on: other weights for other seeds.
    let device = Device::flex();
    let weights = |seed| rows(seeded(TableNet::new(4, 2, seed, &device), seed).linear.weight.val());
    assert_ne!(weights(1), weights(2));
}
