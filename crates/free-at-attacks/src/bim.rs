//! The basic iterative method.

use burn::tensor::Tensor;
use free_at_core::{
    Attack, AttackParameters, Draws, Error, FrozenModel, Labels, Objective, ThreatModel,
};
use serde::{Deserialize, Serialize};

use crate::ascent::{ascend, check_step_size, default_step_size};

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
        format!("bim-{}{}", self.steps, self.objective.suffix())
    }

    fn check(&self) -> Result<(), Error> {
        match self.steps {
            0 => Err(Error::Steps { attack: "BIM".into() }),
            _ => check_step_size(self.step_size),
        }
    }

    fn gradient_computations(&self) -> usize {
        self.steps
    }
}

impl<const D: usize> Attack<D> for Bim {
    fn run_once(
        &self,
        model: &FrozenModel<D>,
        inputs: &Tensor<D>,
        labels: &Labels,
        threat: &ThreatModel,
        _: &Draws,
    ) -> Result<Tensor<D>, Error> {
        self.check()?;
        let allowed = threat.around(inputs)?;
        let default = default_step_size(threat.epsilon().value(), self.steps);
        let steps = (self.steps, self.step_size.unwrap_or(default));
        ascend(model, (inputs, labels), &allowed, None, steps, self.objective)
    }
}
