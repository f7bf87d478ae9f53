//! The AutoAttack ensemble.

use std::sync::Arc;

use free_at_core::{Attack, Norm, Objective};
use serde::{Deserialize, Serialize};

use crate::apgd::Apgd;
use crate::apgd_t::ApgdT;
use crate::eot::Eot;
use crate::fab::Fab;
use crate::fab_t::FabT;
use crate::scouted::Scouted;
use crate::square::Square;

/// AutoAttack, version "standard": APGD-CE, APGD-T, FAB-T and Square, each on what the ones before
/// have left standing.
///
/// Croce and Hein 2020, with the published parameters: 100 steps, 9 targets, one restart each; 5,000
/// queries. It has nothing to tune, so numbers compare across papers; RobustBench ranks by it.
///
/// ```
/// use free_at_attacks::{AutoAttack, Evaluation};
/// use free_at_core::{Epsilon, ThreatModel};
///
/// let evaluation = Evaluation::<4>::new(ThreatModel::linf(Epsilon::pixels(8.0)))
///     .attacks(AutoAttack::standard().attacks());
/// // Five classes, so four wrong ones to aim at:
/// let small = AutoAttack::standard().for_classes(5).attacks::<4>();
/// assert_eq!(small.len(), 4);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AutoAttack {
    ce: Apgd,
    targeted: ApgdT,
    fab: FabT,
    square: Square,
}

/// The restarts that version "plus" gives the untargeted attacks, and "standard" APGD-CE in L1.
const RESTARTS: usize = 5;

impl AutoAttack {
    /// The standard version for L∞ and L2.
    pub fn standard() -> Self {
        let (ce, targeted) = (Apgd::ce(), ApgdT::new());
        Self { ce, targeted, fab: FabT::new(), square: Square::new() }
    }

    /// The standard version for this norm: in L1 APGD-CE has five restarts, and APGD-T five targets.
    pub fn standard_in(norm: Norm) -> Self {
        const L1_TARGETS: usize = 5;
        let standard = Self::standard();
        match norm {
            Norm::L1 => Self {
                ce: standard.ce.with_restarts(RESTARTS),
                targeted: standard.targeted.with_targets(L1_TARGETS),
                ..standard
            },
            _ => standard,
        }
    }

    /// Version "plus": APGD-CE, APGD-DLR and FAB with five restarts each, Square, APGD-T and FAB-T, in this order. It
    /// costs some seven times the standard version and breaks a few more samples at best. Below four classes there is no
    /// DLR.
    pub fn plus<const D: usize>(&self) -> Vec<Arc<dyn Attack<D>>> {
        let ce = self.ce.clone().with_restarts(RESTARTS);
        let fab = Fab::new().with_targets(self.fab.targets());
        vec![
            Arc::new(ce.clone()),
            Arc::new(ce.with_objective(Objective::Dlr)),
            Arc::new(fab),
            Arc::new(self.square.clone()),
            Arc::new(self.targeted.clone()),
            Arc::new(self.fab.clone()),
        ]
    }

    /// The standard version at less than half of its gradients: APGD-CE, twice for what is left after the first time, [`Scouted`]
    /// in place of APGD-T and FAB-T, and Square. On the networks that it was measured on it breaks every sample that the standard
    /// version breaks (docs/benchmarks.md), but papers compare by the standard one.
    pub fn lean<const D: usize>(&self) -> Vec<Arc<dyn Attack<D>>> {
        let targeted = self.targeted.clone().with_compaction();
        let ce = self.ce.clone().with_compaction();
        let restarts = ce.restarts().max(2);
        vec![
            Arc::new(ce.with_restarts(restarts)),
            Arc::new(Scouted::of(targeted, self.fab.clone())),
            Arc::new(self.square.clone()),
        ]
    }

    /// Version "rand", for a model that draws: APGD-CE and APGD on DLR, each gradient the mean over 20 draws of the model.
    /// (For fewer than three classes there is no DLR: use [`Eot`] with [`Apgd::ce`].)
    pub fn rand<const D: usize>() -> Vec<Arc<dyn Attack<D>>> {
        const DRAWS: usize = 20;
        vec![Arc::new(Eot::new(Apgd::ce(), DRAWS)), Arc::new(Eot::new(Apgd::dlr(), DRAWS))]
    }

    /// With fewer targets for APGD-T and FAB-T, for models of fewer than 10 classes; below the
    /// number of classes. Default: 9.
    #[must_use]
    pub fn with_targets(self, targets: usize) -> Self {
        let (targeted, fab) = (self.targeted.with_targets(targets), self.fab.with_targets(targets));
        Self { targeted, fab, ..self }
    }

    /// With the margin in place of DLR in APGD-T, for models of two or three classes.
    #[must_use]
    pub fn with_margin(self) -> Self {
        Self { targeted: self.targeted.with_objective(Objective::Margin), ..self }
    }

    /// For models of this many classes: with as many targets as there are wrong ones, and the margin in place
    /// of DLR where there are too few for that.
    #[must_use]
    pub fn for_classes(self, classes: usize) -> Self {
        match classes {
            10.. => self,
            4.. => {
                let wrong = classes - 1;
                let fewer = self.targeted.targets().min(wrong);
                let all = self.with_targets(wrong);
                Self { targeted: all.targeted.clone().with_targets(fewer), ..all }
            }
            _ => self.with_targets(classes.max(2) - 1).with_margin(),
        }
    }

    /// With another number of queries for Square; at least 1. Default: 5,000.
    #[must_use]
    pub fn with_queries(self, queries: usize) -> Self {
        Self { square: self.square.with_queries(queries), ..self }
    }

    /// As [`Apgd::with_compaction`]: the same verdicts at less cost.
    #[must_use]
    pub fn with_compaction(self) -> Self {
        let (ce, targeted) = (self.ce.with_compaction(), self.targeted.with_compaction());
        Self { ce, targeted, ..self }
    }

    /// The four attacks, in their order.
    pub fn attacks<const D: usize>(&self) -> Vec<Arc<dyn Attack<D>>> {
        vec![
            Arc::new(self.ce.clone()),
            Arc::new(self.targeted.clone()),
            Arc::new(self.fab.clone()),
            Arc::new(self.square.clone()),
        ]
    }
}
