//! The fast adaptive boundary attack.

mod hyperplane;
mod walk;

use std::sync::Arc;

use burn::tensor::Tensor;
use free_at_core::{
    Attack, AttackParameters, AttackTask, Closest, Error, MinimalAttack, Norm, Target,
};
use serde::{Deserialize, Serialize};

use crate::likely_classes::{enough_classes, fewer};
pub(crate) use hyperplane::NORMS;
pub(crate) use walk::Walk;

/// FAB: looks for the closest adversarial example along the boundary towards whichever class is nearest, which each step
/// looks for among the most likely wrong ones: a gradient for each.
///
/// Croce and Hein, "Minimally distorted adversarial examples with a fast adaptive boundary attack", 2020, as in AutoAttack's
/// version "plus". With as many classes as there are wrong ones it is the reference's; [`FabT`](crate::FabT), towards one class after
/// the other, costs as much for all of them and finds as much or more, as a rule. In a targeted evaluation both are the same.
///
/// ```
/// use free_at_attacks::Fab;
/// use free_at_core::AttackParameters;
///
/// let attack = Fab::new(); // 5 restarts, 9 classes
/// assert_eq!((attack.name().as_str(), attack.gradient_computations()), ("fab", 900));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fab {
    walk: Walk,
}

const RESTARTS: usize = 5;

impl Default for Fab {
    fn default() -> Self {
        Self { walk: Walk { restarts: RESTARTS, ..Walk::default() } }
    }
}

impl Fab {
    /// The published defaults: 100 steps, 5 restarts, α at most 0.1, η = 1.05, β = 0.9; among the 9 most likely wrong
    /// classes.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many steps for each restart; at least 1. Default: 100.
    #[must_use]
    pub fn with_steps(self, steps: usize) -> Self {
        Self { walk: Walk { steps, ..self.walk } }
    }

    /// How many runs: one from the input, the others half-way from it to random points on the edge of the ball; at least 1.
    /// Default: 5.
    #[must_use]
    pub fn with_restarts(self, restarts: usize) -> Self {
        Self { walk: Walk { restarts, ..self.walk } }
    }

    /// How many of the most likely wrong classes to look at; at least 1 and below the number of classes. Default: 9.
    #[must_use]
    pub fn with_targets(self, targets: usize) -> Self {
        Self { walk: Walk { targets, ..self.walk } }
    }
}

impl AttackParameters for Fab {
    fn name(&self) -> String {
        self.walk.name("fab", RESTARTS)
    }

    fn check(&self) -> Result<(), Error> {
        self.walk.check("FAB")
    }

    /// Untargeted: a gradient for each class.
    fn gradient_computations(&self) -> usize {
        self.walk.steps * self.walk.targets
    }

    fn norms(&self) -> &'static [Norm] {
        &NORMS
    }

    fn runs(&self, _: bool) -> usize {
        self.walk.restarts
    }

    fn check_classes(&self, classes: usize, targeted: bool) -> Result<(), Error> {
        enough_classes(self.walk.targets, classes, targeted)
    }
}

impl<const D: usize> Attack<D> for Fab {
    fn for_classes(&self, classes: usize) -> Option<Arc<dyn Attack<D>>> {
        let targets = fewer(self.walk.targets, classes)?;
        Some(Arc::new(self.clone().with_targets(targets)))
    }

    /// Of each sample an adversarial example within ε, or the input where none was found.
    fn run_once(&self, task: &AttackTask<D>, run: usize) -> Result<Tensor<D>, Error> {
        Ok(self.search(task, run, task.stops())?.0)
    }
}

impl<const D: usize> MinimalAttack<D> for Fab {
    fn search(
        &self,
        task: &AttackTask<D>,
        run: usize,
        leaves: bool,
    ) -> Result<(Tensor<D>, Closest<D>), Error> {
        self.check()?;
        let aims = match task.goal().target() {
            Some(target) => vec![target],
            None => {
                let clean = task.logits(task.inputs().clone())?;
                let truth = task.goal().truth();
                let likely = |k| Target::MostLikely(k).classes(&clean, &truth, task.draws());
                (1..=self.walk.targets).map(likely).collect::<Result<_, _>>()?
            }
        };
        self.walk.towards(task, aims, run, leaves)
    }
}
