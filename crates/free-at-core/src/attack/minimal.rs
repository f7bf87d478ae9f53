//! Attacks that look for the smallest perturbation.

use burn::tensor::Tensor;

use super::closest::Closest;
use super::interface::Attack;
use super::search::{Pace, Search, Visit, drive};
use super::survivors::Turn;
use super::task::AttackTask;
use crate::error::Error;

/// An attack that looks for the smallest perturbation. ε has no part in that: it only says which of the examples that it
/// finds count when it is run as an [`Attack`].
pub trait MinimalAttack<const D: usize>: Attack<D> {
    /// Run `run`, as [`minimize`] does it: where a sample may not leave, the closest examples are there for all of them.
    ///
    /// # Errors
    /// Those of [`run_once`](Attack::run_once).
    fn search(
        &self,
        task: &AttackTask<D>,
        run: usize,
        leaves: bool,
    ) -> Result<(Tensor<D>, Closest<D>), Error>;

    /// Of each sample the adversarial example closest to it that run `run` finds, at whatever distance.
    ///
    /// # Errors
    /// Those of [`run_once`](Attack::run_once).
    fn closest(&self, task: &AttackTask<D>, run: usize) -> Result<Closest<D>, Error> {
        Ok(self.search(task, run, false)?.1)
    }
}

/// What such an attack does at each step; [`minimize`] does the rest.
///
/// The task is that of the samples at work: what is kept here has a row for each of them, in the same order.
pub trait Approach<const D: usize> {
    /// One step of every sample. Points at which the model was asked are [offered](Closest::offer) to the closest so
    /// far.
    ///
    /// # Errors
    /// Those of the model.
    fn step(&mut self, task: &AttackTask<'_, D>, closest: &mut Closest<D>) -> Result<(), Error>;

    /// Keeps what it knows of the samples that stay.
    fn turn(&mut self, turn: &Turn);
}

/// Runs an approach for so many steps: of each sample the closest example if that is within ε, otherwise the input,
/// `[n, …]`; and the closest examples, at whatever distance, if nobody leaves. Where somebody may, a sample does as soon
/// as it has one within ε. Where the model may not be asked any more, what was found so far is the result, and the closest
/// examples [say so](Closest::is_cut_short).
///
/// # Errors
/// Those of the approach, and [`Error::Read`] if the device fails.
pub fn minimize<A: Approach<D>, const D: usize>(
    task: &AttackTask<'_, D>,
    steps: usize,
    leaves: bool,
    approach: A,
) -> Result<(Tensor<D>, Closest<D>), Error> {
    let approaching = Approaching { approach, closest: Closest::new(task) };
    let pace = Pace { steps, leaves, refills: false };
    let (adversarial, approaching) = drive(task, pace, approaching)?;
    Ok((adversarial, approaching.closest))
}

struct Approaching<A, const D: usize> {
    approach: A,
    closest: Closest<D>,
}

impl<A: Approach<D>, const D: usize> Search<D> for Approaching<A, D> {
    fn step(&mut self, task: &AttackTask<'_, D>) -> Result<Option<Visit<D>>, Error> {
        // The steps that are left find nothing more, and ask nothing.
        if !self.closest.is_cut_short() {
            match self.approach.step(task, &mut self.closest) {
                Err(Error::QueriesSpent { .. }) => self.closest.cut_short(),
                step => step?,
            }
        }
        Ok(Some(self.closest.visit(task)))
    }

    fn turn(&mut self, turn: &Turn) {
        self.approach.turn(turn);
        self.closest.turn(turn);
    }

    fn last(&self, task: &AttackTask<'_, D>) -> Tensor<D> {
        task.inputs().clone()
    }
}
