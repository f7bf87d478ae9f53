//! Attacks that are a function.

use std::fmt;

use burn::tensor::Tensor;
use free_at::Norm;
use free_at::attacks::{Attack, AttackParameters, AttackTask};
use free_at::prelude::*;
use serde::Serialize;

/// One that takes a task to adversarial examples, without a gradient and in every norm.
#[derive(Clone, Serialize)]
pub(crate) struct AttackOf<F> {
    name: &'static str,
    #[serde(skip)]
    run: F,
}

/// The attack of this function.
pub(crate) fn attack_of<F, const D: usize>(name: &'static str, run: F) -> AttackOf<F>
where
    F: Fn(&AttackTask<'_, D>) -> Result<Tensor<D>, Error>,
{
    AttackOf { name, run }
}

impl<F> fmt::Debug for AttackOf<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl<F: Send + Sync> AttackParameters for AttackOf<F> {
    fn name(&self) -> String {
        self.name.into()
    }

    fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    fn gradient_computations(&self) -> usize {
        0
    }

    fn norms(&self) -> &'static [Norm] {
        &Norm::ALL
    }
}

impl<F, const D: usize> Attack<D> for AttackOf<F>
where
    F: Fn(&AttackTask<'_, D>) -> Result<Tensor<D>, Error> + Send + Sync,
{
    fn run_once(&self, task: &AttackTask<D>, _: usize) -> Result<Tensor<D>, Error> {
        (self.run)(task)
    }
}
