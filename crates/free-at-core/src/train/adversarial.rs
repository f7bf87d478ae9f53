//! Training on what an attack finds: K-PGD and any other.

use burn::backend::Dispatch;
use burn::module::Module;
use serde::{Deserialize, Serialize};

use crate::train::{Descend, Descent, Method, Trainer, Worker, warmup};
use crate::{
    Attack, AttackParameters, AttackTask, Batch, Classifier, Error, FrozenModel, ThreatModel,
};

/// Trains on the adversarial examples that the attack `A` finds for each minibatch.
///
/// With PGD this is K-PGD training (Madry et al. 2018): K ascent steps and one descent step,
/// K + 1 gradient computations an optimiser step. The attack sees the model in evaluation mode;
/// the descent step trains it as usual.
pub type AdversarialTrainer<A, B = Dispatch> = Trainer<AdversarialConfig<A>, B>;

/// Configuration of training against an attack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdversarialConfig<A> {
    threat: ThreatModel,
    attack: A,
    seed: u64,
    #[serde(default)]
    warm_up: u64,
}

impl<A> AdversarialConfig<A> {
    /// Training against `attack` within `threat`, with seed 0.
    pub fn new(threat: ThreatModel, attack: A) -> Self {
        Self { threat, attack, seed: 0, warm_up: 0 }
    }

    /// The seed of the attack's random draws. Default: 0.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Lets ε rise linearly from 0 over this many optimiser steps of each device.
    /// Default: 0, the whole budget from the first step on.
    #[must_use]
    pub fn with_warm_up(mut self, steps: u64) -> Self {
        self.warm_up = steps;
        self
    }

    /// The threat model trained against.
    pub fn threat(&self) -> &ThreatModel {
        &self.threat
    }
}

impl<A: AttackParameters + Clone + 'static> Method for AdversarialConfig<A> {
    fn name(&self) -> String {
        self.attack.name()
    }

    fn check(&self) -> Result<(), Error> {
        self.threat.check()?;
        self.attack.check()
    }

    fn gradient_computations(&self) -> usize {
        self.attack.gradient_computations() * self.attack.runs(false) + 1
    }
}

impl<A: Attack<D> + Clone + 'static, const D: usize> Descend<D> for AdversarialConfig<A> {
    fn descend<C: Classifier<D> + Module + 'static>(
        &self,
        model: &C,
        batch: &Batch<D>,
        worker: &mut Worker,
    ) -> Result<Descent, Error> {
        self.attack.check_support(&self.threat, &batch.sample_shape())?;
        let frozen = FrozenModel::new(model);
        let draws = worker.draws(self.seed, batch.len());
        let share = warmup::share(self.warm_up, worker.steps());
        let threat = warmup::scaled(&self.threat, share);
        let task = AttackTask::new(&frozen, batch.inputs(), batch.truth(), &threat, draws)?;
        let adversarial = task.seen(self.attack.perturb(&task)?);
        Descent::at(model, adversarial, batch, worker)
    }
}
