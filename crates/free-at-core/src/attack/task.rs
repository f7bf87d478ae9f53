//! What an attack is given.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::{Bool, DType, Int, Tensor};

use crate::draws::Draws;
use crate::error::Error;
use crate::model::frozen::{FrozenModel, InputGradient};
use crate::threat::goal::Goal;
use crate::threat::objective::Objective;
use crate::threat::perturbation_set::PerturbationSet;
use crate::threat::threat_model::ThreatModel;

/// The highest level of an image of 8 bits, whose lowest is 0.
pub const EIGHT_BIT_LEVELS: f64 = 255.0;

/// Samples to attack: the frozen model, inputs `[n, …]`, what is wanted of them, what may be done to them,
/// and the draws.
///
/// An attack asks the model through its task only, so whatever the task does to an input before the
/// model sees it (rounding to grey levels, say) holds for every attack.
///
/// ```
/// # use burn::module::Module;
/// # use burn::nn::{Linear, LinearConfig};
/// # use free_at_core::{Classifier, Error};
/// use burn::tensor::{Device, Int, Tensor};
/// use free_at_core::{AttackTask, Draws, Epsilon, FrozenModel, Goal, ThreatModel};
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
/// assert_eq!(task.len(), 2);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct AttackTask<'a, const D: usize> {
    model: &'a FrozenModel<D>,
    inputs: Tensor<D>,
    goal: Goal,
    allowed: PerturbationSet<D>,
    draws: Draws,
    start: Option<Tensor<D>>,
    stops: bool,
    trains: bool,
    quantized: bool,
    /// Answers of the model that a gradient is the mean over.
    answers: usize,
    /// How often the model was asked about each sample, for models that draw.
    calls: Vec<Arc<AtomicU64>>,
    width: usize,
}

impl<'a, const D: usize> AttackTask<'a, D> {
    /// The attack of `inputs`, `[n, …]`, within `threat`.
    ///
    /// # Errors
    /// Those of [`ThreatModel::around`], and of [`within`](Self::within).
    pub fn new(
        model: &'a FrozenModel<D>,
        inputs: Tensor<D>,
        goal: Goal,
        threat: &ThreatModel,
        draws: Draws,
    ) -> Result<Self, Error> {
        let allowed = threat.around(&inputs)?;
        Self::within(model, inputs, goal, allowed, draws)
    }

    /// The same within perturbations that were made for samples of this shape before.
    ///
    /// # Errors
    /// [`Error::InputShape`] for samples that the model does not take; [`Error::Precision`] for inputs that
    /// are not in single precision; [`Error::BatchLength`] if there are more labels or draws than inputs or
    /// fewer, [`Error::EmptyBatch`] for none.
    pub fn within(
        model: &'a FrozenModel<D>,
        inputs: Tensor<D>,
        goal: Goal,
        allowed: PerturbationSet<D>,
        draws: Draws,
    ) -> Result<Self, Error> {
        let inputs = inputs.without_autodiff();
        single_precision(&inputs)?;
        model.check_input(&inputs.dims()[1..])?;
        let width = inputs.dims()[0];
        match [goal.len(), draws.len()].into_iter().find(|len| *len != width) {
            Some(labels) => Err(Error::BatchLength { inputs: width, labels }),
            None if width == 0 => Err(Error::EmptyBatch),
            None => {
                let (start, stops, trains, quantized) = (None, false, false, false);
                let answers = 1;
                let calls = (0..width).map(|_| Arc::default()).collect();
                Ok(Self {
                    model,
                    inputs,
                    goal,
                    allowed,
                    draws,
                    start,
                    stops,
                    trains,
                    quantized,
                    answers,
                    calls,
                    width,
                })
            }
        }
    }

    /// The same from given starting points, `[n, …]`, for the attacks that else start at random: for
    /// comparison with another implementation, or for going on from what another attack has found.
    /// They are limited to the threat model.
    ///
    /// # Errors
    /// [`Error::SampleShape`] if they have another shape than the inputs.
    pub fn starting_at(mut self, start: Tensor<D>) -> Result<Self, Error> {
        if start.dims() != self.inputs.dims() {
            let (expected, found) = (self.inputs.dims().into(), start.dims().into());
            return Err(Error::SampleShape { expected, found });
        }
        self.start = Some(start.without_autodiff());
        Ok(self)
    }

    /// The same, for an answer to "does it break?" alone: an attack may leave a sample as soon as it
    /// is fooled. Without this each sample gets all steps, as training needs.
    #[must_use]
    pub fn stopping_when_fooled(mut self) -> Self {
        self.stops = true;
        self
    }

    /// The same, for training on what is found: APGD returns of each sample the point where its objective was highest,
    /// whether that fools the model or not (without this, the first one that does). Attacks that take every step and
    /// return the last, as PGD does, do so either way.
    #[must_use]
    pub fn for_training(mut self) -> Self {
        self.trains = true;
        self
    }

    /// The same, with every adversarial example at whole multiples of 1/255 before the model sees it,
    /// as an image of 8 bits in [0, 1] is. Gradients pass straight through.
    #[must_use]
    pub fn quantized(mut self) -> Self {
        self.quantized = true;
        self
    }

    /// The same, where a gradient is the mean over so many answers of the model, at least 1, for one that draws: dropout
    /// at test time, noise. The values and the logits beside it are those of the last answer. Default: 1.
    #[must_use]
    pub fn averaging(mut self, answers: usize) -> Self {
        self.answers = answers.max(1);
        self
    }

    /// The same, for an attack that [refills](crate::AttackParameters::refills): at most `width`
    /// samples at a time; as some leave, the next ones enter. Default: all at once.
    #[must_use]
    pub fn with_width(mut self, width: usize) -> Self {
        self.width = width.clamp(1, self.len());
        self
    }

    /// How many samples to work on at a time.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The number of samples.
    #[allow(clippy::len_without_is_empty)] // A task is never made empty.
    pub fn len(&self) -> usize {
        self.goal.len()
    }

    /// The number of features of a sample.
    pub fn features(&self) -> usize {
        self.inputs.dims()[1..].iter().product()
    }

    /// The inputs, `[n, …]`.
    pub fn inputs(&self) -> &Tensor<D> {
        &self.inputs
    }

    /// What is wanted of the samples: it says when one is fooled.
    pub fn goal(&self) -> &Goal {
        &self.goal
    }

    /// The perturbations allowed.
    pub fn allowed(&self) -> &PerturbationSet<D> {
        &self.allowed
    }

    /// The draws; an attack takes those [`for_restart`](Draws::for_restart) of its run.
    pub fn draws(&self) -> &Draws {
        &self.draws
    }

    /// Whether a sample may be left once it is fooled.
    pub fn stops(&self) -> bool {
        self.stops
    }

    /// Whether it is training that asks.
    pub fn trains(&self) -> bool {
        self.trains
    }

    /// The given starting points, `[n, …]`, if there are any.
    pub fn start(&self) -> Option<&Tensor<D>> {
        self.start.as_ref()
    }

    /// The perturbation to start from: the given one, or else what `random` makes.
    pub fn start_or(&self, random: impl FnOnce(&Self) -> Tensor<D>) -> Tensor<D> {
        match &self.start {
            Some(start) => self.allowed.project(&self.inputs, start.clone() - self.inputs.clone()),
            None => random(self),
        }
    }

    /// The inputs moved by `delta`, as the model sees them: within the input bounds, with the rules for
    /// features kept, and at multiples of 1/255 if the task says so.
    pub fn moved(&self, delta: &Tensor<D>) -> Tensor<D> {
        self.seen(self.allowed.clamp(self.inputs.clone() + delta.clone()))
    }

    /// An adversarial example as the model sees it: with the rules for features kept, and at multiples
    /// of 1/255 if the task says so.
    pub fn seen(&self, adversarial: Tensor<D>) -> Tensor<D> {
        let adversarial = self.allowed.snap(&self.inputs, adversarial);
        match self.quantized {
            true => self.allowed.quantized(&self.inputs, adversarial, EIGHT_BIT_LEVELS),
            false => adversarial,
        }
    }

    /// The logits, `[n, classes]`, of adversarial examples of the samples.
    ///
    /// # Errors
    /// [`Error::Logits`], and those of [`Goal::check_logits`].
    pub fn logits(&self, adversarial: Tensor<D>) -> Result<Tensor<2>, Error> {
        let logits = self.model.logits_with(self.seen(adversarial), &self.draws_of_model())?;
        self.goal.check_logits(logits.dims()[1])?;
        Ok(logits)
    }

    /// The logits, `[n, classes]`, of what the model is shown in the end, as it is, [`width`](Self::width) samples at a
    /// time. A model that draws does so by itself, however often the attack has asked it before.
    ///
    /// # Errors
    /// [`Error::Logits`].
    pub fn answers(&self, seen: &Tensor<D>) -> Result<Tensor<2>, Error> {
        const AFTERWARDS: u64 = u64::MAX;
        let n = self.len();
        let part = |from: usize| {
            let to = (from + self.width).min(n);
            let positions: Vec<usize> = (from..to).collect();
            let draws = self.draws.select(&positions).of_model(&vec![AFTERWARDS; to - from]);
            self.model.logits_with(seen.clone().slice_dim(0, from..to), &draws)
        };
        let parts = (0..n).step_by(self.width).map(part).collect::<Result<Vec<_>, Error>>()?;
        Ok(Tensor::cat(parts, 0))
    }

    /// Which of the samples these adversarial examples, `[n, …]`, fool the model on, `[n]`.
    ///
    /// # Errors
    /// Those of [`logits`](Self::logits).
    pub fn fooled_by(&self, adversarial: Tensor<D>) -> Result<Tensor<1, Bool>, Error> {
        Ok(self.goal.fooled(self.logits(adversarial)?))
    }

    /// The gradient of the objective at adversarial examples of the samples, with entries that are
    /// no finite number replaced by 0: a model may fail on one sample without harm to the others. A mean over several
    /// answers, if the task says so.
    ///
    /// # Errors
    /// Those of [`FrozenModel::input_gradient`].
    pub fn gradient(
        &self,
        adversarial: Tensor<D>,
        goal: &Goal,
        objective: Objective,
    ) -> Result<InputGradient<D>, Error> {
        self.gradient_of(adversarial, |logits| objective.values(logits, goal))
    }

    /// The same of any function of the logits, as [`FrozenModel::input_gradient_of`] has it.
    ///
    /// # Errors
    /// Those of [`FrozenModel::input_gradient_of`] and of [`Goal::check_logits`].
    pub fn gradient_of(
        &self,
        adversarial: Tensor<D>,
        values: impl Fn(Tensor<2>) -> Result<Tensor<1>, Error>,
    ) -> Result<InputGradient<D>, Error> {
        let seen = self.seen(adversarial);
        let values = |logits: Tensor<2>| {
            self.goal.check_logits(logits.dims()[1])?;
            values(logits)
        };
        let answer =
            || self.model.input_gradient_with(seen.clone(), &self.draws_of_model(), values);
        let mut found = answer()?;
        for _ in 1..self.answers {
            let next = answer()?;
            found = InputGradient { gradient: found.gradient + next.gradient, ..next };
        }
        if self.answers > 1 {
            found.gradient = found.gradient.div_scalar(self.answers as f64);
        }
        found.gradient = self.allowed.pulled_back(&seen, found.gradient);
        let no_number = found.gradient.clone().is_finite().bool_not();
        found.gradient = found.gradient.mask_fill(no_number, 0.0);
        Ok(found)
    }

    /// Draws for one call of the model: each sample counts its own calls, so that they depend on no other sample.
    fn draws_of_model(&self) -> Draws {
        let count = |calls: &Arc<AtomicU64>| calls.fetch_add(1, Ordering::Relaxed);
        let calls: Vec<u64> = self.calls.iter().map(count).collect();
        self.draws.of_model(&calls)
    }

    /// The task with some of its samples only, by their positions.
    #[must_use]
    pub fn select(&self, positions: &[usize]) -> Self {
        let indices: Vec<i64> = positions.iter().map(|&at| at as i64).collect();
        let indices = Tensor::<1, Int>::from_data(indices.as_slice(), &self.inputs.device());
        let rows = |tensor: &Tensor<D>| tensor.clone().select(0, indices.clone());
        Self {
            model: self.model,
            inputs: rows(&self.inputs),
            goal: self.goal.select(&indices),
            allowed: self.allowed.clone(),
            draws: self.draws.select(positions),
            start: self.start.as_ref().map(rows),
            stops: self.stops,
            trains: self.trains,
            quantized: self.quantized,
            answers: self.answers,
            calls: positions.iter().map(|&at| Arc::clone(&self.calls[at])).collect(),
            width: positions.len(),
        }
    }
}

/// Accepts inputs in single precision: thresholds, constants and draws are made for it.
fn single_precision<const D: usize>(inputs: &Tensor<D>) -> Result<(), Error> {
    match inputs.dtype() {
        DType::F32 => Ok(()),
        found => Err(Error::Precision { found: format!("{found:?}") }),
    }
}
