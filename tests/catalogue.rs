//! Every attack and every training method, a line each: what a test asserts of one, it asserts of all.
//!
//! A new attack or method is whole once its line is here and the tests pass.

use std::sync::Arc;

use burn::tensor::Device;
use free_at::Objective;
use free_at::attacks::{
    Apgd, ApgdT, Bim, Boundary, Capgd, CwL2, Ddn, Ead, Eot, Fab, FabT, Fmn, HopSkipJump, MiFgsm,
    Moeva, PgdCw, RFgsm, Scouted, SigmaZero, Square,
};
use free_at::prelude::*;
use free_at::train::Method;

/// Every attack, with few steps, for models of three classes and more.
pub(crate) fn attacks<const D: usize>() -> Vec<Arc<dyn Attack<D>>> {
    vec![
        Arc::new(Fgsm::new()),
        Arc::new(RFgsm::new().with_random_share(0.25).with_restarts(2)),
        Arc::new(Bim::new(5)),
        Arc::new(MiFgsm::new(5)),
        Arc::new(Pgd::new(5).with_restarts(3)),
        Arc::new(PgdCw::new(5)),
        Arc::new(Apgd::ce().with_steps(10)),
        Arc::new(Apgd::dlr().with_steps(10).with_compaction()),
        Arc::new(ApgdT::new().with_objective(Objective::Margin).with_steps(10).with_targets(2)),
        Arc::new(FabT::new().with_steps(10).with_targets(2).with_restarts(2)),
        Arc::new(Eot::new(Pgd::new(5), 2)),
        Arc::new(Square::new().with_queries(200)),
        Arc::new(
            Scouted::new()
                .with_objective(Objective::Margin)
                .with_targets(2)
                .keeping(1)
                .with_steps(4),
        ),
        Arc::new(Capgd::new()),
        Arc::new(Moeva::new().with_generations(20).with_population(20).with_children(15)),
        Arc::new(Fab::new().with_steps(10).with_targets(2).with_restarts(2)),
        Arc::new(Ddn::new(40)),
        Arc::new(Fmn::new(40)),
        Arc::new(
            CwL2::new().with_constants(4).with_steps(40).with_first_constant(0.1).with_rate(0.05),
        ),
        Arc::new(Ead::new().with_constants(5).with_steps(40).with_first_constant(0.1)),
        Arc::new(SigmaZero::new(40)),
        Arc::new(HopSkipJump::new().with_steps(12).with_points(40)),
        Arc::new(Boundary::new().with_steps(1_000).with_first_step(0.1)),
    ]
}

/// Those of them that are defined for samples of this shape within `threat`.
pub(crate) fn attacks_within<const D: usize>(
    threat: &ThreatModel,
    sample: &[usize],
) -> Vec<Arc<dyn Attack<D>>> {
    let supports = |attack: &Arc<dyn Attack<D>>| match attack.check_support(threat, sample) {
        Ok(()) => true,
        Err(Error::Unsupported { .. }) => false,
        Err(other) => panic!("{}: {other}", attack.name()),
    };
    attacks().into_iter().filter(supports).collect()
}

/// A trainer of the method on the CPU.
pub(crate) fn trainer_of<M: Method>(method: M) -> Trainer<M> {
    Trainer::new(method, Device::flex()).unwrap()
}

/// `$test(method, $arguments…)` for every training method, against `$adversary`: an [`Adversary`] or a
/// [`ThreatModel`].
macro_rules! for_each_method {
    ($adversary:expr, $test:ident($($argument:expr),*)) => {{
        let adversary = || free_at::train::Adversary::from($adversary);
        $test(StandardConfig::new(), $($argument),*);
        $test(FreeConfig::new(adversary()).with_replays(3), $($argument),*);
        let remembering = FreeConfig::new(adversary()).with_memory($crate::nets::SAMPLES);
        $test(remembering.with_replays(3), $($argument),*);
        $test(AdversarialConfig::new(adversary(), Pgd::new(2)), $($argument),*);
        $test(FastConfig::new(adversary()), $($argument),*);
        $test(free_at::train::NoiseFgsmConfig::new(adversary()), $($argument),*);
        let samples = $crate::nets::SAMPLES;
        $test(free_at::train::MepConfig::new(adversary(), samples).restarting_every(2), $($argument),*);
        $test(free_at::train::TradesConfig::new(adversary()).with_steps(2), $($argument),*);
        $test(free_at::train::MartConfig::new(adversary()).with_steps(2), $($argument),*);
    }};
}

pub(crate) use for_each_method;
