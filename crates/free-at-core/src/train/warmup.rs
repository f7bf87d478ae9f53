//! A budget that grows over the first steps.

use std::borrow::Cow;

use crate::{Epsilon, ThreatModel};

/// The share of ε that holds at an optimiser step, counted from 0: it rises linearly to 1 over the
/// first `warm_up` steps.
pub(crate) fn share(warm_up: u64, step: u64) -> f64 {
    match warm_up > step {
        true => (step + 1) as f64 / warm_up as f64,
        false => 1.0,
    }
}

/// The threat model with that share of its budget.
pub(crate) fn scaled(threat: &ThreatModel, share: f64) -> Cow<'_, ThreatModel> {
    match share < 1.0 {
        true => {
            let epsilon = Epsilon::unit(share * threat.epsilon().value());
            Cow::Owned(threat.clone().with_epsilon(epsilon))
        }
        false => Cow::Borrowed(threat),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_rises_linearly_and_stays() {
        let shares: Vec<f64> = (0..6).map(|step| share(4, step)).collect();
        assert_eq!(shares, [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]);
        assert_eq!(share(0, 0), 1.0);
        let threat = ThreatModel::linf(Epsilon::pixels(8.0));
        assert_eq!(scaled(&threat, 0.5).epsilon(), Epsilon::unit(4.0 / 255.0));
        assert_eq!(*scaled(&threat, 1.0), threat);
    }
}
