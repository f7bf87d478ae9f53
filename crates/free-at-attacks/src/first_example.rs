//! Where attacks that know labels alone start.

use burn::tensor::{Bool, Tensor};
use free_at_core::rows::{for_each_feature, nobody};
use free_at_core::{AttackTask, Error};

/// Of each sample some point that fools the model, however far away.
pub(crate) struct FirstExample<const D: usize> {
    /// The point, `[n, …]`; the input where there is none.
    pub(crate) point: Tensor<D>,
    /// Of which samples there is one, `[n]`.
    pub(crate) found: Tensor<1, Bool>,
}

impl<const D: usize> FirstExample<D> {
    /// The task's own start where it has one, or else noise: uniform within the input bounds, or normal around the input, wider
    /// and wider, where there are none. Fifty draws at most; a sample that has one is not asked about again but with the others.
    pub(crate) fn find(task: &AttackTask<'_, D>) -> Result<Self, Error> {
        const DRAWS: usize = 50;
        let mut first = Self { point: task.inputs().clone(), found: nobody(task.inputs()) };
        for draw in 0..DRAWS {
            let there = Self::start(task, draw);
            let new = task.fooled_by(there.clone())?.bool_and(first.found.clone().bool_not());
            let rows = for_each_feature(new.clone(), &there);
            first.point = first.point.mask_where(rows, there);
            first.found = first.found.bool_or(new);
            let all = first.found.clone().all().int().try_into_scalar::<i64>();
            if all.map_err(Error::unreadable)? != 0 {
                break;
            }
        }
        Ok(first)
    }

    fn start(task: &AttackTask<'_, D>, draw: usize) -> Tensor<D> {
        let (allowed, inputs) = (task.allowed(), task.inputs());
        let (shape, device) = (inputs.dims(), inputs.device());
        if let (0, Some(given)) = (draw, task.start()) {
            return given.clone();
        }
        let draws = task.draws().for_restart(0).for_step(draw);
        let delta = match allowed.room(inputs) {
            Some((low, high)) => {
                let share = draws.uniform(shape, &device).mul_scalar(0.5).add_scalar(0.5);
                let (low, high) = (low.clamp(-FAR, FAR), high.clamp(-FAR, FAR));
                low.clone() + (high - low) * share
            }
            None => allowed
                .from_units(draws.normal(shape, &device))
                .mul_scalar(1.5_f64.powi(draw as i32)),
        };
        let delta = allowed.one_way(allowed.only_free(delta));
        allowed.clamp(inputs.clone() + delta)
    }
}

/// How far a feature without a bound goes.
const FAR: f64 = 1e3;
