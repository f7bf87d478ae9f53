//! Constrained adaptive PGD, for tables.

use burn::tensor::Tensor;
use free_at_core::{Attack, AttackParameters, AttackTask, Error, Norm};
use serde::Serialize;

use crate::apgd::Apgd;
use crate::parameters::name;

/// CAPGD: APGD-CE for tables with relations between columns, first from the row itself, then from random starts.
///
/// Simonetto, Ghamizi, Cordy, "Constrained adaptive attack: effective adversarial attack against deep neural networks for
/// tabular data", NeurIPS 2024, as in TabularBench with its two runs of ten steps. There, what a row breaks is subtracted
/// from the loss and equalities are put right after each step, so that many rows that it returns are refused in the end. Here
/// the [relations](free_at_core::Relation) are the threat model's: every row that the model sees keeps them and is within ε, and
/// the gradient passes through what follows from other columns. So what it returns counts, and each run keeps its best point.
///
/// Restarts from random points are what helps most of it; on a table without relations it is APGD.
///
/// ```
/// use free_at_attacks::Capgd;
/// use free_at_core::AttackParameters;
///
/// assert_eq!(Capgd::new().name(), "capgd-10x2");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Capgd {
    apgd: Apgd,
}

impl Default for Capgd {
    fn default() -> Self {
        Self::new()
    }
}

impl Capgd {
    /// Ten steps from the row, and ten from a random start.
    pub fn new() -> Self {
        Self { apgd: Apgd::ce().with_compaction() }.with_steps(10).with_restarts(2)
    }

    /// How many steps; at least 1. Default: 10.
    #[must_use]
    pub fn with_steps(self, steps: usize) -> Self {
        Self { apgd: self.apgd.with_steps(steps) }
    }

    /// How many runs, of which the first starts at the row; at least 1. Default: 2.
    #[must_use]
    pub fn with_restarts(self, restarts: usize) -> Self {
        Self { apgd: self.apgd.with_restarts(restarts) }
    }
}

impl AttackParameters for Capgd {
    fn name(&self) -> String {
        name("capgd", self.apgd.steps(), self.apgd.restarts(), Default::default())
    }

    fn check(&self) -> Result<(), Error> {
        self.apgd.check()
    }

    fn gradient_computations(&self) -> usize {
        self.apgd.gradient_computations()
    }

    fn takes_numbers(&self) -> bool {
        true
    }

    fn norms(&self) -> &'static [Norm] {
        &[Norm::Linf, Norm::L2]
    }

    fn runs(&self, targeted: bool) -> usize {
        self.apgd.runs(targeted)
    }

    fn check_classes(&self, classes: usize, targeted: bool) -> Result<(), Error> {
        self.apgd.check_classes(classes, targeted)
    }
}

impl<const D: usize> Attack<D> for Capgd {
    fn run_once(&self, task: &AttackTask<D>, run: usize) -> Result<Tensor<D>, Error> {
        match (run, task.start()) {
            (0, None) => {
                let at_the_row = task.clone().starting_at(task.inputs().clone())?;
                self.apgd.run_once(&at_the_row, run)
            }
            _ => self.apgd.run_once(task, run),
        }
    }
}
