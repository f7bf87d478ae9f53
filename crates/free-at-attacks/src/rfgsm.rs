//! The fast gradient sign method with a random step before it.

use burn::tensor::Tensor;
use free_at_core::{Ascent, Attack, AttackParameters, AttackTask, Error, Norm, Objective};
use serde::{Deserialize, Serialize};

use crate::parameters::{check_counts, check_range};

/// R+FGSM: a random step of length α, then FGSM with the rest of the budget, ε − α.
///
/// The random step leaves the sharp curvature around the input, which makes FGSM's gradient useless
/// on models trained against FGSM alone. For L∞ it is α · sign of noise, for L2 a random direction.
/// Tramèr et al., "Ensemble adversarial training: attacks and defenses", 2018; there α = ε / 2.
///
/// ```
/// use free_at_attacks::RFgsm;
/// use free_at_core::AttackParameters;
///
/// assert_eq!(RFgsm::new().name(), "r+fgsm");
/// assert!(RFgsm::new().with_random_share(1.0).check().is_err()); // nothing left for FGSM
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RFgsm {
    share: f64,
    restarts: usize,
    objective: Objective,
}

impl Default for RFgsm {
    fn default() -> Self {
        Self { share: 0.5, restarts: 1, objective: Objective::default() }
    }
}

impl RFgsm {
    /// Half of the budget at random, half along the gradient of the cross-entropy.
    pub fn new() -> Self {
        Self::default()
    }

    /// The random step's share of the budget, α / ε; above 0 and below 1. Default: 0.5.
    #[must_use]
    pub fn with_random_share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// How many random steps to try; at least 1. Default: 1.
    #[must_use]
    pub fn with_restarts(mut self, restarts: usize) -> Self {
        self.restarts = restarts;
        self
    }

    /// What the gradient step ascends. Default: cross-entropy.
    #[must_use]
    pub fn with_objective(mut self, objective: Objective) -> Self {
        self.objective = objective;
        self
    }
}

impl AttackParameters for RFgsm {
    fn name(&self) -> String {
        match self.restarts {
            1 => format!("r+fgsm{}", self.objective.suffix()),
            restarts => format!("r+fgsm-x{restarts}{}", self.objective.suffix()),
        }
    }

    fn check(&self) -> Result<(), Error> {
        check_counts("R+FGSM", 1, self.restarts)?;
        let kept = self.share > 0.0 && self.share < 1.0;
        check_range(
            kept,
            "R+FGSM",
            "the random step's share of epsilon",
            "above 0 and below 1",
            self.share,
        )
    }

    fn gradient_computations(&self) -> usize {
        1
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

    fn check_classes(&self, classes: usize, targeted: bool) -> Result<(), Error> {
        self.objective.check_classes(classes, targeted)
    }
}

impl<const D: usize> Attack<D> for RFgsm {
    fn run_once(&self, task: &AttackTask<D>, run: usize) -> Result<Tensor<D>, Error> {
        self.check()?;
        let epsilon = task.allowed().epsilon();
        let start = task.start_or(|task| {
            let draws = task.draws().for_restart(run);
            task.allowed().random_step(task.inputs(), &draws, self.share * epsilon)
        });
        Ascent::new(1, (1.0 - self.share) * epsilon).run(task, Some(start), self.objective)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_parameters_it_cannot_run_with() {
        assert!(matches!(RFgsm::new().with_restarts(0).check(), Err(Error::Restarts { .. })));
        for share in [0.0, 1.0, -0.5, f64::NAN] {
            let checked = RFgsm::new().with_random_share(share).check();
            assert!(matches!(checked, Err(Error::AttackParameter { .. })));
        }
    }
}
