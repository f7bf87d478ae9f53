//! The samples that still withstand an attack: what an attack has broken leaves its batch.

use burn::tensor::{Bool, IndexingUpdateOp, Int, Tensor};
use free_at_core::{AttackTask, Error};

/// How many steps pass between two looks at what has been broken. A look waits for the device, so on
/// a GPU one at every step would leave it idle; a sample costs at most these steps less one too many.
const LOOK_EVERY: usize = 4;

/// A task that shrinks. Of each sample that fools the model the first adversarial example is kept;
/// where the attack allows it, the sample then leaves the tensors.
pub(crate) struct Standing<'a, const D: usize> {
    task: AttackTask<'a, D>,
    /// Where the samples of the shrunk task are in the whole one.
    positions: Vec<usize>,
    /// For the whole task: the adversarial examples of samples that left, zero elsewhere.
    left: Option<Tensor<D>>,
    /// For the shrunk task: adversarial examples, where there is one.
    found: Tensor<D>,
    fooled: Tensor<1, Bool>,
    leaves: bool,
    looks: usize,
}

/// Who has left the batch.
#[allow(clippy::large_enum_variant)] // it lives for a moment, on the stack
pub(crate) enum Left {
    Nobody,
    /// Some; these positions stay.
    Some(Tensor<1, Int>),
    Everybody,
}

impl<'a, const D: usize> Standing<'a, D> {
    /// All samples of a task; whether a broken one leaves.
    pub(crate) fn new(task: &AttackTask<'a, D>, leaves: bool) -> Self {
        let inputs = task.inputs();
        Self {
            task: task.clone(),
            positions: (0..task.len()).collect(),
            left: None,
            found: inputs.clone(),
            fooled: Tensor::<1, Int>::zeros([task.len()], &inputs.device()).bool(),
            leaves,
            looks: 0,
        }
    }

    /// The task of the samples that are left.
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
    pub(crate) fn leave(&mut self) -> Result<Left, Error> {
        self.looks += 1;
        if !self.leaves || !self.looks.is_multiple_of(LOOK_EVERY) {
            return Ok(Left::Nobody);
        }
        let fooled = self.fooled.clone().int().try_into_vec_as::<i32>();
        let fooled = fooled.map_err(Error::unreadable)?;
        let (stay, go): (Vec<usize>, Vec<usize>) =
            (0..fooled.len()).partition(|&row| fooled[row] == 0);
        if go.is_empty() {
            return Ok(Left::Nobody);
        }
        let rows = self.found.clone().select(0, self.indices(&go));
        self.put(&go, rows);
        if stay.is_empty() {
            self.positions.clear();
            return Ok(Left::Everybody);
        }
        let indices = self.indices(&stay);
        self.found = self.found.clone().select(0, indices.clone());
        self.fooled = Tensor::<1, Int>::zeros([stay.len()], &indices.device()).bool();
        self.task = self.task.select(&stay);
        self.positions = stay.iter().map(|&row| self.positions[row]).collect();
        Ok(Left::Some(indices))
    }

    /// The result for the whole task; `last` is that of samples still here that were not fooled.
    pub(crate) fn finish(mut self, last: Tensor<D>) -> Tensor<D> {
        let fooled = per_sample(self.fooled.clone(), &last);
        let rows = last.mask_where(fooled, self.found.clone());
        if self.left.is_none() {
            return rows;
        }
        let all: Vec<usize> = (0..self.positions.len()).collect();
        self.put(&all, rows);
        self.everybody_left()
    }

    /// The result for the whole task once nobody is left in it.
    pub(crate) fn everybody_left(self) -> Tensor<D> {
        self.left.unwrap_or(self.found)
    }

    /// Puts `values` where the rows `rows` are in the whole task. Each sample is put once, and
    /// adding to zero is exact.
    fn put(&mut self, rows: &[usize], values: Tensor<D>) {
        let positions: Vec<usize> = rows.iter().map(|&row| self.positions[row]).collect();
        let positions = self.indices(&positions);
        let mut whole = self.found.dims();
        whole[0] = match &self.left {
            Some(left) => left.dims()[0],
            None => self.positions.len(),
        };
        let device = self.found.device();
        let left = self.left.take().unwrap_or_else(|| Tensor::zeros(whole, &device));
        self.left = Some(left.select_assign(0, positions, values, IndexingUpdateOp::Add));
    }

    fn indices(&self, rows: &[usize]) -> Tensor<1, Int> {
        let rows: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
        Tensor::from_data(rows.as_slice(), &self.found.device())
    }
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
