//! The fast gradient sign method.

use burn::tensor::Tensor;
use free_at_core::{Ascent, Attack, AttackParameters, AttackTask, Error, Norm, Objective};
use serde::{Deserialize, Serialize};

/// FGSM: one steepest step of length ε from the input.
///
/// x′ = clamp(x + ε · sign ∇ₓ L), and for L2 along ∇ₓ L / ‖∇ₓ L‖₂. Goodfellow, Shlens and Szegedy,
/// "Explaining and harnessing adversarial examples", 2015. Weak: a model that withstands it and
/// nothing else is not robust.
///
/// ```
/// use free_at_attacks::{Evaluation, Fgsm};
/// use free_at_core::{Epsilon, ThreatModel};
///
/// let evaluation =
///     Evaluation::<4>::new(ThreatModel::linf(Epsilon::pixels(8.0))).attack(Fgsm::new());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fgsm {
    objective: Objective,
}

impl Fgsm {
    /// FGSM on the cross-entropy.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the step ascends. Default: cross-entropy.
    #[must_use]
    pub fn with_objective(mut self, objective: Objective) -> Self {
        self.objective = objective;
        self
    }
}

impl AttackParameters for Fgsm {
    fn name(&self) -> String {
        format!("fgsm{}", self.objective.suffix())
    }

    fn check(&self) -> Result<(), Error> {
        Ok(())
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

    fn check_classes(&self, classes: usize, targeted: bool) -> Result<(), Error> {
        self.objective.check_classes(classes, targeted)
    }
}

impl<const D: usize> Attack<D> for Fgsm {
    fn run_once(&self, task: &AttackTask<D>, _: usize) -> Result<Tensor<D>, Error> {
        Ascent::new(1, task.allowed().epsilon()).run(task, None, self.objective)
    }
}
