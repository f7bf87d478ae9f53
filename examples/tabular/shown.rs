//! What an attack changed in some rows, in the columns' own units, and accuracy over epsilon.

use std::error::Error;
use std::fmt::Write;

use burn::data::dataloader::DataLoader;
use burn::tensor::{Device, Int, Tensor, TensorData};
use free_at::attacks::AttackTask;
use free_at::data::Table;
use free_at::models::Mlp;
use free_at::prelude::*;
use free_at::{Draws, FrozenModel, Goal};
use free_at_examples::curve::Curve;
use free_at_examples::training::Trained;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Accuracy under PGD-20 over epsilon.
pub(crate) fn accuracy_by_epsilon(
    trained: &[Trained<Mlp>],
    threat: &ThreatModel,
    test: &dyn DataLoader<Batch<2>>,
    seed: u64,
) -> Outcome<Vec<Curve>> {
    let epsilons = [0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0];
    let epsilons = epsilons.map(|share| share * threat.epsilon().value());
    let curve = |run: &Trained<Mlp>| -> Outcome<Curve> {
        let named = (run.method.as_str(), &run.model);
        Ok(Curve::measure(named, test, threat, &Pgd::new(20), (&epsilons, seed))?)
    };
    trained.iter().map(curve).collect()
}

/// Of some rows that every model gets right: what PGD-20 makes each model say, and the changes that it
/// takes.
pub(crate) fn changes(
    trained: &[Trained<Mlp>],
    threat: &ThreatModel,
    test: &Table,
    (rows, seed): (usize, u64),
) -> Outcome<String> {
    const MOST: usize = 4; // changes in a line
    let models: Vec<FrozenModel<2>> =
        trained.iter().map(|run| FrozenModel::new(&run.model)).collect();
    let mut text = String::new();
    let mut shown = 0;
    for at in 0..test.len() {
        let Some((row, class)) = test.row(at) else { break };
        let right = |model: &FrozenModel<2>| -> Outcome<bool> {
            Ok(predictions(model, &[row.to_vec()])? == [class])
        };
        if shown == rows {
            break;
        }
        if !models.iter().map(right).collect::<Outcome<Vec<_>>>()?.iter().all(|right| *right) {
            continue;
        }
        shown += 1;
        writeln!(text, "row {at}, {}", test.class_names()[class])?;
        for (run, model) in trained.iter().zip(&models) {
            let found = attacked(model, threat, (row, class), Draws::new(seed, vec![at as u64]))?;
            let says = predictions(model, std::slice::from_ref(&found))?[0];
            write!(text, "  {:9} ", run.method)?;
            if says == class {
                writeln!(text, "withstands")?;
                continue;
            }
            let needed = needed(model, test, (row, says), found)?;
            let changes = test.changes(row, &needed)?;
            let first: Vec<String> = changes.iter().take(MOST).map(ToString::to_string).collect();
            write!(text, "says {}: {}", test.class_names()[says], first.join(", "))?;
            match changes.len().saturating_sub(MOST) {
                0 => writeln!(text)?,
                more => writeln!(text, ", and {more} more")?,
            }
        }
    }
    Ok(text)
}

fn attacked(
    model: &FrozenModel<2>,
    threat: &ThreatModel,
    (row, class): (&[f32], usize),
    draws: Draws,
) -> Outcome<Vec<f32>> {
    let device = Device::default();
    let labels = Goal::untargeted(Tensor::<1, Int>::from_data([class as i64], &device));
    let task = AttackTask::new(model, tensor(&[row.to_vec()]), labels, threat, draws)?;
    Ok(Pgd::new(20).perturb(&task)?.try_into_vec_as()?)
}

/// The adversarial row with as many columns as possible put back, so that the model still says the same:
/// L∞ attacks change every column by ε, needed or not.
fn needed(
    model: &FrozenModel<2>,
    table: &Table,
    (row, says): (&[f32], usize),
    found: Vec<f32>,
) -> Outcome<Vec<f32>> {
    let put_back = |from: &[f32], column: usize| {
        let mut next = from.to_vec();
        let features = table.columns()[column].features();
        next[features.clone()].copy_from_slice(&row[features]);
        next
    };
    // Those that matter least first.
    let each: Vec<Vec<f32>> =
        (0..table.columns().len()).map(|column| put_back(&found, column)).collect();
    let logits: Vec<f32> = model.logits(tensor(&each))?.try_into_vec_as()?;
    let confidence: Vec<f32> =
        logits.chunks(table.classes()).map(|row| margin(row, says)).collect();
    let mut order: Vec<usize> = (0..each.len()).collect();
    order.sort_by(|a, b| confidence[*b].total_cmp(&confidence[*a]));
    let mut kept = found;
    for column in order {
        let without = put_back(&kept, column);
        if predictions(model, std::slice::from_ref(&without))?[0] == says {
            kept = without;
        }
    }
    Ok(kept)
}

/// How far the logit of a class is above the others.
fn margin(logits: &[f32], class: usize) -> f32 {
    let others = (0..logits.len()).filter(|other| *other != class).map(|other| logits[other]);
    logits[class] - others.fold(f32::NEG_INFINITY, f32::max)
}

fn predictions(model: &FrozenModel<2>, rows: &[Vec<f32>]) -> Outcome<Vec<usize>> {
    let classes: Vec<i64> = model.logits(tensor(rows))?.argmax(1).try_into_vec_as()?;
    Ok(classes.into_iter().map(|class| class as usize).collect())
}

fn tensor(rows: &[Vec<f32>]) -> Tensor<2> {
    let shape = [rows.len(), rows.first().map_or(0, Vec::len)];
    Tensor::from_data(TensorData::new(rows.concat(), shape), &Device::default())
}
