//! What tells one training method from another.

use std::fmt::Debug;

use super::step::{Descent, Step};
use crate::model::classifier::Trainable;
use crate::threat::threat_model::ThreatModel;
use crate::train::TrainError;

/// The configuration of a training method, whatever the rank of its inputs.
pub trait Method: Clone + Debug + Send + Sync + 'static {
    /// The name in tables and reports, lower case: `free-8`.
    fn name(&self) -> String;

    /// Accepts a configuration the method can run with.
    ///
    /// # Errors
    /// One variant per parameter that is out of range.
    fn check(&self) -> Result<(), TrainError>;

    /// How often in a row each minibatch is trained on. Default: once.
    fn replays(&self) -> usize {
        1
    }

    /// What is trained against. The inputs of a training's first batch must be within its bounds. Default: nothing.
    fn threat(&self) -> Option<&ThreatModel> {
        None
    }

    /// Gradient computations (a forward and a backward pass each) in one optimiser step.
    fn gradient_computations(&self) -> usize;

    /// How many answers of the model the descended loss is of: so many of the gradient computations are the descent.
    /// Default: 1.
    fn answers(&self) -> usize {
        1
    }
}

/// A training method for inputs of rank `D`: how it finds the gradient to descend.
pub trait Descend<const D: usize>: Method {
    /// The forward and backward passes of one optimiser step: the last of them is one of the step's
    /// `descend`, `descend_at` and `descend_on`.
    ///
    /// # Errors
    /// Whatever keeps the step from being taken; the parameters are then left as they were. An error of your
    /// own is [`Error::other`](crate::Error::other).
    fn descend<C: Trainable<D>>(&self, step: &mut Step<'_, C, D>) -> Result<Descent, TrainError>;
}
