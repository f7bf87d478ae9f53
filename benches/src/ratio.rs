//! The ratio of two measurements, and what it is meant to be.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::measured::Measured;

/// Two things that were measured, and what their ratio is meant to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// Criterion's name of what is divided.
    pub of: String,
    /// Of what it is divided by.
    pub by: String,
    /// The bar.
    pub bar: Bar,
}

/// What a ratio is meant to be. Said, never a reason to fail: machines are noisy.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Bar {
    /// No higher.
    Most(f64),
    /// No lower.
    Least(f64),
    /// Of interest only.
    None,
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Most(bar) => write!(f, "at most {bar}"),
            Self::Least(bar) => write!(f, "at least {bar}"),
            Self::None => Ok(()),
        }
    }
}

impl Ratio {
    /// The ratio of the medians, and of the fastest samples, which other work on the machine disturbs
    /// least; none if either was not measured.
    pub fn of(&self, measured: &BTreeMap<String, Measured>) -> Option<(f64, f64)> {
        let (of, by) = (measured.get(&self.of)?, measured.get(&self.by)?);
        Some((of.median() / by.median(), of.range().0 / by.range().0))
    }
}

/// A ratio of two measurements of the group.
pub fn ratio(group: &str, of: &str, by: &str, bar: Bar) -> Ratio {
    Ratio { of: format!("{group}/{of}"), by: format!("{group}/{by}"), bar }
}
