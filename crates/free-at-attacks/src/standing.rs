//! The samples that still withstand an attack: what an attack has broken leaves its batch.

use std::ops::Range;

use burn::tensor::{Bool, Device, IndexingUpdateOp, Int, Tensor};
use free_at_core::{AttackTask, Error};

/// How many steps pass between two looks at what has been broken. A look waits for the device, so on
/// a GPU one at every step would leave it idle; a sample costs at most these steps less one too many.
const LOOK_EVERY: usize = 4;

/// A task at work. Of each sample that fools the model the first adversarial example is kept; where
/// the attack allows it, the sample then leaves the tensors, and one that waits takes its place.
pub(crate) struct Standing<'a, const D: usize> {
    whole: AttackTask<'a, D>,
    /// The task of the samples at work, and where these are in the whole one.
    task: AttackTask<'a, D>,
    positions: Vec<usize>,
    /// The samples that have not entered yet.
    waiting: Range<usize>,
    /// For the whole task: the adversarial examples of samples that left, zero elsewhere.
    left: Option<Tensor<D>>,
    /// For those at work: adversarial examples, where there is one.
    found: Tensor<D>,
    fooled: Tensor<1, Bool>,
    leaves: bool,
    looks: usize,
    /// The steps that each sample at work has taken, and after how many it is done.
    taken: Vec<usize>,
    steps: usize,
}

/// What has become of the samples at work.
#[allow(clippy::large_enum_variant)] // it lives for a moment, on the stack
pub(crate) enum Turn {
    /// They are the same.
    Same,
    /// Of those before, these stay, by position, if any; then these of the whole task enter, if any.
    Changed { stay: Option<Tensor<1, Int>>, enter: Option<Tensor<1, Int>> },
    /// Nobody is left.
    Over,
}

impl<'a, const D: usize> Standing<'a, D> {
    /// All samples of a task at once; whether a broken one leaves.
    pub(crate) fn new(task: &AttackTask<'a, D>, leaves: bool) -> Self {
        Self::start(task, task.len(), leaves, usize::MAX)
    }

    /// As many samples as the task's width, the others as these leave: each after so many steps, or,
    /// where that is allowed, when it is broken.
    pub(crate) fn refilling(task: &AttackTask<'a, D>, leaves: bool, steps: usize) -> Self {
        Self::start(task, task.width(), leaves, steps)
    }

    fn start(task: &AttackTask<'a, D>, width: usize, leaves: bool, steps: usize) -> Self {
        let positions: Vec<usize> = (0..width).collect();
        let work = if width == task.len() { task.clone() } else { task.select(&positions) };
        let inputs = work.inputs().clone();
        Self {
            whole: task.clone(),
            positions,
            waiting: width..task.len(),
            left: None,
            fooled: nobody(width, &inputs.device()),
            found: inputs,
            task: work,
            leaves,
            looks: 0,
            taken: vec![0; width],
            steps,
        }
    }

    /// The task of the samples at work.
    pub(crate) fn task(&self) -> &AttackTask<'a, D> {
        &self.task
    }

    /// Keeps `adversarial` of the samples that are `fooled` for the first time.
    pub(crate) fn observe(&mut self, adversarial: &Tensor<D>, fooled: Tensor<1, Bool>) {
        let first = fooled.clone().bool_and(self.fooled.clone().bool_not());
        let found = self.found.clone();
        self.found = found.mask_where(per_sample(first, adversarial), adversarial.clone());
        self.fooled = self.fooled.clone().bool_or(fooled);
    }

    /// Now and then lets the broken samples go, if they may.
    pub(crate) fn leave(&mut self) -> Result<Turn, Error> {
        self.turn_over(|standing| standing.found.clone())
    }

    /// After a step: lets those go that have taken all theirs, with what they have come to, `last`; and
    /// now and then the broken ones, if they may.
    pub(crate) fn step(
        &mut self,
        last: impl FnOnce(&AttackTask<D>) -> Tensor<D>,
    ) -> Result<Turn, Error> {
        self.taken.iter_mut().for_each(|taken| *taken += 1);
        self.turn_over(|standing| {
            let last = last(&standing.task);
            last.clone()
                .mask_where(per_sample(standing.fooled.clone(), &last), standing.found.clone())
        })
    }

    fn turn_over(&mut self, examples: impl FnOnce(&Self) -> Tensor<D>) -> Result<Turn, Error> {
        self.looks += 1;
        let some_done = self.taken.contains(&self.steps);
        let looks = self.leaves && (some_done || self.looks.is_multiple_of(LOOK_EVERY));
        if !looks && !some_done {
            return Ok(Turn::Same);
        }
        let fooled = match looks {
            true => {
                self.fooled.clone().int().try_into_vec_as::<i32>().map_err(Error::unreadable)?
            }
            false => vec![0; self.positions.len()], // nobody leaves for that
        };
        let goes = |row: &usize| fooled[*row] != 0 || self.taken[*row] == self.steps;
        let (go, stay): (Vec<usize>, Vec<usize>) = (0..self.positions.len()).partition(goes);
        if go.is_empty() {
            return Ok(Turn::Same);
        }
        let examples = examples(self);
        self.put(&go, examples);
        let enter: Vec<usize> = self.waiting.by_ref().take(go.len()).collect();
        let next = stay.iter().map(|&row| self.positions[row]).chain(enter.iter().copied());
        self.positions = next.collect();
        if self.positions.is_empty() {
            return Ok(Turn::Over);
        }
        let taken = stay.iter().map(|&row| self.taken[row]).chain(enter.iter().map(|_| 0));
        self.taken = taken.collect();
        self.task = self.whole.select(&self.positions);
        let (stay, enter) = (self.indices(&stay), self.indices(&enter));
        self.found = turned(self.found.clone(), self.whole.inputs(), &stay, &enter);
        self.fooled = nobody(self.positions.len(), &self.found.device());
        Ok(Turn::Changed { stay, enter })
    }

    /// The result for the whole task; `last` is that of samples still here that were not fooled.
    pub(crate) fn finish(mut self, last: Tensor<D>) -> Tensor<D> {
        let fooled = per_sample(self.fooled.clone(), &last);
        let rows = last.mask_where(fooled, self.found.clone());
        let all: Vec<usize> = (0..self.positions.len()).collect();
        self.put(&all, rows);
        self.over()
    }

    /// The result for the whole task once nobody is left in it.
    pub(crate) fn over(self) -> Tensor<D> {
        self.left.unwrap_or(self.found)
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
        let device = || self.found.device();
        (!rows.is_empty()).then(|| Tensor::from_data(rows.as_slice(), &device()))
    }
}

/// What an attack keeps of each sample, after a turn: of those that stay as it is, of those that enter
/// from where they begin.
pub(crate) fn turned<const D: usize>(
    kept: Tensor<D>,
    begin: &Tensor<D>,
    stay: &Option<Tensor<1, Int>>,
    enter: &Option<Tensor<1, Int>>,
) -> Tensor<D> {
    let stay = stay.iter().map(|stay| kept.clone().select(0, stay.clone()));
    let enter = enter.iter().map(|enter| begin.clone().select(0, enter.clone()));
    Tensor::cat(stay.chain(enter).collect(), 0)
}

fn nobody(n: usize, device: &Device) -> Tensor<1, Bool> {
    Tensor::<1, Int>::zeros([n], device).bool()
}

/// One value per sample, `[n]`, for each of its features: as `like`, `[n, …]`.
pub(crate) fn per_sample<const D: usize>(
    values: Tensor<1, Bool>,
    like: &Tensor<D>,
) -> Tensor<D, Bool> {
    let mut shape = [1; D];
    shape[0] = like.dims()[0];
    values.reshape(shape).expand(like.dims())
}

/// One number per sample, `[n]`, as `[n, 1, …]`, ready to broadcast.
pub(crate) fn column<const D: usize>(values: Tensor<1>) -> Tensor<D> {
    let mut shape = [1; D];
    shape[0] = values.dims()[0];
    values.reshape(shape)
}
