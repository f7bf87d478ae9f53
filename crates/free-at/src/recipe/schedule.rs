//! The learning rate as a function of the optimiser step.

use std::fmt;

use burn::optim::LearningRate;
use burn::optim::lr_scheduler::{LrScheduler, LrSchedulerRecord};
use serde::{Deserialize, Serialize};

use super::RecipeError;

/// The learning rate at each optimiser step, counted from 0, replays included.
///
/// Burn has a constant, a cosine and a linear rate; these are written beside the published ones because a
/// run is easier to trust when its schedule is one function of the step, held to the reference's numbers.
///
/// ```
/// use free_at::recipe::Schedule;
///
/// let schedule = Schedule::Triangle { peak: 0.04, steps: 100 };
/// assert_eq!([0, 25, 50, 75].map(|step| schedule.rate(step)), [0.0, 0.02, 0.04, 0.02]);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// The same rate always.
    Constant {
        /// The rate.
        rate: f64,
    },
    /// A rate that falls at some steps.
    Piecewise {
        /// The rate at first.
        rate: f64,
        /// What it is multiplied with each time.
        factor: f64,
        /// The first step of each lower rate, ascending.
        at: Vec<usize>,
    },
    /// Linearly from 0 to a peak in the middle and back: PyTorch's `CyclicLR` as fast_adversarial uses it.
    Triangle {
        /// The highest rate.
        peak: f64,
        /// All steps; above 0.
        steps: usize,
    },
    /// Half a cosine, from the rate to 0.
    Cosine {
        /// The rate at first.
        rate: f64,
        /// All steps; above 0.
        steps: usize,
    },
}

impl Schedule {
    /// The rate of a step, from 0. After the last step of a triangle or cosine it is 0.
    pub fn rate(&self, step: usize) -> f64 {
        let share = |steps: usize| (step as f64 / steps as f64).min(1.0);
        match self {
            Self::Constant { rate } => *rate,
            Self::Piecewise { rate, factor, at } => {
                let passed = at.iter().filter(|first| step >= **first).count();
                rate * factor.powi(passed as i32)
            }
            Self::Triangle { peak, steps } => peak * (1.0 - (2.0 * share(*steps) - 1.0).abs()),
            Self::Cosine { rate, steps } => {
                rate * 0.5 * (1.0 + (std::f64::consts::PI * share(*steps)).cos())
            }
        }
    }

    /// Accepts rates that are numbers, and lengths above 0.
    ///
    /// # Errors
    /// [`RecipeError::Parameter`].
    pub fn check(&self) -> Result<(), RecipeError> {
        let (rate, steps) = match self {
            Self::Constant { rate } | Self::Piecewise { rate, .. } => (rate, 1),
            Self::Triangle { peak, steps } => (peak, *steps),
            Self::Cosine { rate, steps } => (rate, *steps),
        };
        if !(rate.is_finite() && *rate > 0.0) {
            return Err(RecipeError::parameter("the learning rate", "finite and above 0", rate));
        }
        if let Self::Piecewise { factor, .. } = self
            && !(factor.is_finite() && *factor > 0.0)
        {
            return Err(RecipeError::parameter("the rate's factor", "finite and above 0", factor));
        }
        match steps {
            0 => Err(RecipeError::parameter("the steps of a schedule", "at least 1", 0)),
            _ => Ok(()),
        }
    }

    /// The schedule as Burn's training loop wants it. Its record is the number of steps taken.
    pub fn scheduler(self) -> StepSchedule {
        StepSchedule { schedule: self, step: 0 }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant { rate } => write!(f, "{rate}"),
            Self::Piecewise { rate, factor, at } => write!(f, "{rate}, × {factor} at steps {at:?}"),
            Self::Triangle { peak, steps } => write!(f, "0 to {peak} to 0 over {steps} steps"),
            Self::Cosine { rate, steps } => write!(f, "cosine from {rate} to 0 over {steps} steps"),
        }
    }
}

/// A [`Schedule`] and where it is.
#[derive(Debug, Clone)]
pub struct StepSchedule {
    schedule: Schedule,
    step: usize,
}

const STEP: &str = "step";

impl LrScheduler for StepSchedule {
    fn step(&mut self) -> LearningRate {
        self.step += 1;
        self.schedule.rate(self.step - 1)
    }

    fn to_record(&self) -> LrSchedulerRecord {
        LrSchedulerRecord::new().with_scalar(STEP, self.step as u64)
    }

    fn load_record(&mut self, record: LrSchedulerRecord) {
        self.step = record.scalar::<u64>(STEP).unwrap_or_default() as usize;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of f64, over a handful of operations.
    const ROUNDING: f64 = 1e-12;

    fn rates(schedule: &Schedule, steps: &[usize]) -> Vec<f64> {
        steps.iter().map(|step| schedule.rate(*step)).collect()
    }

    fn close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < ROUNDING, "{found}, {expected} expected");
        }
    }

    // The expected numbers are PyTorch's (tests/fixtures/schedules.py).

    #[test]
    fn the_triangle_is_pytorchs_cyclic_rate() {
        let schedule = Schedule::Triangle { peak: 0.04, steps: 31_280 };
        let found = rates(&schedule, &[0, 1, 7_820, 15_640, 15_641, 31_279]);
        let expected = [0.0, 2.557544757e-6, 0.02, 0.04, 0.039997442455242976, 2.557544757e-6];
        close(&found, &expected);
        assert_eq!(schedule.rate(40_000), 0.0);
    }

    #[test]
    fn the_piecewise_rate_is_pytorchs_multi_step_rate() {
        let schedule = Schedule::Piecewise { rate: 0.1, factor: 0.1, at: vec![40_000, 60_000] };
        let found = rates(&schedule, &[0, 39_999, 40_000, 59_999, 60_000, 79_999]);
        close(&found, &[0.1, 0.1, 0.01, 0.01, 0.001, 0.001]);
    }

    #[test]
    fn the_cosine_is_pytorchs() {
        let schedule = Schedule::Cosine { rate: 0.1, steps: 1_000 };
        let found = rates(&schedule, &[0, 1, 250, 500, 999]);
        let expected = [0.1, 0.09999975326009292, 0.08535533905932738, 0.05, 2.467399070893e-7];
        close(&found, &expected);
    }

    #[test]
    fn restored_it_goes_on_where_it_was() {
        let schedule = || Schedule::Triangle { peak: 1.0, steps: 20 }.scheduler();
        let mut uninterrupted = schedule();
        let mut first = schedule();
        (0..7).for_each(|_| {
            uninterrupted.step();
            first.step();
        });
        let mut second = schedule();
        second.load_record(first.to_record());
        for _ in 7..25 {
            assert_eq!(second.step(), uninterrupted.step());
        }
    }

    #[test]
    fn refuses_rates_that_are_none() {
        for wrong in [
            Schedule::Constant { rate: 0.0 },
            Schedule::Triangle { peak: f64::NAN, steps: 5 },
            Schedule::Cosine { rate: 0.1, steps: 0 },
            Schedule::Piecewise { rate: 0.1, factor: -1.0, at: vec![] },
        ] {
            assert!(matches!(wrong.check(), Err(RecipeError::Parameter { .. })), "{wrong}");
        }
    }
}
