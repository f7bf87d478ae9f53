//! Projected steepest ascent: the loop of FGSM, BIM, MI-FGSM and PGD, and of the training methods that
//! attack.

use burn::tensor::Tensor;

use super::search::{Pace, Search, Visit, drive};
use super::survivors::Turn;
use super::task::AttackTask;
use crate::error::Error;
use crate::model::frozen::InputGradient;
use crate::rows::column;
use crate::threat::objective::Objective;

/// `steps` times: the steepest step of length `step_size`, then the projection.
///
/// ```
/// # use burn::module::Module;
/// # use burn::nn::{Linear, LinearConfig};
/// # use free_at_core::{Classifier, Error};
/// use burn::tensor::{Device, Int, Tensor};
/// use free_at_core::{Ascent, AttackTask, Draws, Epsilon, FrozenModel, Goal, Objective, ThreatModel};
/// # #[derive(Module, Debug)]
/// # struct Model { linear: Linear }
/// # impl Classifier<2> for Model {
/// #     fn logits(&self, inputs: Tensor<2>) -> Tensor<2> { self.linear.forward(inputs) }
/// # }
/// # let model = Model { linear: LinearConfig::new(4, 3).init(&Device::flex()) };
/// let model = FrozenModel::new(&model);
/// let inputs = Tensor::<2>::ones([2, 4], &Device::flex()).mul_scalar(0.5);
/// let goal = Goal::untargeted(Tensor::<1, Int>::from_data([0, 2], &Device::flex()));
/// let threat = ThreatModel::linf(Epsilon::unit(0.1));
/// let task = AttackTask::new(&model, inputs, goal, &threat, Draws::new(0, vec![0, 1]))?;
/// let adversarial = Ascent::new(10, 0.025).run(&task, None, Objective::CrossEntropy)?;
/// assert_eq!(adversarial.dims(), [2, 4]);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Ascent {
    steps: usize,
    step_size: f64,
    momentum: Option<f64>,
}

impl Ascent {
    /// At least one step, of this length in the unit of ε.
    pub fn new(steps: usize, step_size: f64) -> Self {
        Self { steps, step_size, momentum: None }
    }

    /// Along an accumulated gradient, of which each step keeps the share `decay`. Default: along the gradient
    /// itself.
    #[must_use]
    pub fn with_momentum(self, decay: f64) -> Self {
        Self { momentum: Some(decay), ..self }
    }

    /// The adversarial examples, from the perturbation `start` or from the inputs.
    ///
    /// They are the last iterates, as training needs them. In a task that stops when fooled, the
    /// first iterate that fools the model takes the place of the last.
    ///
    /// # Errors
    /// Those of [`AttackTask::gradient`], and [`Error::Read`] if the device fails.
    pub fn run<const D: usize>(
        &self,
        task: &AttackTask<'_, D>,
        start: Option<Tensor<D>>,
        objective: Objective,
    ) -> Result<Tensor<D>, Error> {
        let values = |logits, task: &AttackTask<'_, D>| objective.values(logits, task.goal());
        let pace = Pace { steps: self.steps, leaves: task.stops(), refills: true };
        self.drive(task, start, pace, values, |_, _| Ok(()))
    }

    /// The same on any function of the logits: `values` takes those of all samples, `[n, classes]`, to one
    /// number for each, `[n]`. Every sample takes every step. `watch` is shown each point, as the model saw
    /// it, and what was found there.
    ///
    /// # Errors
    /// Those of [`AttackTask::gradient_of`], of `values` and of `watch`.
    pub fn climb<const D: usize>(
        &self,
        task: &AttackTask<'_, D>,
        start: Option<Tensor<D>>,
        values: impl Fn(Tensor<2>) -> Result<Tensor<1>, Error>,
        watch: impl FnMut(&Tensor<D>, &InputGradient<D>) -> Result<(), Error>,
    ) -> Result<Tensor<D>, Error> {
        let pace = Pace { steps: self.steps, leaves: false, refills: false };
        self.drive(task, start, pace, |logits, _| values(logits), watch)
    }

    fn drive<V, W, const D: usize>(
        &self,
        task: &AttackTask<'_, D>,
        start: Option<Tensor<D>>,
        pace: Pace,
        values: V,
        watch: W,
    ) -> Result<Tensor<D>, Error>
    where
        V: Fn(Tensor<2>, &AttackTask<'_, D>) -> Result<Tensor<1>, Error>,
        W: FnMut(&Tensor<D>, &InputGradient<D>) -> Result<(), Error>,
    {
        let start = start.unwrap_or_else(|| task.inputs().zeros_like());
        let climb = Climb {
            ascent: *self,
            delta: start.clone(),
            momentum: None,
            start,
            values,
            watch,
            tells: task.stops(),
        };
        Ok(drive(task, pace, climb)?.0)
    }
}

/// Where each sample is.
struct Climb<V, W, const D: usize> {
    ascent: Ascent,
    /// Of the samples at work.
    delta: Tensor<D>,
    momentum: Option<Tensor<D>>,
    /// Of the whole task.
    start: Tensor<D>,
    values: V,
    watch: W,
    /// Whether anybody asks which points fool the model.
    tells: bool,
}

impl<V, W, const D: usize> Search<D> for Climb<V, W, D>
where
    V: Fn(Tensor<2>, &AttackTask<'_, D>) -> Result<Tensor<1>, Error>,
    W: FnMut(&Tensor<D>, &InputGradient<D>) -> Result<(), Error>,
{
    fn begin(&mut self, task: &AttackTask<'_, D>) -> Result<Option<Visit<D>>, Error> {
        if task.len() < self.start.dims()[0] {
            self.delta = self.start.clone().slice_dim(0, 0..task.len());
        }
        self.momentum = self.ascent.momentum.map(|_| self.delta.zeros_like());
        Ok(None)
    }

    fn step(&mut self, task: &AttackTask<'_, D>) -> Result<Option<Visit<D>>, Error> {
        let seen = task.moved(&self.delta);
        let found = task.gradient_of(seen.clone(), |logits| (self.values)(logits, task))?;
        (self.watch)(&seen, &found)?;
        let mut gradient = found.gradient;
        if let (Some(decay), Some(before)) = (self.ascent.momentum, self.momentum.take()) {
            gradient = accumulate(before, gradient, decay);
            self.momentum = Some(gradient.clone());
        }
        let (allowed, inputs) = (task.allowed(), task.inputs());
        let step = allowed.steepest_step(gradient, self.ascent.step_size);
        self.delta = allowed.project(inputs, self.delta.clone() + step);
        Ok(self
            .tells
            .then(|| Visit { fooled: task.goal().fooled(found.logits), adversarial: seen }))
    }

    fn turn(&mut self, turn: &Turn) {
        self.delta = turn.rows(self.delta.clone(), &self.start);
        let rest = || self.start.zeros_like();
        self.momentum = self.momentum.take().map(|momentum| turn.rows(momentum, &rest()));
    }

    fn last(&self, task: &AttackTask<'_, D>) -> Tensor<D> {
        task.moved(&self.delta)
    }
}

/// g ← μ g + ∇ / ‖∇‖₁, with the mean for the sum, which the steepest step does not see.
fn accumulate<const D: usize>(momentum: Tensor<D>, gradient: Tensor<D>, decay: f64) -> Tensor<D> {
    let size = gradient.clone().flatten::<2>(1, D - 1).abs().mean_dim(1).squeeze_dim::<1>(1);
    let unit = gradient / column(size.clamp_min(f32::MIN_POSITIVE));
    momentum.mul_scalar(decay) + unit
}
