//! An ensemble of attacks for tables.

use std::sync::Arc;

use free_at_core::Attack;

use crate::capgd::Capgd;
use crate::moeva::Moeva;

/// CAA: [`Capgd`], then [`Moeva`] on what is left, as Simonetto, Ghamizi, Cordy (NeurIPS 2024) put them together: the
/// AutoAttack of tables.
///
/// ```
/// use free_at_attacks::{Caa, Evaluation};
/// use free_at_core::{Bounds, Epsilon, ThreatModel};
///
/// let threat = ThreatModel::linf(Epsilon::unit(0.5)).with_bounds(Bounds::None);
/// let evaluation = Evaluation::<2>::new(threat).attacks(Caa::new().attacks());
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Caa {
    capgd: Capgd,
    moeva: Moeva,
}

impl Caa {
    /// Both with their defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with another search.
    #[must_use]
    pub fn with_moeva(mut self, moeva: Moeva) -> Self {
        self.moeva = moeva;
        self
    }

    /// The attacks, in their order.
    pub fn attacks<const D: usize>(self) -> Vec<Arc<dyn Attack<D>>> {
        vec![Arc::new(self.capgd), Arc::new(self.moeva)]
    }
}
