//! The learning rate of a recipe, before it is known how long a training is.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{RecipeError, Schedule};

/// How the learning rate goes over a training of any length.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rate {
    /// The same always.
    Constant {
        /// The rate.
        rate: f64,
    },
    /// It falls at some shares of all optimiser steps.
    Shares {
        /// The rate at first.
        rate: f64,
        /// What it is multiplied with each time.
        factor: f64,
        /// Shares, from 0 to 1, ascending.
        at: Vec<f64>,
    },
    /// It falls every so many epochs of ordinary training, `epochs / m` passes rounded up for Free-m.
    EveryEpochs {
        /// The rate at first.
        rate: f64,
        /// What it is multiplied with each time.
        factor: f64,
        /// Epochs of ordinary training; at least 1.
        epochs: usize,
    },
    /// Linearly from 0 to a peak in the middle and back.
    Triangle {
        /// The highest rate.
        peak: f64,
    },
    /// Half a cosine, from the rate to 0.
    Cosine {
        /// The rate at first.
        rate: f64,
    },
}

impl Rate {
    /// The same with another highest rate.
    #[must_use]
    pub fn with_highest(mut self, highest: f64) -> Self {
        match &mut self {
            Self::Constant { rate }
            | Self::Shares { rate, .. }
            | Self::EveryEpochs { rate, .. }
            | Self::Cosine { rate }
            | Self::Triangle { peak: rate } => *rate = highest,
        }
        self
    }

    /// Accepts what [`Schedule`] cannot see any more once it is made for a training.
    ///
    /// # Errors
    /// [`RecipeError::Parameter`].
    pub fn check(&self) -> Result<(), RecipeError> {
        match self {
            Self::Shares { at, .. } => {
                let outside = at.iter().find(|share| !(0.0..=1.0).contains(*share));
                if let Some(share) = outside {
                    return Err(RecipeError::parameter("a share of the steps", "0 to 1", share));
                }
                match at.is_sorted() {
                    true => Ok(()),
                    false => {
                        let found = format!("{at:?}");
                        Err(RecipeError::parameter("the shares of the steps", "ascending", found))
                    }
                }
            }
            Self::EveryEpochs { epochs: 0, .. } => {
                Err(RecipeError::parameter("the epochs between two rates", "at least 1", 0))
            }
            _ => Ok(()),
        }
    }

    /// For a training of so many optimiser steps, `pass` of them in a pass over the data, by a method that replays
    /// each minibatch so often.
    pub fn schedule(&self, steps: usize, pass: usize, replays: usize) -> Schedule {
        match self {
            Self::Constant { rate } => Schedule::Constant { rate: *rate },
            Self::Shares { rate, factor, at } => {
                let at = at.iter().map(|share| (share * steps as f64) as usize).collect();
                Schedule::Piecewise { rate: *rate, factor: *factor, at }
            }
            Self::EveryEpochs { rate, factor, epochs } => {
                let every = pass * epochs.div_ceil(replays.max(1));
                let at = (1..).map(|n| n * every.max(1)).take_while(|at| *at < steps).collect();
                Schedule::Piecewise { rate: *rate, factor: *factor, at }
            }
            Self::Triangle { peak } => Schedule::Triangle { peak: *peak, steps },
            Self::Cosine { rate } => Schedule::Cosine { rate: *rate, steps },
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant { rate } => write!(f, "{rate}"),
            Self::Shares { rate, factor, at } => {
                write!(f, "{rate}, × {factor} at {at:?} of all steps")
            }
            Self::EveryEpochs { rate, factor, epochs } => {
                write!(f, "{rate}, × {factor} every {epochs} epochs, divided by the replays")
            }
            Self::Triangle { peak } => write!(f, "linearly 0 to {peak} to 0"),
            Self::Cosine { rate } => write!(f, "half a cosine, {rate} to 0"),
        }
    }
}
