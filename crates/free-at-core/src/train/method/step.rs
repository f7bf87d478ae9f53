//! One optimiser step, as a method has it.

use std::sync::Arc;

use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;

use super::additions::Additions;
use super::adversary::{Adversary, ModelMode};
use super::observer::{Observation, Observers, Phase};
use crate::attack::task::AttackTask;
use crate::draws::Draws;
use crate::error::Error;
use crate::model::batch::Batch;
use crate::model::classifier::Trainable;
use crate::model::frozen::{FrozenModel, one_row_each};
use crate::model::gradient::{backward, beside_parameters, constant_beside};
use crate::model::precision;
use crate::threat::goal::Goal;
use crate::threat::objective::Objective;
use crate::threat::perturbation_set::PerturbationSet;
use crate::train::TrainError;
use crate::train::state::worker::Worker;

/// One optimiser step: the model and the minibatch, what the method carries from step to step on this
/// device, and the backward pass that the optimiser descends with.
pub struct Step<'a, C, const D: usize> {
    model: &'a C,
    batch: &'a Batch<D>,
    inputs: Tensor<D>,
    worker: &'a mut Worker,
    observers: &'a Observers,
    additions: &'a Additions,
}

/// What one optimiser step descends: a loss at some inputs and its gradients.
pub struct Descent {
    /// The mean of the loss over the minibatch, with the trainer's [`GradientPenalty`](crate::train::GradientPenalty)
    /// if it has one, `[1]`.
    pub loss: Tensor<1>,
    /// The logits, `[n, classes]`; of several inputs those of the last.
    pub logits: Tensor<2>,
    /// The gradients of the loss in the parameters.
    pub gradients: GradientsParams,
}

impl<'a, C: Trainable<D>, const D: usize> Step<'a, C, D> {
    pub(crate) fn new(
        model: &'a C,
        batch: &'a Batch<D>,
        worker: &'a mut Worker,
        observers: &'a Observers,
        additions: &'a Additions,
    ) -> Self {
        let inputs = batch.inputs().without_autodiff();
        Self { model, batch, inputs, worker, observers, additions }
    }

    /// The minibatch.
    pub fn batch(&self) -> &'a Batch<D> {
        self.batch
    }

    /// Its inputs, `[n, …]`, as no part of a graph.
    pub fn inputs(&self) -> Tensor<D> {
        self.inputs.clone()
    }

    /// The model in training.
    pub fn model(&self) -> &'a C {
        self.model
    }

    /// The model as an attack sees it, differentiable in its input only: in the mode that the adversary says, or else
    /// in `default`.
    pub fn frozen(&self, adversary: &Adversary, default: ModelMode) -> FrozenModel<D> {
        match adversary.attacked_in().unwrap_or(default) {
            ModelMode::Evaluation => FrozenModel::new(self.model),
            ModelMode::Training => FrozenModel::in_training(self.model),
        }
    }

    /// The optimiser steps taken on this device before this one.
    pub fn taken(&self) -> u64 {
        self.worker.steps()
    }

    /// The random draws of this step, keyed by the adversary's seed, the step, the device and the sample's
    /// position in the minibatch.
    pub fn draws(&self, adversary: &Adversary) -> Draws {
        self.worker.draws(adversary.seed(), self.batch.len())
    }

    /// The perturbations that the adversary may make at this step.
    ///
    /// # Errors
    /// Those of [`ThreatModel::around`](crate::ThreatModel::around).
    pub fn allowed(&self, adversary: &Adversary) -> Result<PerturbationSet<D>, TrainError> {
        Ok(adversary.around(&self.inputs, self.taken())?)
    }

    /// How far one step of the adversary goes at this step: as it says itself, or else `default` times ε.
    pub fn step_size(&self, adversary: &Adversary, default: f64) -> f64 {
        let own = adversary.step_size().map(|size| size.value());
        let size = own.unwrap_or_else(|| default * adversary.threat().epsilon().value());
        adversary.share(self.taken()) * size
    }

    /// The untargeted attack of the minibatch, to train on what it finds.
    ///
    /// # Errors
    /// Those of [`allowed`](Self::allowed) and of [`AttackTask::within`].
    pub fn task<'m>(
        &self,
        adversary: &Adversary,
        model: &'m FrozenModel<D>,
    ) -> Result<AttackTask<'m, D>, TrainError> {
        let (allowed, draws) = (self.allowed(adversary)?, self.draws(adversary));
        let goal = self.batch.untargeted();
        Ok(AttackTask::within(model, self.inputs(), goal, allowed, draws)?.for_training())
    }

    /// The perturbation that this device carries from step to step: its first rows, `[n, …]`. Zero at the very
    /// first minibatch, which sets its size unless `largest_batch` does.
    ///
    /// # Errors
    /// [`TrainError::BatchTooLarge`], [`Error::SampleShape`].
    pub fn perturbation(&mut self, largest_batch: Option<usize>) -> Result<Tensor<D>, TrainError> {
        self.worker.perturbation(&self.inputs, largest_batch)
    }

    /// Carries these first rows of the perturbation on to the next step.
    pub fn carry(&mut self, delta: Tensor<D>) {
        self.worker.carry(delta);
    }

    /// A tensor as a constant beside these logits: for losses that compare with what was kept.
    pub fn constant(&self, tensor: Tensor<2>, beside: &Tensor<2>) -> Tensor<2> {
        constant_beside(tensor, beside)
    }

    /// What was kept under this name at an earlier step on this device, `[rows, columns]`.
    pub fn kept(&self, name: &str) -> Option<Tensor<2>> {
        self.worker.kept(name, &self.inputs.device())
    }

    /// Keeps a tensor under this name, of at most 33 bytes, until a later step; it is saved with the training, in
    /// half precision if it is, and else in single. `None` drops it.
    ///
    /// # Errors
    /// [`TrainError::KeptName`].
    pub fn keep(
        &mut self,
        name: &'static str,
        tensor: Option<Tensor<2>>,
    ) -> Result<(), TrainError> {
        self.worker.keep(name, tensor)
    }

    /// What is remembered under this name of each sample of the minibatch, `[n, columns]`: zero for a sample that was
    /// never [remembered](Self::remember). `samples` is how many there are in the data set: the device keeps
    /// `samples` × `columns` numbers in half precision, or single where it has no half.
    ///
    /// Samples are told apart by their [indices](Batch::indices), so it holds whatever the order of the data is. Each
    /// of several devices remembers for itself.
    ///
    /// # Errors
    /// [`TrainError::NoIndices`] for a batch that does not say which samples it has, [`TrainError::SampleIndex`] for
    /// one beyond `samples`, [`TrainError::Remembered`] if another size is remembered already.
    pub fn remembered(
        &mut self,
        name: &'static str,
        samples: usize,
        columns: usize,
    ) -> Result<Tensor<2>, TrainError> {
        let places = self.places(samples)?;
        let device = self.inputs.device();
        self.worker.remembered(name, (samples, columns), &places, &device)
    }

    /// Remembers this row, `[n, columns]`, of each sample of the minibatch, once the step has been taken; after
    /// [`remembered`](Self::remembered), which says how many there are.
    ///
    /// # Errors
    /// [`TrainError::NoIndices`], [`TrainError::Remembered`].
    pub fn remember(&mut self, name: &'static str, rows: Tensor<2>) -> Result<(), TrainError> {
        let places = self.places(usize::MAX)?;
        self.worker.remember(name, places, rows)
    }

    fn places(&self, samples: usize) -> Result<Arc<[usize]>, TrainError> {
        let places = self.batch.indices().ok_or(TrainError::NoIndices)?;
        match places.iter().find(|at| **at >= samples) {
            Some(&index) => Err(TrainError::SampleIndex { index, samples }),
            None => Ok(places.into()),
        }
    }

    /// Accepts a minibatch of classes, for a method that compares probabilities.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for one [of numbers](Batch::of_numbers).
    pub fn of_classes(&self, method: &str) -> Result<(), TrainError> {
        match self.batch.numbers() {
            None => Ok(()),
            Some(_) => Err(Error::Unsupported {
                attack: method.into(),
                what: "numbers in place of classes, which have no probabilities".into(),
                instead: "use Free-m, K-PGD or FGSM training".into(),
            }
            .into()),
        }
    }

    /// Descends the mean cross-entropy at `inputs`, which stand for those of the minibatch.
    ///
    /// # Errors
    /// Those of [`descend_on`](Self::descend_on).
    pub fn descend(&self, inputs: Tensor<D>) -> Result<Descent, TrainError> {
        self.descend_on([inputs], |[logits]| self.cross_entropy(logits))
    }

    /// The same, and the gradient in the inputs from the same backward pass, as Free-m needs it.
    ///
    /// # Errors
    /// Those of [`descend_on`](Self::descend_on).
    pub fn descend_at(&self, inputs: Tensor<D>) -> Result<(Descent, Tensor<D>), TrainError> {
        let losses = |[logits]: [Tensor<2>; 1]| self.cross_entropy(logits);
        self.on_moved_weights([inputs], losses, |model, inputs, losses| {
            let forward = self.forward(model, inputs, true, losses)?;
            self.backward_to_input(model, forward)
        })
    }

    /// Descends the mean of any losses: the model is asked at each of `inputs`, in this order and in training
    /// mode, and `losses` takes the logits, `[n, classes]` each, to one loss for each sample, `[n]`. One
    /// backward pass goes through all of them.
    ///
    /// Where the trainer has observers it computes the gradient in the last inputs too, for them. Where it
    /// [moves the weights](crate::train::WeightPerturbation), `losses` is asked twice.
    ///
    /// # Errors
    /// Those of `losses`; [`Error::Logits`], [`Error::Classes`], [`TrainError::NotTrainable`], and those of
    /// observers.
    pub fn descend_on<const K: usize>(
        &self,
        inputs: [Tensor<D>; K],
        losses: impl Fn([Tensor<2>; K]) -> Result<Tensor<1>, Error>,
    ) -> Result<Descent, TrainError> {
        self.on_moved_weights(inputs, losses, |model, inputs, losses| {
            let looks = !self.observers.is_empty();
            let forward = self.forward(model, inputs, looks, losses)?;
            match looks {
                true => Ok(self.backward_to_input(model, forward)?.0),
                false => {
                    let gradients = self.weighted(&forward.loss).backward();
                    Ok(forward.descent(GradientsParams::from_grads(gradients, model)))
                }
            }
        })
    }

    /// Runs `descend` on the model; or on one whose weights were moved uphill first, if the trainer says so.
    fn on_moved_weights<L, T, const K: usize>(
        &self,
        inputs: [Tensor<D>; K],
        losses: L,
        descend: impl FnOnce(&C, [Tensor<D>; K], &L) -> Result<T, TrainError>,
    ) -> Result<T, TrainError>
    where
        L: Fn([Tensor<2>; K]) -> Result<Tensor<1>, Error>,
    {
        match self.additions.weights.filter(|weights| weights.acts_at(self.taken())) {
            None => descend(self.model, inputs, &losses),
            Some(weights) => {
                let apart = self.model.valid().train(); // with running statistics of its own
                let forward = self.forward(&apart, inputs.clone(), false, &losses)?;
                let uphill = GradientsParams::from_grads(forward.loss.backward(), &apart);
                descend(&weights.moved(self.model, uphill), inputs, &losses)
            }
        }
    }

    /// The cross-entropy of each sample, `[n]`, from logits `[n, classes]`; with the trainer's label smoothing, if it
    /// has one, and of both classes where the batch is [mixed](Batch::mixed_with).
    ///
    /// # Errors
    /// None: cross-entropy needs no more classes than the labels name.
    pub fn cross_entropy(&self, logits: Tensor<2>) -> Result<Tensor<1>, Error> {
        let smoothing = self.additions.label_smoothing;
        let of = |logits, goal: &Goal| Objective::CrossEntropy.values(logits, goal);
        let hard = |logits: Tensor<2>| match self.batch.second() {
            None => of(logits, &self.batch.untargeted()),
            Some((second, share)) => {
                let first = of(logits.clone(), &self.batch.untargeted())?;
                let second = of(logits, &second)?;
                Ok(first.mul_scalar(1.0 - share) + second.mul_scalar(share))
            }
        };
        if smoothing == 0.0 || self.batch.numbers().is_some() {
            return hard(logits);
        }
        let of_all_classes = log_softmax(logits.clone(), 1).mean_dim(1).squeeze_dim::<1>(1);
        Ok(hard(logits)?.mul_scalar(1.0 - smoothing) - of_all_classes.mul_scalar(smoothing))
    }

    /// Shows one gradient computation to the trainer's observers, if it has any: what the model saw instead
    /// of the batch, the gradient there, and the logits.
    ///
    /// # Errors
    /// Those of the observers.
    pub fn show(
        &self,
        phase: Phase,
        (seen, gradient, logits): (&Tensor<D>, &Tensor<D>, &Tensor<2>),
    ) -> Result<(), Error> {
        if self.observers.is_empty() {
            return Ok(());
        }
        let here = (self.worker.steps() + 1, self.worker.key(), phase);
        let tensors = (seen.clone(), gradient.clone(), logits.clone());
        self.observers.show(&Observation::new(here, self.batch, tensors))
    }

    /// The forward passes and the loss; with a gradient in the last inputs to come, if somebody `looks`.
    fn forward<const K: usize>(
        &self,
        model: &C,
        inputs: [Tensor<D>; K],
        looks: bool,
        losses: &impl Fn([Tensor<2>; K]) -> Result<Tensor<1>, Error>,
    ) -> Result<Forward<D>, TrainError> {
        const { assert!(K > 0, "a loss is a function of the model's answer at some inputs") };
        let dtype = precision::of(model);
        let mut leaves = Vec::with_capacity(K);
        for inputs in inputs {
            leaves.push(beside_parameters(model, inputs).ok_or(TrainError::NotTrainable)?);
        }
        if looks {
            leaves[K - 1] = leaves[K - 1].clone().require_grad();
        }
        let mut answers = Vec::with_capacity(K);
        for inputs in &leaves {
            let logits = precision::logits(model, inputs.clone(), None, dtype);
            let logits = one_row_each(self.batch.len(), logits)?;
            self.batch.check_logits(logits.dims()[1])?;
            answers.push(logits);
        }
        let (inputs, logits) = (leaves[K - 1].clone(), answers[K - 1].clone());
        let mut loss = losses(std::array::from_fn(|at| answers[at].clone()))?.mean();
        if let Some(penalty) = &self.additions.penalty {
            loss = loss + penalty.at(model, &inputs, logits.clone(), &self.batch.untargeted())?;
        }
        match loss.is_tracked() {
            true => Ok(Forward { loss, inputs, logits }),
            false => Err(TrainError::NotTrainable), // the model cuts the graph to its parameters
        }
    }

    /// The one backward pass, to the parameters and to the last inputs.
    fn backward_to_input(
        &self,
        model: &C,
        forward: Forward<D>,
    ) -> Result<(Descent, Tensor<D>), TrainError> {
        let (in_inputs, gradients) = backward(&self.weighted(&forward.loss), &forward.inputs);
        self.show(Phase::Descent, (&forward.inputs, &in_inputs, &forward.logits))?;
        Ok((forward.descent(GradientsParams::from_grads(gradients, model)), in_inputs))
    }

    /// The loss as it counts in the optimiser step. (The steepest step of an adversary has the same
    /// direction whatever the weight.)
    fn weighted(&self, loss: &Tensor<1>) -> Tensor<1> {
        match self.batch.weight() {
            1.0 => loss.clone(),
            weight => loss.clone().mul_scalar(weight),
        }
    }
}

/// A loss, and the last inputs with the logits there.
struct Forward<const D: usize> {
    loss: Tensor<1>,
    inputs: Tensor<D>,
    logits: Tensor<2>,
}

impl<const D: usize> Forward<D> {
    fn descent(self, gradients: GradientsParams) -> Descent {
        let (loss, logits) = (self.loss.without_autodiff(), self.logits.without_autodiff());
        Descent { loss, logits, gradients }
    }
}
