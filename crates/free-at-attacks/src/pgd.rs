//! Projected gradient descent.

use burn::tensor::Tensor;
use free_at_core::{
    Attack, AttackParameters, Draws, Error, FrozenModel, Labels, Objective, ThreatModel,
};
use serde::{Deserialize, Serialize};

use crate::ascent::{ascend, check_step_size, default_step_size};

/// PGD-K: K projected steepest steps from a uniform random start in the ball, over again for each
/// restart.
///
/// Madry et al., "Towards deep learning models resistant to adversarial attacks", 2018. With
/// [`Objective::Margin`] this is the field's CW-K.
///
/// ```
/// use free_at_attacks::Pgd;
/// use free_at_core::{AttackParameters, Objective};
///
/// assert_eq!(Pgd::new(20).name(), "pgd-20");
/// assert_eq!(Pgd::new(100).with_restarts(5).name(), "pgd-100x5");
/// assert_eq!(Pgd::new(30).with_objective(Objective::Margin).name(), "pgd-30-margin");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pgd {
    steps: usize,
    step_size: Option<f64>,
    restarts: usize,
    objective: Objective,
}

impl Pgd {
    /// K steps of 2.5 ε / K on the cross-entropy, from one random start; K is at least 1.
    pub fn new(steps: usize) -> Self {
        Self { steps, step_size: None, restarts: 1, objective: Objective::default() }
    }

    /// The length of a step, in the unit of ε; above 0. Default: 2.5 ε / K.
    #[must_use]
    pub fn with_step_size(mut self, step_size: f64) -> Self {
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
        let (steps, objective) = (self.steps, self.objective.suffix());
        match self.restarts {
            1 => format!("pgd-{steps}{objective}"),
            restarts => format!("pgd-{steps}x{restarts}{objective}"),
        }
    }

    fn check(&self) -> Result<(), Error> {
        match (self.steps, self.restarts) {
            (0, _) => Err(Error::Steps { attack: "PGD".into() }),
            (_, 0) => Err(Error::Restarts { attack: "PGD".into() }),
            _ => check_step_size(self.step_size),
        }
    }

    fn gradient_computations(&self) -> usize {
        self.steps
    }

    fn restarts(&self) -> usize {
        self.restarts
    }
}

impl<const D: usize> Attack<D> for Pgd {
    fn run_once(
        &self,
        model: &FrozenModel<D>,
        inputs: &Tensor<D>,
        labels: &Labels,
        threat: &ThreatModel,
        draws: &Draws,
    ) -> Result<Tensor<D>, Error> {
        self.check()?;
        let allowed = threat.around(inputs)?;
        let start = allowed.random_start(inputs, draws);
        let default = default_step_size(threat.epsilon().value(), self.steps);
        let steps = (self.steps, self.step_size.unwrap_or(default));
        ascend(model, (inputs, labels), &allowed, Some(start), steps, self.objective)
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
            let checked = Pgd::new(1).with_step_size(size).check();
            assert!(matches!(checked, Err(Error::StepSize { .. })));
        }
        assert_eq!(Pgd::new(1).with_step_size(0.1).check(), Ok(()));
    }
}
