//! What every attack does.

use std::fmt::Debug;

use burn::tensor::Tensor;

use crate::objective::Labels;
use crate::{Draws, Error, FrozenModel, ThreatModel};

/// What an attack is called, costs, and can run with, whatever the rank of its inputs.
pub trait AttackParameters: Debug + Send + Sync {
    /// The name in tables and reports, lower case: `pgd-20`.
    fn name(&self) -> String;

    /// Accepts parameters the attack can run with.
    ///
    /// # Errors
    /// One variant per parameter that is out of range.
    fn check(&self) -> Result<(), Error>;

    /// Gradient computations per sample in one restart.
    fn gradient_computations(&self) -> usize;

    /// How often to run it from a fresh start. Default: once.
    fn restarts(&self) -> usize {
        1
    }
}

/// A way to search a threat model for inputs that a model gets wrong.
///
/// `D` is the rank of the inputs. A deterministic attack ignores the draws.
pub trait Attack<const D: usize>: AttackParameters {
    /// One run, for `inputs` (`[n, …]`): their adversarial examples, within the threat model.
    ///
    /// # Errors
    /// Those of [`AttackParameters::check`], of the threat model, and of the model's evaluation.
    fn run_once(
        &self,
        model: &FrozenModel<D>,
        inputs: &Tensor<D>,
        labels: &Labels,
        threat: &ThreatModel,
        draws: &Draws,
    ) -> Result<Tensor<D>, Error>;

    /// All restarts, for `inputs` (`[n, …]`); of each sample the adversarial example that fools
    /// the model by the widest margin.
    ///
    /// # Errors
    /// Those of [`run_once`](Self::run_once).
    fn perturb(
        &self,
        model: &FrozenModel<D>,
        inputs: &Tensor<D>,
        labels: &Labels,
        threat: &ThreatModel,
        draws: &Draws,
    ) -> Result<Tensor<D>, Error> {
        let run =
            |restart| self.run_once(model, inputs, labels, threat, &draws.for_restart(restart));
        let mut best = run(0)?;
        if self.restarts() <= 1 {
            return Ok(best);
        }
        let margins = |adversarial: &Tensor<D>| {
            crate::Objective::Margin.values(model.logits(adversarial.clone())?, labels)
        };
        let mut best_margin = margins(&best)?;
        for restart in 1..self.restarts() {
            let next = run(restart)?;
            let margin = margins(&next)?;
            let better = margin.clone().greater(best_margin.clone());
            let mut per_sample = [1; D];
            per_sample[0] = inputs.dims()[0];
            let rows = better.clone().reshape(per_sample).expand(inputs.dims());
            best = best.mask_where(rows, next);
            best_margin = best_margin.mask_where(better, margin);
        }
        Ok(best)
    }
}
