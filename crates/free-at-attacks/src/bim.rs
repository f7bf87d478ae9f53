//! The basic iterative method.

use burn::tensor::Tensor;
use free_at_core::{Attack, AttackParameters, AttackTask, Error, Objective};
use serde::{Deserialize, Serialize};

use crate::ascent::{Ascent, check_counts, check_step_size, default_step_size, name};

/// BIM: K projected steepest steps from the input, without a random start.
///
/// Kurakin, Goodfellow and Bengio, "Adversarial examples in the physical world", 2017.
///
/// ```
/// use free_at_attacks::Bim;
/// use free_at_core::AttackParameters;
///
/// let attack = Bim::new(10).with_step_size(2.0 / 255.0);
/// assert_eq!((attack.name().as_str(), attack.gradient_computations()), ("bim-10", 10));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bim {
    steps: usize,
    step_size: Option<f64>,
    objective: Objective,
}

impl Bim {
    /// K steps of 2.5 ε / K on the cross-entropy; K is at least 1.
    pub fn new(steps: usize) -> Self {
        Self { steps, step_size: None, objective: Objective::default() }
    }

    /// The length of a step, in the unit of ε; above 0. Default: 2.5 ε / K.
    #[must_use]
    pub fn with_step_size(mut self, step_size: f64) -> Self {
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
        name("bim", self.steps, 1, self.objective)
    }

    fn check(&self) -> Result<(), Error> {
        check_counts("BIM", self.steps, 1)?;
        check_step_size(self.step_size)
    }

    fn gradient_computations(&self) -> usize {
        self.steps
    }

    fn refills(&self) -> bool {
        true
    }

    fn check_classes(&self, classes: usize, targeted: bool) -> Result<(), Error> {
        self.objective.check_classes(classes, targeted)
    }
}

impl<const D: usize> Attack<D> for Bim {
    fn run_once(&self, task: &AttackTask<D>, _: usize) -> Result<Tensor<D>, Error> {
        self.check()?;
        let default = || default_step_size(task.allowed().epsilon(), self.steps);
        let (steps, objective) = (self.steps, self.objective);
        let step_size = self.step_size.unwrap_or_else(default);
        Ascent { steps, step_size, objective, decay: None }.run(task, None)
    }
}
