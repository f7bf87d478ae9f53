//! One evaluation at work: attacks in turn, run by run, batch by batch.

use std::ops::ControlFlow;
use std::time::Instant;

use burn::tensor::{Device, Tensor};
use free_at_core::files::{self, damaged};
use free_at_core::{Attack, AttackTask, EIGHT_BIT_LEVELS, Error, FrozenModel, check_device};

use super::examples::Examples;
use super::fingerprint::Fingerprint;
use super::measure::{exceeds, norms, past_bounds, read_bools};
use super::plan::Plan;
use super::record::Record;
use super::samples::Samples;
use super::sanity::suspicions;
use super::tally::{Broken, Finding, Place, Tally};
use crate::error::EvaluationError;
use crate::progress::EvaluationProgress;
use crate::warning::Warning;

/// How many batches of samples an attack that refills is given at a time: enough to keep its batch
/// full, few enough for the device's memory and for a record that lags little.
const POOL: usize = 8;

pub(super) struct Run<'a, const D: usize> {
    pub(super) plan: &'a Plan<D>,
    pub(super) model: &'a FrozenModel<D>,
    pub(super) samples: &'a Samples,
    pub(super) tally: Tally,
    pub(super) warnings: Vec<Warning>,
    pub(super) device: Device,
    record: Option<Record>,
    examples: Option<Examples>,
}

impl<'a, const D: usize> Run<'a, D> {
    /// With what the record holds already, if there is one.
    pub(super) fn new(
        plan: &'a Plan<D>,
        model: &'a FrozenModel<D>,
        samples: &'a Samples,
        fingerprint: &Fingerprint,
    ) -> Result<Self, EvaluationError> {
        if let Some(path) = &plan.examples {
            files::can_be_written(path)?;
        }
        let mut run = Self {
            plan,
            model,
            samples,
            tally: Tally::default(),
            warnings: Vec::new(),
            device: samples.device.clone(),
            record: None,
            examples: plan.examples.is_some().then(|| Examples::of(samples)),
        };
        if let Some(path) = &plan.record {
            let features = run.examples.is_some().then(|| samples.shape().iter().product());
            let (record, findings) = Record::open(path, fingerprint, features)?;
            for (line, (finding, examples)) in findings.iter().enumerate() {
                let (attacks, n) = (plan.attacks.len(), samples.len());
                if !finding.is_of(attacks, n) {
                    let reason = format!("line {} names what this evaluation has not", line + 2);
                    return Err(damaged(path, reason).into());
                }
                run.take(finding, examples);
            }
            run.record = Some(record);
        }
        Ok(run)
    }

    fn take(&mut self, finding: &Finding, examples: &[f32]) {
        self.tally.add(finding);
        if let Some(kept) = &mut self.examples {
            kept.add(finding, examples);
        }
    }

    /// All attacks, and all again on the lattice if that is asked for.
    pub(super) fn attack(&mut self) -> Result<(), EvaluationError> {
        let right = self.samples.right();
        let batch = self.plan.batch_size.unwrap_or(self.samples.batch).max(1);
        if !right.is_empty() {
            let looked_at = &right[..batch.min(right.len())];
            let task = self.task(looked_at, (0, 0))?;
            check_device(task.inputs())?;
            self.warnings = suspicions(self.model, &task)?;
        }
        let passes: &[bool] = if self.plan.quantized { &[false, true] } else { &[false] };
        for &quantized in passes {
            let mut standing = right.clone();
            for (index, attack) in self.plan.attacks.iter().enumerate() {
                self.runs(attack.as_ref(), (quantized, index), &standing, batch)?;
                if self.plan.cascade {
                    standing.retain(|&s| self.tally.broken(quantized, index, s).is_none());
                }
            }
        }
        Ok(())
    }

    /// All runs of one attack, each on what the ones before have left of `standing`.
    fn runs(
        &mut self,
        attack: &dyn Attack<D>,
        (quantized, index): (bool, usize),
        standing: &[usize],
        batch: usize,
    ) -> Result<(), EvaluationError> {
        let mut standing = standing.to_vec();
        let runs = attack.runs(self.plan.is_targeted());
        for run in 0..runs {
            let place = Place { quantized, attack: index, run };
            standing.retain(|&s| self.tally.broken(quantized, index, s).is_none());
            let to_do: Vec<usize> =
                standing.iter().copied().filter(|&s| !self.tally.has(place, s)).collect();
            let mut done = standing.len() - to_do.len();
            let pool = if attack.refills() { POOL * batch } else { batch };
            for chunk in to_do.chunks(pool) {
                let (finding, examples) = self.attempt(attack, place, chunk, batch)?;
                if let Some(record) = &mut self.record {
                    record.add(&finding, &examples)?;
                }
                self.take(&finding, &examples);
                done += chunk.len();
                let at = EvaluationProgress {
                    attack: attack.name(),
                    quantized,
                    run,
                    runs,
                    done,
                    samples: standing.len(),
                    broken: self.tally.of(quantized, index).map_or(0, |found| found.broken.len()),
                };
                let progress = self.plan.progress.as_ref();
                if progress.is_some_and(|to| to.update(&at) == ControlFlow::Break(())) {
                    return Err(EvaluationError::Stopped);
                }
            }
        }
        Ok(())
    }

    /// The task of a run of an attack, (attack, run).
    fn task(&self, samples: &[usize], at: (usize, usize)) -> Result<AttackTask<'a, D>, Error> {
        self.samples.task(self.model, &self.plan.threat, samples, at, &self.device)
    }

    /// One run of one attack on some samples: what it broke, measured again, with the examples if they
    /// are to be kept.
    fn attempt(
        &self,
        attack: &dyn Attack<D>,
        place: Place,
        samples: &[usize],
        batch: usize,
    ) -> Result<(Finding, Vec<f32>), EvaluationError> {
        let start = Instant::now();
        let before = (self.model.gradient_computations(), self.model.forward_passes());
        let task =
            self.task(samples, (place.attack, place.run))?.stopping_when_fooled().with_width(batch);
        let task = if place.quantized { task.quantized() } else { task };
        let adversarial = attack.run_once(&task, place.run)?;
        let cost =
            (self.model.gradient_computations() - before.0, self.model.forward_passes() - before.1);
        let seen = task.seen(adversarial);
        let (norms, within) = norms(task.allowed(), task.inputs(), &seen)?;
        let past = past_bounds(task.allowed(), seen.clone())?;
        let refused = |found, allowed| {
            Err(EvaluationError::OutsideThreatModel { attack: attack.name(), found, allowed })
        };
        if exceeds(past, 0.0) {
            return refused(past, 0.0);
        }
        // Onto the lattice there may be no way within ε; then nothing was found.
        if let (false, Some(at)) = (place.quantized, within.iter().position(|within| !within)) {
            return refused(norms[at], task.allowed().epsilon());
        }
        let fooled = read_bools(task.goal().fooled(task.answers(&seen)?))?;
        let fooled: Vec<usize> =
            (0..samples.len()).filter(|&at| fooled[at] && within[at]).collect();
        let (rounded, examples) = self.details((&task, place), &seen, &fooled, batch)?;
        let broken = fooled.iter().zip(rounded).map(|(&at, rounded)| Broken {
            sample: samples[at],
            norm: norms[at],
            rounded,
        });
        let finding = Finding {
            place,
            samples: samples.into(),
            broken: broken.collect(),
            gradient_computations: cost.0,
            forward_passes: cost.1,
            seconds: start.elapsed().as_secs_f64(),
        };
        Ok((finding, examples))
    }

    /// Of the samples that were fooled: whether they still are with 8 bits, and their examples, where
    /// either is asked for.
    fn details(
        &self,
        (task, place): (&AttackTask<D>, Place),
        adversarial: &Tensor<D>,
        fooled: &[usize],
        batch: usize,
    ) -> Result<(Vec<bool>, Vec<f32>), Error> {
        let mut rounded = vec![false; fooled.len()];
        let mut examples = Vec::new();
        if fooled.is_empty() {
            return Ok((rounded, examples));
        }
        let task = task.select(fooled).with_width(batch);
        let rows: Vec<i64> = fooled.iter().map(|&at| at as i64).collect();
        let rows = Tensor::from_data(rows.as_slice(), &self.device);
        let adversarial = adversarial.clone().select(0, rows);
        if self.plan.quantized && !place.quantized {
            let nearest = adversarial.clone().mul_scalar(EIGHT_BIT_LEVELS).round();
            let nearest = nearest.div_scalar(EIGHT_BIT_LEVELS);
            rounded = read_bools(task.goal().fooled(task.answers(&nearest)?))?;
        }
        if self.examples.is_some() && !place.quantized {
            examples = adversarial.try_into_vec_as::<f32>().map_err(Error::unreadable)?;
        }
        Ok((rounded, examples))
    }

    pub(super) fn save_examples(&self) -> Result<(), Error> {
        match (&self.examples, &self.plan.examples) {
            (Some(examples), Some(path)) => examples.save(path, self.samples),
            _ => Ok(()),
        }
    }
}
