//! The protocol of attacks that search step by step: look at the model, move, keep the samples that
//! still stand.

use burn::tensor::{Bool, Tensor};

use super::survivors::{Survivors, Turn};
use super::task::AttackTask;
use crate::error::Error;

/// What an attack does at each step; [`drive`] does the rest: of each sample it keeps the first adversarial
/// example that fools the model, lets broken samples leave, and puts the results together.
///
/// The task that it is given is that of the samples at work: what a search keeps has a row for each of them,
/// in the same order.
pub trait Search<const D: usize> {
    /// What it sees before its first step, if it looks. Default: nothing.
    ///
    /// # Errors
    /// Those of the model.
    fn begin(&mut self, task: &AttackTask<'_, D>) -> Result<Option<Visit<D>>, Error> {
        let _ = task;
        Ok(None)
    }

    /// One step of every sample, and where the model was asked; nothing if nobody is to be told.
    ///
    /// # Errors
    /// Those of the model.
    fn step(&mut self, task: &AttackTask<'_, D>) -> Result<Option<Visit<D>>, Error>;

    /// Keeps what it knows of the samples that stay and, where the task is refilled, begins with those that
    /// enter.
    fn turn(&mut self, turn: &Turn);

    /// What the samples of the task have come to where no point that was visited fooled the model, `[n, …]`.
    fn last(&self, task: &AttackTask<'_, D>) -> Tensor<D>;
}

/// Points at which the model was asked.
#[derive(Debug)]
pub struct Visit<const D: usize> {
    /// As the model saw them, `[n, …]`.
    pub adversarial: Tensor<D>,
    /// Which of them fooled it, `[n]`.
    pub fooled: Tensor<1, Bool>,
}

/// How long a search is, and who takes part.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Steps of each sample.
    pub steps: usize,
    /// Whether a sample leaves once it is fooled; otherwise it takes every step.
    pub leaves: bool,
    /// Whether the task's [`width`](AttackTask::width) samples work at a time, and the next ones enter as these
    /// leave; otherwise all do from the start.
    pub refills: bool,
}

/// Runs a search: the adversarial examples of the task's samples, `[n, …]`, and the search as it was at the
/// end, which still knows all samples if none left.
///
/// # Errors
/// Those of the search, and [`Error::Read`] if the device fails.
pub fn drive<S: Search<D>, const D: usize>(
    task: &AttackTask<'_, D>,
    pace: Pace,
    mut search: S,
) -> Result<(Tensor<D>, S), Error> {
    let width = if pace.refills { task.width() } else { task.len() };
    let mut survivors = Survivors::new(task, width, pace.leaves, pace.steps.max(1));
    let first = search.begin(survivors.task())?;
    note(&mut survivors, first);
    loop {
        let visit = search.step(survivors.task())?;
        note(&mut survivors, visit);
        match survivors.turn_over(|task| search.last(task))? {
            None => {}
            Some(_) if survivors.is_over() => return Ok((survivors.into_examples(), search)),
            Some(turn) => search.turn(&turn),
        }
    }
}

fn note<const D: usize>(survivors: &mut Survivors<'_, D>, visit: Option<Visit<D>>) {
    if let Some(Visit { adversarial, fooled }) = visit {
        survivors.note(&adversarial, fooled);
    }
}
