//! What C&W and EAD share: the weight of being adversarial beside being near, found sample by sample.

use burn::tensor::{Bool, DType, Tensor};
use free_at_core::rows::{column, nobody};
use free_at_core::{AttackTask, Error, InputGradient, Objective, Turn};

use crate::parameters::{check_counts, check_range};

/// How long to look for the weight, from where, and by how much a wrong answer has to win.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Weighing {
    /// How many weights are tried.
    pub(crate) constants: usize,
    /// Steps with each.
    pub(crate) steps: usize,
    /// The first.
    pub(crate) first: f64,
    pub(crate) confidence: f64,
}

impl Weighing {
    /// As published, with 1,000 steps.
    pub(crate) const PUBLISHED: Self =
        Self { constants: 9, steps: 1_000, first: 1e-3, confidence: 0.0 };

    pub(crate) fn check(&self, attack: &'static str) -> Result<(), Error> {
        check_counts(attack, self.steps, self.constants)?;
        let kept = self.first > 0.0 && self.first.is_finite();
        check_range(kept, attack, "the first constant", "finite and above 0", self.first)?;
        let kept = self.confidence >= 0.0 && self.confidence.is_finite();
        check_range(kept, attack, "the confidence", "finite and at least 0", self.confidence)
    }

    pub(crate) fn name(&self, attack: &str) -> String {
        let Self { constants, steps, confidence, .. } = self;
        match confidence {
            0.0 => format!("{attack}-{constants}x{steps}"),
            confidence => format!("{attack}-{constants}x{steps}-by-{confidence}"),
        }
    }

    pub(crate) fn all_steps(&self) -> usize {
        self.constants * self.steps
    }
}

/// Of each sample the weight that is tried, and between which bounds the least one is that will do.
pub(crate) struct Constants {
    now: Tensor<1>,
    low: Tensor<1>,
    high: Tensor<1>,
    /// Whether an adversarial example has been found with the weight of now.
    found: Tensor<1, Bool>,
}

/// A weight above this has no bound yet.
const UNBOUNDED: f64 = 1e10;

impl Constants {
    pub(crate) fn new<const D: usize>(task: &AttackTask<'_, D>, first: f64) -> Self {
        let device = task.inputs().device();
        let all = |value: f64| Tensor::<1>::full([task.len()], value, (&device, DType::F32));
        let found = nobody(task.inputs());
        Self { now: all(first), low: all(0.0), high: all(UNBOUNDED), found }
    }

    /// The weights, `[n, 1, …]`.
    pub(crate) fn each<const D: usize>(&self) -> Tensor<D> {
        column(self.now.clone())
    }

    /// Takes note of the samples that the weight of now has fooled.
    pub(crate) fn note(&mut self, fooled: Tensor<1, Bool>) {
        self.found = self.found.clone().bool_or(fooled);
    }

    /// The next weight: half-way between the bounds, or ten times as large as long as none has sufficed.
    pub(crate) fn next(&mut self) {
        let missed = self.found.clone().bool_not();
        let (now, ten) = (self.now.clone(), self.now.clone().mul_scalar(10.0));
        let nearer = self.high.clone().min_pair(now.clone());
        self.high = self.high.clone().mask_where(self.found.clone(), nearer);
        let nearer = self.low.clone().max_pair(now.clone());
        self.low = self.low.clone().mask_where(missed.clone(), nearer);
        let bounded = self.high.clone().lower_scalar(UNBOUNDED);
        let half = (self.low.clone() + self.high.clone()).mul_scalar(0.5);
        let unbounded = now.mask_where(missed, ten);
        self.now = unbounded.mask_where(bounded, half);
        self.found = self.found.clone().bool_xor(self.found.clone());
    }

    /// Keeps those of the samples that stay.
    pub(crate) fn turn(&mut self, turn: &Turn) {
        self.now = turn.staying(self.now.clone());
        self.low = turn.staying(self.low.clone());
        self.high = turn.staying(self.high.clone());
        self.found = turn.staying_flags(self.found.clone());
    }
}

/// How far each sample is from being adversarial by `confidence`, max(κ − margin, 0), with its gradient.
pub(crate) fn shortfall<const D: usize>(
    task: &AttackTask<'_, D>,
    adversarial: Tensor<D>,
    confidence: f64,
) -> Result<InputGradient<D>, Error> {
    task.gradient_of(adversarial, |logits| {
        let margin = Objective::Margin.values(logits, task.goal())?;
        Ok(margin.neg().add_scalar(confidence).clamp_min(0.0))
    })
}

/// Which samples the model gets wrong by `confidence`.
pub(crate) fn wins<const D: usize>(
    task: &AttackTask<'_, D>,
    logits: Tensor<2>,
    confidence: f64,
) -> Result<Tensor<1, Bool>, Error> {
    let fooled = task.goal().fooled(logits.clone());
    if confidence == 0.0 {
        return Ok(fooled);
    }
    let margin = Objective::Margin.values(logits, task.goal())?;
    Ok(fooled.bool_and(margin.greater_scalar(confidence)))
}
