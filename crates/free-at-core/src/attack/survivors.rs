//! The samples that still withstand an attack: what an attack has broken leaves its batch.

use std::ops::Range;

use burn::tensor::{Bool, IndexingUpdateOp, Int, Tensor};

use super::task::AttackTask;
use crate::error::Error;
use crate::rows::for_each_feature;

/// How many steps pass between two looks at what has been broken. A look waits for the device, so on
/// a GPU one at every step would leave it idle; a sample costs at most these steps less one too many.
const LOOK_EVERY: usize = 4;

/// A task at work. Of each sample that fools the model the first adversarial example is kept; where
/// the attack allows it, the sample then leaves the tensors, and one that waits takes its place.
pub(super) struct Survivors<'a, const D: usize> {
    whole: AttackTask<'a, D>,
    /// The task of the samples at work, and where these are in the whole one.
    task: AttackTask<'a, D>,
    positions: Vec<usize>,
    /// The samples that have not entered yet.
    waiting: Range<usize>,
    /// For the whole task: the adversarial examples of samples that left, zero elsewhere.
    left: Option<Tensor<D>>,
    /// For those at work: adversarial examples, and where there is one; nothing until somebody looks.
    found: Option<(Tensor<D>, Tensor<1, Bool>)>,
    leaves: bool,
    looks: usize,
    /// The steps that each sample at work has taken, and after how many it is done.
    taken: Vec<usize>,
    steps: usize,
}

/// What has become of the samples at work: of those before, some stay, by position; then some of the whole
/// task enter. One of both there is, and where all stay there is no turn.
#[derive(Debug)]
pub struct Turn {
    stay: Option<Tensor<1, Int>>,
    enter: Option<Tensor<1, Int>>,
    /// Those that stay, on the host.
    staying: Vec<usize>,
}

impl Turn {
    /// What a search keeps of each sample, `[n, …]`: of those that stay as it is, of those that enter from
    /// where they `begin`, which has a row for each sample of the whole task.
    pub fn rows<const D: usize>(&self, kept: Tensor<D>, begin: &Tensor<D>) -> Tensor<D> {
        let stay = self.stay.iter().map(|stay| kept.clone().select(0, stay.clone()));
        let enter = self.enter.iter().map(|enter| begin.clone().select(0, enter.clone()));
        Tensor::cat(stay.chain(enter).collect(), 0)
    }

    /// The same for a search that all samples begin together, so that nobody enters.
    pub fn staying<const D: usize>(&self, kept: Tensor<D>) -> Tensor<D> {
        match &self.stay {
            Some(stay) => kept.select(0, stay.clone()),
            None => kept,
        }
    }

    /// The same for flags.
    pub fn staying_flags(&self, kept: Tensor<1, Bool>) -> Tensor<1, Bool> {
        match &self.stay {
            Some(stay) => kept.select(0, stay.clone()),
            None => kept,
        }
    }

    /// The same for what is kept on the host.
    pub fn staying_of<T: Clone>(&self, kept: &[T]) -> Vec<T> {
        self.staying.iter().map(|&at| kept[at].clone()).collect()
    }

    /// The positions, among the samples at work before, of those that stay.
    pub fn positions(&self) -> Option<&Tensor<1, Int>> {
        self.stay.as_ref()
    }
}

impl<'a, const D: usize> Survivors<'a, D> {
    /// At work are the first `width` samples of the task, the others as these leave: each after so many steps,
    /// or, where it `leaves`, when it is broken.
    pub(super) fn new(task: &AttackTask<'a, D>, width: usize, leaves: bool, steps: usize) -> Self {
        let positions: Vec<usize> = (0..width).collect();
        let work = if width == task.len() { task.clone() } else { task.select(&positions) };
        Self {
            whole: task.clone(),
            positions,
            waiting: width..task.len(),
            left: None,
            found: None,
            task: work,
            leaves,
            looks: 0,
            taken: vec![0; width],
            steps,
        }
    }

    /// The task of the samples at work.
    pub(super) fn task(&self) -> &AttackTask<'a, D> {
        &self.task
    }

    /// Keeps `adversarial` of the samples that are `fooled` for the first time.
    pub(super) fn note(&mut self, adversarial: &Tensor<D>, fooled: Tensor<1, Bool>) {
        self.found = Some(match self.found.take() {
            None => (adversarial.clone(), fooled),
            Some((found, before)) => {
                let first = fooled.clone().bool_and(before.clone().bool_not());
                let first = for_each_feature(first, adversarial);
                (found.mask_where(first, adversarial.clone()), before.bool_or(fooled))
            }
        });
    }

    /// After a step: lets those go that have taken all theirs, with what they have come to, `last`; and now
    /// and then the broken ones, if they may. What has changed, if anything did; nobody may be left.
    pub(super) fn turn_over(
        &mut self,
        last: impl FnOnce(&AttackTask<'a, D>) -> Tensor<D>,
    ) -> Result<Option<Turn>, Error> {
        self.taken.iter_mut().for_each(|taken| *taken += 1);
        self.looks += 1;
        let some_done = self.taken.contains(&self.steps);
        let all_done = self.taken.iter().all(|taken| *taken == self.steps);
        let looks = self.leaves && (some_done || self.looks.is_multiple_of(LOOK_EVERY));
        if !looks && !some_done {
            return Ok(None);
        }
        let fooled = match &self.found {
            Some((_, fooled)) if looks && !all_done => {
                fooled.clone().int().try_into_vec_as::<i32>().map_err(Error::unreadable)?
            }
            _ => vec![0; self.positions.len()], // nobody leaves for that
        };
        let goes = |row: &usize| fooled[*row] != 0 || self.taken[*row] == self.steps;
        let (go, stay): (Vec<usize>, Vec<usize>) = (0..self.positions.len()).partition(goes);
        if go.is_empty() {
            return Ok(None);
        }
        // Whoever is fooled goes, so that nothing is known of those that stay.
        let examples = match (some_done.then(|| last(&self.task)), self.found.take()) {
            (Some(last), Some((found, fooled))) => {
                let fooled = for_each_feature(fooled, &last);
                last.mask_where(fooled, found)
            }
            (Some(last), None) => last,
            (None, Some((found, _))) => found,
            (None, None) => return Ok(None),
        };
        self.put(&go, examples);
        let enter: Vec<usize> = self.waiting.by_ref().take(go.len()).collect();
        let next = stay.iter().map(|&row| self.positions[row]).chain(enter.iter().copied());
        self.positions = next.collect();
        let (turn, taken) = (
            Turn { stay: self.indices(&stay), enter: self.indices(&enter), staying: stay.clone() },
            stay.iter().map(|&row| self.taken[row]).chain(enter.iter().map(|_| 0)).collect(),
        );
        self.taken = taken;
        if !self.is_over() {
            self.task = self.whole.select(&self.positions);
        }
        Ok(Some(turn))
    }

    /// Whether nobody is at work any more.
    pub(super) fn is_over(&self) -> bool {
        self.positions.is_empty()
    }

    /// The adversarial examples of the whole task, once nobody is at work.
    pub(super) fn into_examples(self) -> Tensor<D> {
        self.left.unwrap_or_else(|| self.whole.inputs().clone())
    }

    /// Puts these rows of `values` where they are in the whole task. Each sample is put once, and
    /// adding to zero is exact.
    fn put(&mut self, rows: &[usize], values: Tensor<D>) {
        let everything = rows.len() == self.whole.len();
        let Some(at) = self.indices(rows).filter(|_| !everything) else {
            self.left = Some(values); // in order, as they never changed places
            return;
        };
        let positions: Vec<usize> = rows.iter().map(|&row| self.positions[row]).collect();
        let whole = self.whole.inputs();
        let left = self.left.take().unwrap_or_else(|| whole.zeros_like());
        let values = values.select(0, at);
        self.left = Some(match self.indices(&positions) {
            Some(at) => left.select_assign(0, at, values, IndexingUpdateOp::Add),
            None => left,
        });
    }

    fn indices(&self, rows: &[usize]) -> Option<Tensor<1, Int>> {
        let rows: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
        let device = || self.whole.inputs().device();
        (!rows.is_empty()).then(|| Tensor::from_data(rows.as_slice(), &device()))
    }
}
