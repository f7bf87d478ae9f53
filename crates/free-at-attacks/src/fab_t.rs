//! The fast adaptive boundary attack, towards one class after the other.

use std::sync::Arc;

use burn::tensor::Tensor;
use free_at_core::{Attack, AttackParameters, AttackTask, Closest, Error, MinimalAttack, Norm};
use serde::{Deserialize, Serialize};

use crate::fab::{NORMS, Walk};
use crate::likely_classes::{aim, enough_classes, fewer, runs};

/// FAB-T: looks for the closest adversarial example, along the boundary towards each of the most
/// likely wrong classes in turn.
///
/// Croce and Hein, "Minimally distorted adversarial examples with a fast adaptive boundary attack",
/// 2020, in the targeted form of AutoAttack: at each step the boundary between the true class and
/// the target (in a targeted evaluation, between the target and the best other class) is
/// linearised; the point and the input are both projected onto it within the bounds,
/// and the next point lies between the two, overshooting by η; a point across the boundary moves
/// back towards the input by β. It minimises the norm, so ε only decides which results count;
/// [`MinimalAttack::closest`] has them all.
///
/// ```
/// use free_at_attacks::FabT;
/// use free_at_core::AttackParameters;
///
/// assert_eq!((FabT::new().name().as_str(), FabT::new().runs(false)), ("fab-t", 9));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FabT {
    walk: Walk,
}

impl FabT {
    /// The published defaults: 100 steps towards each of the 9 most likely wrong classes, α at most
    /// 0.1, η = 1.05, β = 0.9, the first run from the input.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many steps for each target and restart; at least 1. Default: 100.
    #[must_use]
    pub fn with_steps(self, steps: usize) -> Self {
        Self { walk: Walk { steps, ..self.walk } }
    }

    /// How many runs for each target: one from the input, the others half-way from it to random points on the edge of the ball;
    /// at least 1. Default: 1.
    #[must_use]
    pub fn with_restarts(self, restarts: usize) -> Self {
        Self { walk: Walk { restarts, ..self.walk } }
    }

    /// How many of the most likely wrong classes to aim at; at least 1 and below the number of
    /// classes. Default: 9.
    #[must_use]
    pub fn with_targets(self, targets: usize) -> Self {
        Self { walk: Walk { targets, ..self.walk } }
    }
}

impl FabT {
    pub(crate) fn targets(&self) -> usize {
        self.walk.targets
    }

    pub(crate) fn walk(&self) -> &Walk {
        &self.walk
    }
}

impl AttackParameters for FabT {
    fn name(&self) -> String {
        self.walk.name("fab-t", 1)
    }

    fn check(&self) -> Result<(), Error> {
        self.walk.check("FAB-T")
    }

    fn gradient_computations(&self) -> usize {
        self.walk.steps
    }

    fn norms(&self) -> &'static [Norm] {
        &NORMS
    }

    fn runs(&self, targeted: bool) -> usize {
        runs(self.walk.targets, self.walk.restarts, targeted)
    }

    fn check_classes(&self, classes: usize, targeted: bool) -> Result<(), Error> {
        enough_classes(self.walk.targets, classes, targeted)
    }
}

impl<const D: usize> Attack<D> for FabT {
    fn for_classes(&self, classes: usize) -> Option<Arc<dyn Attack<D>>> {
        let targets = fewer(self.walk.targets, classes)?;
        Some(Arc::new(self.clone().with_targets(targets)))
    }

    /// Of each sample an adversarial example within ε, or the input where none was found.
    fn run_once(&self, task: &AttackTask<D>, run: usize) -> Result<Tensor<D>, Error> {
        Ok(self.search(task, run, task.stops())?.0)
    }
}

impl<const D: usize> MinimalAttack<D> for FabT {
    fn search(
        &self,
        task: &AttackTask<D>,
        run: usize,
        leaves: bool,
    ) -> Result<(Tensor<D>, Closest<D>), Error> {
        self.check()?;
        let aim = aim(task, run, self.walk.restarts)?;
        self.walk.towards(task, vec![aim], run, leaves)
    }
}
