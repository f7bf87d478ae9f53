//! The basic iterative method.

use burn::tensor::Tensor;
use free_at_core::{
    Ascent, Attack, AttackParameters, AttackTask, Epsilon, Error, Norm, Objective, ThreatModel,
};
use serde::{Deserialize, Serialize};

use crate::parameters::{
    check_counts, check_step_size, check_step_unit, default_step_size, name, name_with_step,
};

/// BIM: K projected steepest steps from the input, without a random start.
///
/// Kurakin, Goodfellow and Bengio, "Adversarial examples in the physical world", 2017.
///
/// ```
/// use free_at_attacks::Bim;
/// use free_at_core::{AttackParameters, Epsilon};
///
/// let attack = Bim::new(10).with_step_size(Epsilon::pixels(2.0));
/// assert_eq!((attack.name().as_str(), attack.gradient_computations()), ("bim-10-step-0.0078", 10));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bim {
    steps: usize,
    step_size: Option<Epsilon>,
    objective: Objective,
}

impl Bim {
    /// K steps of 2.5 ε / K on the cross-entropy; K is at least 1.
    pub fn new(steps: usize) -> Self {
        Self { steps, step_size: None, objective: Objective::default() }
    }

    /// The length of a step; above 0. Default: 2.5 ε / K.
    #[must_use]
    pub fn with_step_size(mut self, step_size: Epsilon) -> Self {
        self.step_size = Some(step_size);
        self
    }

    /// What the steps ascend. Default: cross-entropy.
    #[must_use]
    pub fn with_objective(mut self, objective: Objective) -> Self {
        self.objective = objective;
        self
    }
}

impl AttackParameters for Bim {
    fn name(&self) -> String {
        name_with_step(name("bim", self.steps, 1, self.objective), self.step_size)
    }

    fn check(&self) -> Result<(), Error> {
        check_counts("BIM", self.steps, 1)?;
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

impl<const D: usize> Attack<D> for Bim {
    fn run_once(&self, task: &AttackTask<D>, _: usize) -> Result<Tensor<D>, Error> {
        self.check()?;
        let default = default_step_size(task.allowed().epsilon(), self.steps);
        let step_size = self.step_size.map_or(default, Epsilon::value);
        Ascent::new(self.steps, step_size).run(task, None, self.objective)
    }
}
