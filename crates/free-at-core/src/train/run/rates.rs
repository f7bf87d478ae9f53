//! Learning rates that an optimiser can step with.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::lr_scheduler::module_lr_scheduler::{ModuleLearningRate, ModuleLrScheduler};
use burn::tensor::Tensor;

use crate::train::TrainError;

/// Accepts a schedule with which `model` can take its first steps, of which there are `steps` at least: more are not asked
/// for, since a schedule may know no more.
///
/// # Errors
/// [`TrainError::LearningRate`] for a rate that is no number or below 0, and for rates that are 0 at each of these steps.
pub(crate) fn check_schedule<C: Module>(
    schedule: &ModuleLrScheduler,
    model: &C,
    steps: u64,
) -> Result<(), TrainError> {
    let mut schedule = schedule.clone();
    for step in 1..=steps {
        let rates = rates(&schedule.step(), model);
        let wrong = rates.iter().find(|rate| !is_one(**rate));
        if let Some(&value) = wrong {
            return Err(TrainError::LearningRate { value, step });
        }
        if rates.iter().any(|rate| *rate > 0.0) {
            return Ok(());
        }
    }
    match steps > 1 {
        true => Err(TrainError::LearningRate { value: 0.0, step: 1 }),
        false => Ok(()), // it may rise from 0
    }
}

/// Accepts the learning rate of one step, from 1, which may be 0: schedules begin or end so.
///
/// # Errors
/// [`TrainError::LearningRate`].
pub(crate) fn check_rate(rate: &ModuleLearningRate, step: u64) -> Result<(), TrainError> {
    let value = rate.base();
    match is_one(value) {
        true => Ok(()),
        false => Err(TrainError::LearningRate { value, step }),
    }
}

fn is_one(rate: f64) -> bool {
    rate.is_finite() && rate >= 0.0
}

/// That of each parameter: groups of them have rates of their own.
fn rates<C: Module>(rate: &ModuleLearningRate, model: &C) -> Vec<f64> {
    struct Rates<'a> {
        rate: &'a ModuleLearningRate,
        path: Vec<String>,
        found: Vec<f64>,
    }
    impl ModuleVisitor for Rates<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.into());
        }

        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let path = self.path.join(".");
            self.found.push(self.rate.lr_from_param(param.id, Some(&path)));
        }
    }
    let mut rates = Rates { rate, path: Vec::new(), found: Vec::new() };
    model.visit(&mut rates);
    rates.found
}
