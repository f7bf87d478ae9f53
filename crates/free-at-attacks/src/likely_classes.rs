//! What APGD-T and FAB-T share: aiming at the most likely wrong classes in turn.

use burn::tensor::{Int, Tensor};
use free_at_core::{AttackTask, Error, Target};

/// The number of classes to aim at, as published.
pub(crate) const TARGETS: usize = 9;

/// Accepts at least one target.
pub(crate) fn check_targets(attack: &'static str, targets: usize) -> Result<(), Error> {
    match targets {
        0 => Err(Error::AttackParameter {
            attack,
            parameter: "the number of targets",
            allowed: "at least 1",
            value: 0.0,
        }),
        _ => Ok(()),
    }
}

/// Accepts models with more classes than targets; a targeted task has its own.
pub(crate) fn enough_classes(targets: usize, classes: usize, targeted: bool) -> Result<(), Error> {
    match !targeted && targets >= classes {
        true => Err(Error::TargetClass { class: targets, classes }),
        false => Ok(()),
    }
}

/// As many targets as a model of so many classes has wrong ones, if that is fewer.
pub(crate) fn fewer(targets: usize, classes: usize) -> Option<usize> {
    (targets >= classes && classes >= 2).then(|| classes - 1)
}

/// How many runs that takes.
pub(crate) fn runs(targets: usize, restarts: usize, targeted: bool) -> usize {
    if targeted { restarts } else { targets * restarts }
}

/// The class that run `run` drives each sample towards, `[n]`: the task's target, or else the wrong
/// class that is due.
pub(crate) fn aim<const D: usize>(
    task: &AttackTask<D>,
    run: usize,
    restarts: usize,
) -> Result<Tensor<1, Int>, Error> {
    if let Some(target) = task.goal().target() {
        return Ok(target);
    }
    let clean = task.logits(task.inputs().clone())?;
    let target = Target::MostLikely(1 + run / restarts);
    target.classes(&clean, &task.goal().truth(), task.draws())
}
