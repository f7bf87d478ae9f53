//! CAPGD, MOEVA and CAA on the tables of `fixtures/tables.py`, beside TabularBench's.

use burn::tensor::{Device, Int, Tensor, TensorData};
use free_at::attacks::{AttackTask, Caa, Capgd, Moeva};
use free_at::models::{Mlp, MlpConfig, NormalizeConfig, Normalized, Weights};
use free_at::prelude::*;
use free_at::{Affine, Draws, FeatureRules, FrozenModel, Goal, Norm, Relation};
use serde_json::Value;

use crate::filling::write;
use crate::reference::Tensors;

const COLUMNS: usize = 6;
const HIDDEN: usize = 16;
/// What sums and ratios of single precision may be off: columns are of the size 1 to 8.
const ROUNDING: f64 = 2e-6;

struct Table {
    kind: &'static str,
    tensors: Tensors,
    summary: Value,
}

impl Table {
    fn load(kind: &'static str) -> Self {
        let tensors = Tensors::read(include_bytes!("fixtures/tables.safetensors"));
        let summary = serde_json::from_str(include_str!("fixtures/tables.json")).unwrap();
        Self { kind, tensors, summary }
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        self.tensors.floats(&format!("{}.{name}", self.kind))
    }

    fn count(&self, what: &str) -> usize {
        self.summary[self.kind][what].as_u64().unwrap() as usize
    }

    fn epsilon(&self, norm: Norm) -> f64 {
        let name = if norm == Norm::L2 { "L2" } else { "Linf" };
        self.summary["epsilon"][name].as_f64().unwrap()
    }

    fn spans(&self) -> Vec<f32> {
        self.floats("low").iter().zip(self.floats("high")).map(|(low, high)| high - low).collect()
    }

    fn model(&self) -> Normalized<Mlp> {
        let shapes = [(HIDDEN, COLUMNS), (HIDDEN, HIDDEN), (2, HIDDEN)];
        let tensors = shapes.into_iter().enumerate().flat_map(|(at, (out, from))| {
            let weight = (
                format!("{}.weight", 2 * at),
                vec![out, from],
                self.floats(&format!("weight.{at}")),
            );
            [weight, (format!("{}.bias", 2 * at), vec![out], self.floats(&format!("bias.{at}")))]
        });
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("net.safetensors");
        write(&file, tensors);
        let net = MlpConfig::new(COLUMNS, 2).with_hidden(vec![HIDDEN; 2]).init(&Device::flex());
        let net = Weights::open(&file).unwrap().load(net).unwrap();
        let scale = NormalizeConfig::new(self.floats("low"), self.spans()).init(&Device::flex());
        Normalized::new(scale, net)
    }

    /// Distances are counted in the spans of the columns; c4 is whole, c5 immutable.
    fn threat(&self, norm: Norm) -> ThreatModel {
        let at_most = |terms: [(usize, f64); 2]| Relation::AtMostZero(Affine::new(0.0, terms));
        let sum = Affine::new(0.0, [(0, 1.0), (1, 1.0)]);
        let of = |column| Affine::new(0.0, [(column, 1.0)]);
        let last = match self.kind {
            "ineq" => at_most([(3, 1.0), (1, -0.5)]),
            _ => Relation::Ratio { feature: 3, above: of(0), below: of(1), shift: 0.0 },
        };
        let rules = FeatureRules::new(COLUMNS)
            .with_step(4, 1.0)
            .with_relation(at_most([(0, 1.0), (1, -1.0)]))
            .with_relation(Relation::Sum { feature: 2, value: sum })
            .with_relation(last);
        let mut scale = self.spans();
        scale[5] = 0.0;
        ThreatModel::new(norm, Epsilon::unit(self.epsilon(norm)))
            .with_bounds(Bounds::PerFeature { low: self.floats("low"), high: self.floats("high") })
            .with_scale(scale)
            .with_rules(rules)
    }

    /// Which of the first `n` rows end up taken for another class, by the judgement of TabularBench: within ε, all relations kept,
    /// c4 whole, c5 as it was. There c2 (and the ratio) count as a distance, too, so whatever it counts counts here.
    fn broken(&self, attacks: &[std::sync::Arc<dyn Attack<2>>], norm: Norm, n: usize) -> Vec<bool> {
        let rows = self.floats("inputs")[..n * COLUMNS].to_vec();
        let labels = &self.tensors.integers(&format!("{}.labels", self.kind))[..n];
        let inputs =
            Tensor::<2>::from_data(TensorData::new(rows.clone(), [n, COLUMNS]), &Device::flex());
        let goal = Goal::untargeted(Tensor::<1, Int>::from_data(labels, &Device::flex()));
        let model = FrozenModel::new(&self.model());
        let draws = Draws::new(0, (0..n as u64).collect());
        let threat = self.threat(norm);
        let task = AttackTask::new(&model, inputs.clone(), goal, &threat, draws).unwrap();
        let task = task.stopping_when_fooled();
        // As the reference counts them: what is wrong without an attack is broken.
        let wrong = task.fooled_by(inputs).unwrap().int().try_into_vec_as::<i32>().unwrap();
        let mut broken: Vec<bool> = wrong.iter().map(|wrong| *wrong != 0).collect();
        for attack in attacks {
            for run in 0..attack.runs(false) {
                let seen = task.seen(attack.run_once(&task, run).unwrap());
                let fooled = task.fooled_by(seen.clone()).unwrap();
                let fooled = fooled.int().try_into_vec_as::<i32>().unwrap();
                let seen = seen.try_into_vec_as::<f32>().unwrap();
                let pairs = rows.chunks(COLUMNS).zip(seen.chunks(COLUMNS)).enumerate();
                for (at, (before, after)) in pairs {
                    let kept = self.keeps(before, after);
                    assert!(kept, "{}: {before:?} {after:?}", attack.name());
                    broken[at] |= fooled[at] != 0
                        && self.distance(norm, before, after) <= self.epsilon(norm) + ROUNDING;
                }
            }
        }
        broken
    }

    fn keeps(&self, before: &[f32], after: &[f32]) -> bool {
        let c: Vec<f64> = after.iter().map(|value| f64::from(*value)).collect();
        let last = match self.kind {
            "ineq" => c[3] <= 0.5 * c[1] + ROUNDING,
            _ => (c[3] - c[0] / c[1]).abs() < ROUNDING,
        };
        let (low, high) = (self.floats("low"), self.floats("high"));
        let inside = (0..COLUMNS).all(|at| (low[at]..=high[at]).contains(&after[at]));
        last && inside
            && c[0] <= c[1] + ROUNDING
            && (c[2] - c[0] - c[1]).abs() < ROUNDING
            && after[4].fract() == 0.0
            && after[5] == before[5]
    }

    /// Of what is chosen.
    fn distance(&self, norm: Norm, before: &[f32], after: &[f32]) -> f64 {
        let follows = |column: &usize| *column == 2 || (*column == 3 && self.kind == "ratio");
        let moved = before.iter().zip(after).zip(self.spans()).enumerate();
        let moved = moved.filter(|(column, _)| !follows(column)).map(|(_, moved)| moved);
        norm.of_numbers(
            moved.map(|((before, after), span)| f64::from(after - before) / f64::from(span)),
        )
    }
}

fn count(broken: &[bool]) -> usize {
    broken.iter().filter(|broken| **broken).count()
}

#[test]
fn capgd_breaks_what_the_reference_breaks_and_more() {
    for kind in ["ineq", "ratio"] {
        let table = Table::load(kind);
        let rows = table.count("rows");
        for (norm, name) in [(Norm::Linf, "Linf"), (Norm::L2, "L2")] {
            let ours = table.broken(&[std::sync::Arc::new(Capgd::new())], norm, rows);
            let theirs = table.tensors.flags(&format!("{kind}.{name}.broken"));
            assert_eq!(count(&theirs), table.count(name));
            let missed =
                theirs.iter().zip(&ours).filter(|(theirs, ours)| **theirs && !**ours).count();
            println!(
                "{kind} {name}: {} of {rows} by the reference, {} here, {missed} missed",
                count(&theirs),
                count(&ours)
            );
            assert!(count(&ours) >= count(&theirs), "{kind} {name}");
            assert!(missed <= rows / 32, "{kind} {name}: {missed}");
        }
    }
}

#[test]
fn a_search_and_the_ensemble_break_no_less_than_the_references() {
    for kind in ["ineq", "ratio"] {
        let table = Table::load(kind);
        let n = table.summary["searched"].as_u64().unwrap() as usize;
        let moeva = count(&table.broken(
            &[std::sync::Arc::new(Moeva::new().with_generations(40))],
            Norm::L2,
            n,
        ));
        let caa = count(&table.broken(
            &Caa::new().with_moeva(Moeva::new().with_generations(40)).attacks(),
            Norm::L2,
            n,
        ));
        println!(
            "{kind}: moeva {moeva} ({}), caa {caa} ({})",
            table.count("moeva"),
            table.count("caa")
        );
        assert!(moeva >= table.count("moeva"), "{kind}: {moeva}");
        assert!(caa >= table.count("caa") && caa >= moeva, "{kind}: {caa}");
    }
}
