//! Targeted Auto-PGD.

use std::sync::Arc;

use burn::tensor::Tensor;
use free_at_core::{Attack, AttackParameters, AttackTask, Error, Norm, Objective};
use serde::{Deserialize, Serialize};

use crate::Apgd;
use crate::likely_classes::{TARGETS, aim, check_targets, enough_classes, fewer, runs};
use crate::parameters::{check_counts, name};

/// APGD-T: [`Apgd`] on the targeted difference of logits ratio, towards each of the most likely
/// wrong classes in turn.
///
/// Croce and Hein 2020. Any wrong answer counts as a success, so it is an untargeted attack by targeted
/// means; in a targeted evaluation it aims at the given class alone, and ascends the margin in place of DLR.
///
/// ```
/// use free_at_attacks::ApgdT;
/// use free_at_core::{AttackParameters, Error};
///
/// let attack = ApgdT::new(); // 9 targets, as published, so it takes 10 classes
/// assert_eq!((attack.name().as_str(), attack.runs(false)), ("apgd-t", 9));
/// let refused = attack.check_classes(5, false);
/// assert_eq!(refused, Err(Error::TargetClass { class: 9, classes: 5 }));
/// assert!(ApgdT::new().with_targets(4).check_classes(5, false).is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApgdT {
    apgd: Apgd,
    restarts: usize,
    targets: usize,
}

impl Default for ApgdT {
    fn default() -> Self {
        Self { apgd: Apgd::dlr(), restarts: 1, targets: TARGETS }
    }
}

impl ApgdT {
    /// 100 steps towards each of the 9 most likely wrong classes, one restart each.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many steps for each target and restart; at least 1. Default: 100.
    #[must_use]
    pub fn with_steps(self, steps: usize) -> Self {
        Self { apgd: self.apgd.with_steps(steps), ..self }
    }

    /// How many random starts for each target; at least 1. Default: 1.
    #[must_use]
    pub fn with_restarts(self, restarts: usize) -> Self {
        Self { restarts, ..self }
    }

    /// How many of the most likely wrong classes to aim at; at least 1 and below the number of
    /// classes. Default: 9.
    #[must_use]
    pub fn with_targets(self, targets: usize) -> Self {
        Self { targets, ..self }
    }

    pub(crate) fn targets(&self) -> usize {
        self.targets
    }

    pub(crate) fn apgd(&self) -> &Apgd {
        &self.apgd
    }

    /// What the steps ascend. Default: targeted DLR, which needs four classes;
    /// [`Objective::Margin`] does with two.
    #[must_use]
    pub fn with_objective(self, objective: Objective) -> Self {
        Self { apgd: self.apgd.with_objective(objective), ..self }
    }

    /// The targeted DLR is above 0 as soon as the target is above the true class, which is a wrong answer already, but
    /// need not be the target: where that is what is asked for, the margin says when it is reached.
    fn apgd_for(&self, targeted: bool) -> Apgd {
        match (targeted, self.apgd.objective()) {
            (true, Objective::Dlr) => self.apgd.clone().with_objective(Objective::Margin),
            _ => self.apgd.clone(),
        }
    }

    /// As [`Apgd::with_compaction`].
    #[must_use]
    pub fn with_compaction(self) -> Self {
        Self { apgd: self.apgd.with_compaction(), ..self }
    }
}

impl AttackParameters for ApgdT {
    fn name(&self) -> String {
        let attack = match self.apgd.objective() {
            Objective::Dlr => "apgd-t",
            Objective::CrossEntropy => "apgd-t-ce",
            Objective::Margin => "apgd-t-margin",
        };
        match (self.apgd.steps(), self.restarts) {
            (Apgd::STEPS, 1) => attack.into(),
            (steps, restarts) => name(attack, steps, restarts, Objective::CrossEntropy),
        }
    }

    fn check(&self) -> Result<(), Error> {
        self.apgd.check()?;
        check_counts("APGD-T", 1, self.restarts)?;
        check_targets("APGD-T", self.targets)
    }

    fn gradient_computations(&self) -> usize {
        self.apgd.gradient_computations()
    }

    fn gradient_computations_in(&self, norm: Norm) -> usize {
        self.apgd.gradient_computations_in(norm)
    }

    fn norms(&self) -> &'static [Norm] {
        self.apgd.norms()
    }

    fn cost_parameters(&self) -> &'static [&'static str] {
        self.apgd.cost_parameters()
    }

    fn runs(&self, targeted: bool) -> usize {
        runs(self.targets, self.restarts, targeted)
    }

    fn check_classes(&self, classes: usize, targeted: bool) -> Result<(), Error> {
        self.apgd_for(targeted).check_classes(classes, true)?;
        enough_classes(self.targets, classes, targeted)
    }
}

impl<const D: usize> Attack<D> for ApgdT {
    fn for_classes(&self, classes: usize) -> Option<Arc<dyn Attack<D>>> {
        let targets = fewer(self.targets, classes)?;
        Some(Arc::new(self.clone().with_targets(targets)))
    }

    fn run_once(&self, task: &AttackTask<D>, run: usize) -> Result<Tensor<D>, Error> {
        self.check()?;
        let aim = aim(task, run, self.restarts)?;
        let goal = task.goal().aiming_at(aim)?;
        let targeted = task.goal().target().is_some();
        Ok(self.apgd_for(targeted).climb(task, goal, run, |_| ())?.0)
    }
}
