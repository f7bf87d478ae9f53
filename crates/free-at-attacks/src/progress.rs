//! Who wants to know how far an evaluation is.

use std::ops::ControlFlow;

/// Is told how far an evaluation is, and may stop it.
///
/// Any function of that form will do.
///
/// ```
/// use std::ops::ControlFlow;
/// use free_at_attacks::{Evaluation, EvaluationProgress, Fgsm};
/// use free_at_core::{Epsilon, ThreatModel};
///
/// let evaluation = Evaluation::<4>::new(ThreatModel::linf(Epsilon::pixels(8.0)))
///     .attack(Fgsm::new())
///     .with_progress(|at: &EvaluationProgress| {
///         println!("{} {}/{}", at.attack, at.done, at.samples);
///         ControlFlow::Continue(())
///     });
/// ```
pub trait Progress: Send + Sync {
    /// Called after each batch; by attacks that refill theirs, after each eight. `Break` stops the evaluation with
    /// [`EvaluationError::Stopped`](crate::EvaluationError::Stopped); what is finished stays in its record, if it
    /// has one.
    fn update(&self, at: &EvaluationProgress) -> ControlFlow<()>;
}

impl<F: Fn(&EvaluationProgress) -> ControlFlow<()> + Send + Sync> Progress for F {
    fn update(&self, at: &EvaluationProgress) -> ControlFlow<()> {
        self(at)
    }
}

/// How far an evaluation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationProgress {
    /// The attack at work.
    pub attack: String,
    /// Whether its examples are quantized onto the lattice of 8-bit images.
    pub quantized: bool,
    /// Its run, from 0, and how many there are.
    pub run: usize,
    /// See [`run`](Self::run).
    pub runs: usize,
    /// The samples this run has done.
    pub done: usize,
    /// The samples this run has to do.
    pub samples: usize,
    /// The samples this attack has broken so far.
    pub broken: usize,
}
