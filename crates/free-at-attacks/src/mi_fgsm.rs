//! The momentum iterative method.

use burn::tensor::Tensor;
use free_at_core::{
    Ascent, Attack, AttackParameters, AttackTask, Epsilon, Error, Norm, Objective, ThreatModel,
};
use serde::{Deserialize, Serialize};

use crate::parameters::{
    check_counts, check_range, check_step_size, check_step_unit, name, name_with_step,
};

/// MI-FGSM: BIM along an accumulated gradient, g ← μ g + ∇ₓ L / ‖∇ₓ L‖₁.
///
/// Dong et al., "Boosting adversarial attacks with momentum", 2018. Momentum carries over small bumps
/// and its examples transfer to other models better than BIM's; within ε of one model, PGD with
/// restarts and APGD are stronger.
///
/// ```
/// use free_at_attacks::MiFgsm;
/// use free_at_core::AttackParameters;
///
/// assert_eq!(MiFgsm::new(10).name(), "mi-fgsm-10");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MiFgsm {
    steps: usize,
    step_size: Option<Epsilon>,
    decay: f64,
    objective: Objective,
}

impl MiFgsm {
    /// K steps of ε / K on the cross-entropy with μ = 1; K is at least 1.
    pub fn new(steps: usize) -> Self {
        Self { steps, step_size: None, decay: 1.0, objective: Objective::default() }
    }

    /// The length of a step; above 0. Default: ε / K.
    #[must_use]
    pub fn with_step_size(mut self, step_size: Epsilon) -> Self {
        self.step_size = Some(step_size);
        self
    }

    /// How much of the accumulated gradient a step keeps, μ; finite and at least 0, where 0 is BIM.
    /// Default: 1.
    #[must_use]
    pub fn with_decay(mut self, decay: f64) -> Self {
        self.decay = decay;
        self
    }

    /// What the steps ascend. Default: cross-entropy.
    #[must_use]
    pub fn with_objective(mut self, objective: Objective) -> Self {
        self.objective = objective;
        self
    }
}

impl AttackParameters for MiFgsm {
    fn name(&self) -> String {
        name_with_step(name("mi-fgsm", self.steps, 1, self.objective), self.step_size)
    }

    fn check(&self) -> Result<(), Error> {
        check_counts("MI-FGSM", self.steps, 1)?;
        check_step_size(self.step_size)?;
        let kept = self.decay.is_finite() && self.decay >= 0.0;
        check_range(kept, "MI-FGSM", "the decay", "finite and at least 0", self.decay)
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

impl<const D: usize> Attack<D> for MiFgsm {
    fn run_once(&self, task: &AttackTask<D>, _: usize) -> Result<Tensor<D>, Error> {
        self.check()?;
        let default = task.allowed().epsilon() / self.steps as f64;
        let step_size = self.step_size.map_or(default, Epsilon::value);
        let ascent = Ascent::new(self.steps, step_size).with_momentum(self.decay);
        ascent.run(task, None, self.objective)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_parameters_it_cannot_run_with() {
        assert!(matches!(MiFgsm::new(0).check(), Err(Error::Steps { .. })));
        for decay in [-0.1, f64::NAN, f64::INFINITY] {
            let checked = MiFgsm::new(1).with_decay(decay).check();
            assert!(matches!(checked, Err(Error::AttackParameter { .. })));
        }
        assert_eq!(MiFgsm::new(1).with_decay(0.0).check(), Ok(()));
    }
}
