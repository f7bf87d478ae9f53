//! Projected gradient descent.

use burn::tensor::Tensor;
use free_at_core::{
    Ascent, Attack, AttackParameters, AttackTask, Epsilon, Error, Norm, Objective, ThreatModel,
};
use serde::{Deserialize, Serialize};

use crate::parameters::{
    check_counts, check_step_size, check_step_unit, default_step_size, name, name_with_step,
};

/// PGD-K: K projected steepest steps from a uniform random start in the ball, over again for each
/// restart.
///
/// Madry et al., "Towards deep learning models resistant to adversarial attacks", 2018. With
/// [`Objective::Margin`] it is the field's CW-K, [`PgdCw`](crate::PgdCw).
///
/// ```
/// use free_at_attacks::Pgd;
/// use free_at_core::{AttackParameters, Objective};
///
/// assert_eq!(Pgd::new(20).name(), "pgd-20");
/// assert_eq!(Pgd::new(100).with_restarts(5).name(), "pgd-100x5");
/// assert_eq!(Pgd::new(30).with_objective(Objective::Margin).name(), "pgd-30-margin");
/// assert_eq!(Pgd::paper(20).name(), "pgd-20-step-0.0078"); // another step than the default is told
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pgd {
    steps: usize,
    step_size: Option<Epsilon>,
    restarts: usize,
    objective: Objective,
}

impl Pgd {
    /// K steps of 2.5 ε / K on the cross-entropy, from one random start; K is at least 1.
    pub fn new(steps: usize) -> Self {
        Self { steps, step_size: None, restarts: 1, objective: Objective::default() }
    }

    /// K steps of 2/255, as the tables of Madry et al. and of Shafahi et al. for CIFAR-10 have it, whatever ε is.
    pub fn paper(steps: usize) -> Self {
        Self::new(steps).with_step_size(Epsilon::pixels(2.0))
    }

    /// The length of a step; above 0. Default: 2.5 ε / K.
    #[must_use]
    pub fn with_step_size(mut self, step_size: Epsilon) -> Self {
        self.step_size = Some(step_size);
        self
    }

    /// How many random starts to try; at least 1. A sample counts as broken if any of them breaks
    /// it. Default: 1.
    #[must_use]
    pub fn with_restarts(mut self, restarts: usize) -> Self {
        self.restarts = restarts;
        self
    }

    /// What the steps ascend. Default: cross-entropy.
    #[must_use]
    pub fn with_objective(mut self, objective: Objective) -> Self {
        self.objective = objective;
        self
    }
}

impl AttackParameters for Pgd {
    fn name(&self) -> String {
        name_with_step(name("pgd", self.steps, self.restarts, self.objective), self.step_size)
    }

    fn check(&self) -> Result<(), Error> {
        check_counts("PGD", self.steps, self.restarts)?;
        check_step_size(self.step_size)
    }

    fn gradient_computations(&self) -> usize {
        self.steps
    }

    fn takes_numbers(&self) -> bool {
        self.objective != Objective::Dlr
    }

    fn norms(&self) -> &'static [Norm] {
        &[Norm::Linf, Norm::L2]
    }

    fn runs(&self, _: bool) -> usize {
        self.restarts
    }

    fn refills(&self) -> bool {
        true
    }

    fn check_inputs(&self, threat: &ThreatModel, _: &[usize]) -> Result<(), Error> {
        check_step_unit(self.step_size, threat)
    }

    fn check_classes(&self, classes: usize, targeted: bool) -> Result<(), Error> {
        self.objective.check_classes(classes, targeted)
    }
}

impl<const D: usize> Attack<D> for Pgd {
    fn run_once(&self, task: &AttackTask<D>, run: usize) -> Result<Tensor<D>, Error> {
        self.check()?;
        let start = task.start_or(|task| {
            task.allowed().random_start(task.inputs(), &task.draws().for_restart(run))
        });
        let default = default_step_size(task.allowed().epsilon(), self.steps);
        let step_size = self.step_size.map_or(default, Epsilon::value);
        Ascent::new(self.steps, step_size).run(task, Some(start), self.objective)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_parameters_it_cannot_run_with() {
        assert!(matches!(Pgd::new(0).check(), Err(Error::Steps { .. })));
        assert!(matches!(Pgd::new(1).with_restarts(0).check(), Err(Error::Restarts { .. })));
        for size in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let checked = Pgd::new(1).with_step_size(Epsilon::unit(size)).check();
            assert!(matches!(checked, Err(Error::StepSize { .. })));
        }
        assert_eq!(Pgd::new(1).with_step_size(Epsilon::unit(0.1)).check(), Ok(()));
    }
}
