//! Relations between columns: kept in every row that a model sees, by every attack, and no weaker an attack than they ask for.

use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};
use free_at::attacks::{Apgd, AttackTask, Bim, FabT, Fgsm, MiFgsm, Square};
use free_at::data::{DataError, Table, TableError, Value};
use free_at::models::{Mlp, MlpConfig};
use free_at::prelude::*;
use free_at::{
    Affine, Draws, FeatureRules, FrozenModel, Goal, Norm, Objective, Relation, RuleError,
};
use proptest::prelude::*;

use crate::filling::uniform;

/// What single precision makes of sums of standardised values, in the columns' own units (hundreds).
const ROUNDING: f64 = 1e-3;
const ROWS: usize = 64;

/// Loans: what was paid back is at most what was lent, the total is paid + fees, the rate is paid / lent.
fn loans() -> Table {
    let mut csv = String::from("lent,paid,fees,total,rate,age,job,default\n");
    let draw = uniform("loans", 6 * ROWS);
    for row in draw.chunks(6) {
        let lent = 100.0 + 400.0 * row[0];
        let paid = lent * (0.2 + 0.8 * row[1]);
        let fees = (20.0 * row[2]).round();
        let (age, job) =
            (20.0 + (40.0 * row[3]).round(), ["clerk", "smith", "nurse"][(2.9 * row[4]) as usize]);
        let class = if paid / lent + 0.02 * fees + 0.3 * row[5] > 0.9 { "no" } else { "yes" };
        let (total, rate) = (paid + fees, paid / lent);
        csv += &format!("{lent:.6},{paid:.6},{fees},{total:.6},{rate:.9},{age},{job},{class}\n");
    }
    TableConfig::new("default")
        .with_integers(["fees", "age"])
        .with_categories(["job"])
        .read(csv.as_bytes(), "loans")
        .unwrap()
}

fn threat(table: &Table, norm: Norm, epsilon: f64) -> ThreatModel {
    let threat = table
        .threat(ThreatModel::new(norm, Epsilon::unit(epsilon)))
        .at_most("paid", "lent")
        .limiting([("fees", 1.0), ("age", -0.5)], 15.0)
        .adding_up("total", ["paid", "fees"])
        .dividing("rate", "paid", "lent")
        .within("lent", 50.0, 600.0);
    let threat = if norm == Norm::Linf { threat } else { threat.freezing_categories() };
    threat.build().unwrap()
}

fn numbers(table: &Table, row: &[f32]) -> Vec<f64> {
    let number = |value: Value| match value {
        Value::Number(number) => number,
        Value::Integer(number) => number as f64,
        Value::Category(_) => 0.0,
    };
    table.decode(row).unwrap().into_iter().map(number).collect()
}

/// That a row keeps all that was asked for.
fn assert_kept(table: &Table, row: &[f32], what: &str) {
    let &[lent, paid, fees, total, rate, age, ..] = numbers(table, row).as_slice() else {
        panic!()
    };
    let slack = ROUNDING * lent;
    assert!(paid <= lent + slack, "{what}: paid {paid} of {lent}");
    assert!(fees - 0.5 * age <= 15.0 + ROUNDING, "{what}: fees {fees}, age {age}");
    assert!((total - paid - fees).abs() < slack, "{what}: total {total}, {paid} + {fees}");
    assert!((rate - paid / lent).abs() < ROUNDING, "{what}: rate {rate}, {paid} / {lent}");
    assert!((50.0 - slack..=600.0 + slack).contains(&lent), "{what}: lent {lent}");
    let columns = table.columns();
    for column in [2, 5] {
        // Whole numbers are whole before they are rounded, too.
        let (feature, std) = (columns[column].features().start, columns[column].std().unwrap());
        let mean = match columns[column].kind() {
            free_at::data::ColumnKind::Integer { mean, .. } => *mean,
            _ => panic!(),
        };
        let value = mean + std * f64::from(row[feature]);
        assert!((value - value.round()).abs() < ROUNDING, "{what}: {value}");
    }
}

fn rows(tensor: Tensor<2>) -> Vec<Vec<f32>> {
    let features = tensor.dims()[1];
    let values: Vec<f32> = tensor.try_into_vec_as().unwrap();
    values.chunks(features).map(<[f32]>::to_vec).collect()
}

fn model(table: &Table) -> Mlp {
    MlpConfig::new(table.features(), 2).with_hidden(vec![16]).with_seed(3).init(&Device::flex())
}

#[test]
fn every_attack_shows_the_model_rows_that_keep_them() {
    let table = loans();
    let batch = table.batch(&Device::flex()).unwrap();
    let model = FrozenModel::new(&model(&table));
    let attacks: Vec<Arc<dyn Attack<2>>> = vec![
        Arc::new(Fgsm::new()),
        Arc::new(Bim::new(5)),
        Arc::new(MiFgsm::new(5)),
        Arc::new(Pgd::new(10)),
        Arc::new(Apgd::ce().with_steps(10)),
        Arc::new(FabT::new().with_targets(1).with_steps(5)),
        Arc::new(Square::new().with_queries(20)),
    ];
    for norm in [Norm::Linf, Norm::L2] {
        let threat = threat(&table, norm, 0.7);
        let allowed = threat.around(&batch.inputs()).unwrap();
        for attack in &attacks {
            if attack.check_support(&threat, &[table.features()]).is_err() {
                continue; // Square with a scale in L2
            }
            let draws = Draws::new(1, (0..ROWS as u64).collect());
            let task = AttackTask::new(&model, batch.inputs(), batch.untargeted(), &threat, draws)
                .unwrap();
            let seen = task.seen(attack.perturb(&task).unwrap());
            let sizes = allowed.measure(seen.clone() - batch.inputs()).max().into_scalar::<f32>();
            assert!(sizes <= 0.7 + 1e-4, "{}: {sizes}", attack.name());
            let mut moved = 0;
            for (before, after) in rows(batch.inputs()).iter().zip(rows(seen)) {
                assert_kept(&table, &after, &attack.name());
                moved += usize::from(*before != after);
            }
            // Not by staying where they are.
            let fab = attack.name().starts_with("fab");
            assert!(fab || moved > ROWS * 3 / 4, "{} moved {moved} in {norm}", attack.name());
        }
    }
}

#[test]
fn an_evaluation_takes_them_and_an_adversary_that_keeps_them_finds_less() {
    let table = loans();
    let test = table.loader(16, None, &Device::flex()).unwrap();
    let model = model(&table);
    let worst = |threat: ThreatModel| {
        let evaluation = Evaluation::new(threat).attack(Pgd::new(20).with_restarts(2));
        evaluation.run(&model, &*test).unwrap()
    };
    let related = worst(threat(&table, Norm::Linf, 0.5));
    let free = table.threat(ThreatModel::linf(Epsilon::unit(0.5))).within("lent", 50.0, 600.0);
    let free = worst(free.build().unwrap());
    assert!(related.worst_case >= free.worst_case);
    assert!(related.worst_case < related.clean, "{related}");
}

/// −x₀ + x₁ ≤ 0 and x₂ = x₀ + 2 x₁ − 0.1, of rows of three.
fn three() -> FeatureRules {
    let value = Affine::new(-0.1, [(0, 1.0), (1, 2.0)]);
    FeatureRules::new(3)
        .with_relation(Relation::AtMostZero(Affine::new(0.0, [(0, -1.0), (1, 1.0)])))
        .with_relation(Relation::Sum { feature: 2, value })
}

fn tensor(rows: &[[f32; 3]]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(rows.concat(), [rows.len(), 3]), &Device::flex())
}

#[test]
fn a_row_goes_to_the_nearest_one_that_keeps_a_limit() {
    let threat =
        ThreatModel::linf(Epsilon::unit(1.0)).with_bounds(Bounds::None).with_rules(three());
    let input = [0.6, 0.2, 0.9];
    let allowed = threat.around(&tensor(&[input])).unwrap();
    let snapped = |moved| rows(allowed.snap(&tensor(&[input]), tensor(&[moved]))).remove(0);
    let close = |a: &[f32], b: [f32; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
    // Kept already, but for what follows.
    assert!(close(&snapped([0.5, 0.4, 0.0]), [0.5, 0.4, 1.2]));
    // On the other side of x₀ = x₁, by 0.3 each.
    assert!(close(&snapped([0.2, 0.8, 0.0]), [0.5, 0.5, 1.4]));
    // No measure of what follows.
    let size = allowed.measure(tensor(&[[0.1, -0.2, 5.0]])).into_scalar::<f32>();
    assert!((size - 0.2).abs() < 1e-6);
}

#[test]
fn a_gradient_reaches_what_is_chosen_through_what_follows() {
    const STEP: f32 = 1e-2;
    const TOLERANCE: f64 = 2e-3; // central differences in single precision
    let relations = FeatureRules::new(4)
        .with_relation(Relation::Sum { feature: 1, value: Affine::new(0.3, [(0, 2.0), (3, -1.0)]) })
        .with_relation(Relation::Ratio {
            feature: 2,
            above: Affine::new(0.5, [(0, 1.0), (1, 1.0)]),
            below: Affine::new(2.0, [(3, 1.0)]),
            shift: -0.2,
        });
    let threat =
        ThreatModel::linf(Epsilon::unit(1.0)).with_bounds(Bounds::None).with_rules(relations);
    let net = MlpConfig::new(4, 3).with_hidden(vec![]).with_seed(1).init(&Device::flex());
    let model = FrozenModel::new(&net);
    let input = Tensor::<2>::from_data([[0.4, 0.0, 0.0, 0.7]], &Device::flex());
    let goal = || Goal::untargeted(Tensor::<1, Int>::from_data([1], &Device::flex()));
    let task =
        AttackTask::new(&model, input.clone(), goal(), &threat, Draws::new(0, vec![0])).unwrap();
    let at = |rows: Tensor<2>| task.gradient(rows, &goal(), Objective::CrossEntropy).unwrap();
    let found = rows(at(input.clone()).gradient).remove(0);
    for feature in [0, 3] {
        let value = |sign: f32| {
            let mut step = [[0.0; 4]];
            step[0][feature] = sign * STEP;
            let step = Tensor::<2>::from_data(step, &Device::flex());
            f64::from(at(input.clone() + step).values.into_scalar::<f32>())
        };
        let slope = (value(1.0) - value(-1.0)) / f64::from(2.0 * STEP);
        let apart = (f64::from(found[feature]) - slope).abs();
        assert!(
            apart < TOLERANCE * (1.0 + slope.abs()),
            "{feature}: {} of {slope}",
            found[feature]
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_is_moved_comes_back_to_what_is_allowed(
        seed in 0u64..1000,
        epsilon in 0.05f64..1.5,
        size in 0.1f64..3.0,
    ) {
        let table = loans();
        let inputs = table.batch(&Device::flex()).unwrap().inputs();
        for norm in [Norm::Linf, Norm::L2] {
            let threat = threat(&table, norm, epsilon);
            let allowed = threat.around(&inputs).unwrap();
            let draws = Draws::new(seed, (0..ROWS as u64).collect());
            let moved = draws.uniform(inputs.dims(), &Device::flex()).mul_scalar(size * epsilon);
            let moved = inputs.clone() + allowed.project(&inputs, moved);
            let seen = allowed.snap(&inputs, moved);
            let sizes: Vec<f32> =
                allowed.measure(seen.clone() - inputs.clone()).try_into_vec_as().unwrap();
            for (size, row) in sizes.iter().zip(rows(seen.clone())) {
                prop_assert!(f64::from(*size) <= epsilon + 1e-4);
                assert_kept(&table, &row, "moved");
            }
            // Once more changes nothing but rounding.
            let again = allowed.snap(&inputs, seen.clone());
            prop_assert!((again - seen).abs().max().into_scalar::<f32>() < 1e-3);
        }
    }
}

#[test]
fn training_keeps_them_too() {
    let table = loans();
    let threat = threat(&table, Norm::Linf, 0.3);
    let trainer = FreeAdversarialTrainer::new(
        FreeConfig::new(threat.clone()).with_replays(4),
        Device::flex().autodiff(),
    )
    .unwrap();
    let train = table.loader(16, Some(0), trainer.device()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let net = MlpConfig::new(table.features(), 2).init(trainer.device());
    let sgd = burn::optim::SgdConfig::new().init();
    let test = table.loader(16, None, &Device::flex()).unwrap();
    let trained = trainer
        .run(folder.path(), train, test.clone())
        .passes(trainer.passes(120))
        .launch(net, sgd, 0.1)
        .unwrap();
    let report = Evaluation::new(threat).attack(Pgd::new(20)).run(&trained.model, &*test).unwrap();
    assert!(report.worst_case >= 0.5, "{report}"); // a network that nobody trained has none
}

/// Of every measurement of a tumour there is the mean over its cells and that of the three worst ones.
#[test]
fn real_rows_keep_what_holds_between_their_columns() {
    let (train, test) = free_at::data::breast_cancer::table().unwrap().split(60, 0).unwrap();
    let threat = || {
        let threat = train.threat(ThreatModel::linf(Epsilon::unit(0.5)));
        ["radius", "texture", "area", "concavity"].into_iter().fold(threat, |threat, what| {
            threat.at_most(&format!("mean {what}"), &format!("worst {what}"))
        })
    };
    let net = MlpConfig::new(train.features(), 2).with_seed(2).init(&Device::flex());
    let batch = test.batch(&Device::flex()).unwrap();
    let model = FrozenModel::new(&net);
    let draws = Draws::new(0, (0..60).collect());
    let threat = threat().build().unwrap();
    let task = AttackTask::new(&model, batch.inputs(), batch.untargeted(), &threat, draws).unwrap();
    let columns: Vec<&str> = test.columns().iter().map(|column| column.name()).collect();
    let at = |name: String| columns.iter().position(|column| **column == name).unwrap();
    for row in rows(task.seen(Pgd::new(10).perturb(&task).unwrap())) {
        let values = numbers(&test, &row);
        for what in ["radius", "texture", "area", "concavity"] {
            let (mean, worst) =
                (values[at(format!("mean {what}"))], values[at(format!("worst {what}"))]);
            assert!(mean <= worst + 1e-4 * worst.abs() + 1e-6, "{what}: {mean} {worst}");
        }
    }
}

#[test]
fn relations_that_cannot_be_are_refused() {
    let sum = |feature, of| Relation::Sum { feature, value: Affine::new(0.0, [(of, 1.0)]) };
    let of = |relations: Vec<Relation>| {
        let rules = relations.into_iter().fold(FeatureRules::new(3), FeatureRules::with_relation);
        match rules.check() {
            Err(Error::Rules(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    let none = Relation::AtMostZero(Affine::new(0.0, []));
    assert_eq!(of(vec![none]), RuleError::Relation { relation: 0 });
    let infinite = Relation::AtMostZero(Affine::new(f64::NAN, [(0, 1.0)]));
    assert_eq!(of(vec![infinite]), RuleError::Relation { relation: 0 });
    let beyond = RuleError::NoSuchFeature { feature: 3, features: 3 };
    assert_eq!(of(vec![sum(0, 3)]), beyond);
    assert_eq!(of(vec![sum(3, 0)]), beyond);
    let itself = RuleError::FollowsItself { relation: 0, feature: 0 };
    assert_eq!(of(vec![sum(0, 0)]), itself);
    let later = RuleError::FollowsItself { relation: 0, feature: 1 };
    assert_eq!(of(vec![sum(0, 1), sum(1, 2)]), later);
    assert_eq!(of(vec![sum(0, 1), sum(0, 2)]), RuleError::FollowerRuled { feature: 0 });
    let ratio = Relation::Ratio {
        feature: 0,
        above: Affine::new(0.0, [(1, 1.0)]),
        below: Affine::new(0.0, [(2, 1.0)]),
        shift: 0.0,
    };
    let of_it = Relation::AtMostZero(Affine::new(0.0, [(0, 1.0)]));
    assert_eq!(of(vec![ratio, of_it]), RuleError::RatioLimited { relation: 1, feature: 0 });
    // Of a row that has no such feature, or holds no number, nothing is kept.
    assert_eq!(sum(0, 7).broken_by(&[1.0, 2.0]), f64::INFINITY);
    assert_eq!(sum(0, 1).broken_by(&[f32::NAN, 2.0]), f64::INFINITY);
    let stepped = FeatureRules::new(3).with_step(0, 1.0).with_relation(sum(0, 1));
    assert_eq!(stepped.check(), Err(RuleError::FollowerRuled { feature: 0 }.into()));

    // A row that breaks a relation before anybody has moved it.
    let broken = Relation::AtMostZero(Affine::new(5.0, [(0, 1.0)]));
    let table = loans();
    let rules = FeatureRules::new(table.features()).with_relation(broken);
    let threat = ThreatModel::linf(Epsilon::unit(0.1)).with_bounds(Bounds::None).with_rules(rules);
    let evaluation = Evaluation::new(threat).attack(Fgsm::new());
    let refused =
        evaluation.run(&model(&table), &*table.loader(16, None, &Device::flex()).unwrap());
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("sample 0 breaks relation 0"), "{refused}");

    let linf = || table.threat(ThreatModel::linf(Epsilon::unit(0.1)));
    let refused = |result: Result<ThreatModel, DataError>| match result {
        Err(DataError::Table(error)) => error,
        other => panic!("{other:?}"),
    };
    let broken = refused(linf().at_most("lent", "paid").build());
    assert!(matches!(broken, TableError::RelationBroken { .. }), "{broken}");
    assert!(broken.to_string().contains("1 · lent + -1 · paid ≤ 0"), "{broken}");
    let broken = refused(linf().adding_up("total", ["paid"]).build());
    assert!(matches!(broken, TableError::RelationBroken { .. }), "{broken}");
    let category = refused(linf().dividing("rate", "job", "lent").build());
    assert!(matches!(category, TableError::Rule { .. }), "{category}");
    let follows = || linf().adding_up("total", ["paid", "fees"]);
    let frozen = refused(follows().freezing("total").build());
    assert!(matches!(&frozen, TableError::Rule { column, .. } if column == "total"), "{frozen}");
    assert!(follows().freezing("total").freezing("paid").freezing("fees").build().is_ok());
    let nobody = refused(linf().at_most("paid", "earned").build());
    assert!(matches!(nobody, TableError::NoSuchColumn { .. }), "{nobody}");
    let json = serde_json::to_string(&three()).unwrap();
    assert_eq!(serde_json::from_str::<FeatureRules>(&json).unwrap(), three());
}
