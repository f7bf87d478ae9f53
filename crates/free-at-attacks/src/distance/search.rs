//! The work: all attacks on all samples, measured again.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use free_at_core::{Error, FrozenModel, MinimalAttack};

use super::report::{AttackDistances, DistanceReport, SampleDistance, median};
use crate::error::EvaluationError;
use crate::evaluation::{Clean, Plan, Samples, exceeds, past_bounds, read_bools};
use crate::progress::EvaluationProgress;
use crate::report::{Verdict, Versions};

/// What one attack has found so far: the distance of each sample, if any.
struct Found {
    distances: Vec<Option<f64>>,
    /// The samples that were asked about.
    attacked: Vec<bool>,
    cut_short: bool,
}

pub(super) fn search<const D: usize>(
    plan: &Plan<D>,
    attacks: &[Arc<dyn MinimalAttack<D>>],
    model: &FrozenModel<D>,
    samples: &Samples,
) -> Result<DistanceReport, EvaluationError> {
    let n = samples.len();
    let mut closest: Vec<(Option<f64>, Option<usize>)> = vec![(None, None); n];
    let mut reports = Vec::new();
    let mut is_cut_short = false;
    for (index, attack) in attacks.iter().enumerate() {
        if is_cut_short {
            break;
        }
        let start = Instant::now();
        let before = (model.gradient_computations(), model.forward_passes());
        let found = run(plan, (index, attack.as_ref()), model, samples)?;
        is_cut_short = found.cut_short;
        for (sample, distance) in found.distances.iter().enumerate() {
            let nearer = |distance: &f64| closest[sample].0.is_none_or(|best| *distance < best);
            if let Some(distance) = distance.filter(nearer) {
                closest[sample] = (Some(distance), Some(index));
            }
        }
        let attacked = || (0..n).filter(|sample| found.attacked[*sample]);
        reports.push(AttackDistances {
            name: attack.name(),
            parameters: format!("{attack:?}"),
            attacked: attacked().count(),
            found: found.distances.iter().flatten().count(),
            median: median(attacked().map(|sample| found.distances[sample])),
            gradient_computations: model.gradient_computations() - before.0,
            forward_passes: model.forward_passes() - before.1,
            seconds: start.elapsed().as_secs_f64(),
        });
    }
    let sample = |(sample, (distance, attack)): (usize, &(Option<f64>, Option<usize>))| {
        let verdict = match (samples.clean[sample], distance) {
            (Clean::Misclassified, _) => Verdict::Misclassified,
            (Clean::NotFinite, _) => Verdict::NotFinite,
            (Clean::Right, Some(_)) => Verdict::Broken,
            (Clean::Right, None) => Verdict::Robust,
        };
        let attack = attack.map(|index| attacks[index].name());
        SampleDistance { verdict, distance: *distance, attack }
    };
    Ok(DistanceReport {
        threat: plan.threat.clone(),
        target: plan.target.clone(),
        seed: plan.seed,
        versions: Versions::here(&samples.device),
        clean: samples.right().len() as f64 / n as f64,
        attacks: reports,
        samples: closest.iter().enumerate().map(sample).collect(),
        is_cut_short,
    })
}

/// All runs of one attack on every sample that is right, batch by batch.
fn run<const D: usize>(
    plan: &Plan<D>,
    (index, attack): (usize, &dyn MinimalAttack<D>),
    model: &FrozenModel<D>,
    samples: &Samples,
) -> Result<Found, EvaluationError> {
    let n = samples.len();
    let mut all = Found { distances: vec![None; n], attacked: vec![false; n], cut_short: false };
    let (right, runs) = (samples.right(), attack.runs(plan.is_targeted()));
    let batch = plan.batch_size.unwrap_or(samples.batch).max(1);
    for run in 0..runs {
        for (at, chunk) in right.chunks(batch).enumerate() {
            let device = &samples.device;
            let task = samples.task(model, &plan.threat, chunk, (index, run), device)?;
            let closest = attack.closest(&task, run)?;
            let seen = closest.examples().clone();
            let past = past_bounds(task.allowed(), seen.clone())?;
            if exceeds(past, 0.0) {
                let (attack, allowed) = (attack.name(), 0.0);
                return Err(EvaluationError::OutsideThreatModel { attack, found: past, allowed });
            }
            // A model that may not be asked any more has answered for these examples before.
            let fooled = match task.fooled_by(seen.clone()) {
                Err(Error::QueriesSpent { .. }) => closest.norms().clone().is_finite(),
                fooled => fooled?,
            };
            let fooled = read_bools(fooled)?;
            let moved = task.allowed().measure(seen - task.inputs().clone());
            let sizes = moved.flatten::<1>(0, D - 1).try_into_vec_as::<f64>();
            let sizes = sizes.map_err(Error::unreadable)?;
            for ((&sample, fooled), size) in chunk.iter().zip(fooled).zip(sizes) {
                all.attacked[sample] = true;
                let nearer = all.distances[sample].is_none_or(|best| size < best);
                if fooled && nearer {
                    all.distances[sample] = Some(size);
                }
            }
            let now = EvaluationProgress {
                attack: attack.name(),
                quantized: false,
                run,
                runs,
                done: (at * batch + chunk.len()).min(right.len()),
                samples: right.len(),
                broken: all.distances.iter().flatten().count(),
            };
            let progress = plan.progress.as_ref();
            if progress.is_some_and(|to| to.update(&now) == ControlFlow::Break(())) {
                return Err(EvaluationError::Stopped);
            }
            if closest.is_cut_short() {
                all.cut_short = true;
                return Ok(all);
            }
        }
    }
    Ok(all)
}
