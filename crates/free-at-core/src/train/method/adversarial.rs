//! Training on what an attack finds: K-PGD and any other.

use serde::{Deserialize, Serialize};

use super::adversary::{Adversary, ModelMode};
use super::interface::{Descend, Method};
use super::step::{Descent, Step};
use crate::attack::interface::{Attack, AttackParameters};
use crate::model::classifier::Trainable;
use crate::threat::threat_model::ThreatModel;
use crate::train::TrainError;

/// Configuration of training against an attack, K-PGD or any other: the descent step trains the model on what the attack
/// returns [for training](crate::AttackTask::for_training), PGD its last point and APGD that of the highest loss.
///
/// The attack sees the model in training mode, as MadryLab's and `fast_adversarial`'s programs have it, unless the
/// [`Adversary`] says [otherwise](Adversary::attacking_in).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdversarialConfig<A> {
    #[serde(flatten)]
    adversary: Adversary,
    attack: A,
}

impl<A> AdversarialConfig<A> {
    /// Training against `attack` by this adversary. The steps are the attack's.
    pub fn new(adversary: impl Into<Adversary>, attack: A) -> Self {
        Self { adversary: adversary.into(), attack }
    }

    /// The threat model trained against.
    pub fn threat(&self) -> &ThreatModel {
        self.adversary.threat()
    }
}

impl<A: AttackParameters + Clone + 'static> Method for AdversarialConfig<A> {
    fn name(&self) -> String {
        self.attack.name()
    }

    fn check(&self) -> Result<(), TrainError> {
        self.adversary.check()?;
        self.attack.check()?;
        match self.adversary.step_size() {
            Some(_) => Err(TrainError::StepSizeOfAttack { method: self.name() }),
            None => Ok(()),
        }
    }

    fn threat(&self) -> Option<&ThreatModel> {
        Some(self.adversary.threat())
    }

    fn gradient_computations(&self) -> usize {
        let norm = self.adversary.threat().norm();
        self.attack.gradient_computations_in(norm) * self.attack.runs(false) + 1
    }
}

impl<A: Attack<D> + Clone + 'static, const D: usize> Descend<D> for AdversarialConfig<A> {
    fn descend<C: Trainable<D>>(&self, step: &mut Step<'_, C, D>) -> Result<Descent, TrainError> {
        self.attack.check_support(self.adversary.threat(), &step.batch().sample_shape())?;
        let frozen = step.frozen(&self.adversary, ModelMode::Training);
        let task = step.task(&self.adversary, &frozen)?;
        let adversarial = task.seen(self.attack.perturb(&task)?);
        step.descend(adversarial)
    }
}
