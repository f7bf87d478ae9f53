//! PGD on the margin loss of Carlini and Wagner.

use burn::tensor::Tensor;
use free_at_core::{
    Access, Attack, AttackParameters, AttackTask, Epsilon, Error, Norm, Objective, ThreatModel,
};
use serde::{Deserialize, Serialize};

use crate::Pgd;

/// CW-K: [`Pgd`] on the margin loss, max over j ≠ y of zⱼ, minus z_y.
///
/// The loss is f₆ of Carlini and Wagner, "Towards evaluating the robustness of neural networks",
/// 2017, ascended with projected steps within ε as Madry et al. (2018) do; it is what adversarial
/// training papers call CW-100, and not their minimum-norm attack. Its gradient does not vanish
/// where the model is confident, which that of the cross-entropy does.
///
/// ```
/// use free_at_attacks::PgdCw;
/// use free_at_core::AttackParameters;
///
/// assert_eq!(PgdCw::new(100).name(), "cw-100");
/// assert_eq!(PgdCw::new(30).with_restarts(3).name(), "cw-30x3");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PgdCw {
    pgd: Pgd,
}

/// [`PgdCw`] as adversarial training papers call it.
pub type Cw = PgdCw;

impl PgdCw {
    /// K steps of 2.5 ε / K from one random start; K is at least 1.
    pub fn new(steps: usize) -> Self {
        Self { pgd: Pgd::new(steps).with_objective(Objective::Margin) }
    }

    /// The length of a step; above 0. Default: 2.5 ε / K.
    #[must_use]
    pub fn with_step_size(self, step_size: Epsilon) -> Self {
        Self { pgd: self.pgd.with_step_size(step_size) }
    }

    /// How many random starts to try; at least 1. Default: 1.
    #[must_use]
    pub fn with_restarts(self, restarts: usize) -> Self {
        Self { pgd: self.pgd.with_restarts(restarts) }
    }
}

// All of it is PGD's but the name.
impl AttackParameters for PgdCw {
    fn name(&self) -> String {
        let pgd = self.pgd.name();
        let size = pgd.strip_prefix("pgd").and_then(|name| name.strip_suffix("-margin"));
        format!("cw{}", size.unwrap_or(&pgd))
    }

    fn check(&self) -> Result<(), Error> {
        self.pgd.check()
    }

    fn gradient_computations(&self) -> usize {
        self.pgd.gradient_computations()
    }

    fn takes_numbers(&self) -> bool {
        true
    }

    fn norms(&self) -> &'static [Norm] {
        self.pgd.norms()
    }

    fn runs(&self, targeted: bool) -> usize {
        self.pgd.runs(targeted)
    }

    fn refills(&self) -> bool {
        self.pgd.refills()
    }

    fn access(&self) -> Access {
        self.pgd.access()
    }

    fn cost_parameters(&self) -> &'static [&'static str] {
        self.pgd.cost_parameters()
    }

    fn check_classes(&self, classes: usize, targeted: bool) -> Result<(), Error> {
        self.pgd.check_classes(classes, targeted)
    }

    fn check_inputs(&self, threat: &ThreatModel, sample: &[usize]) -> Result<(), Error> {
        self.pgd.check_inputs(threat, sample)
    }
}

impl<const D: usize> Attack<D> for PgdCw {
    fn run_once(&self, task: &AttackTask<D>, run: usize) -> Result<Tensor<D>, Error> {
        self.pgd.run_once(task, run)
    }
}
