//! The budget of a threat model, with its unit.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// How far an adversarial example may be from its input, or how far one step of an attack or a method
/// goes, in the input's own units.
///
/// Images live in [0, 1] here, and normalisation is a layer of the model, so an epsilon is never
/// measured in normalised units, which is the most frequent mistake in robustness code.
///
/// ```
/// use free_at_core::Epsilon;
///
/// assert_eq!(Epsilon::pixels(8.0).value(), 8.0 / 255.0);
/// assert_eq!(Epsilon::pixels(8.0).to_string(), "8/255");
/// assert_eq!("8/255".parse(), Ok(Epsilon::pixels(8.0)));
/// assert_eq!("0.1".parse(), Ok(Epsilon::unit(0.1)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epsilon(f64);

impl Epsilon {
    /// An epsilon of `n` grey levels out of 255, for images in [0, 1].
    ///
    /// The field's usual budgets are 8 for CIFAR (L∞) and 4 for ImageNet.
    pub fn pixels(n: f64) -> Self {
        Self(n / 255.0)
    }

    /// An epsilon in the unit of the inputs: 0.1 of an image's range, say.
    pub fn unit(value: f64) -> Self {
        Self(value)
    }

    /// The budget in the unit of the inputs.
    pub fn value(self) -> f64 {
        self.0
    }

    /// Accepts positive, finite budgets.
    ///
    /// # Errors
    /// [`Error::Epsilon`] for anything else.
    pub fn check(self) -> Result<(), Error> {
        match self.0.is_finite() && self.0 > 0.0 {
            true => Ok(()),
            false => Err(Error::Epsilon { value: self.0 }),
        }
    }

    /// The same as a step size.
    ///
    /// # Errors
    /// [`Error::StepSize`] for anything but positive, finite ones.
    pub fn check_step(self) -> Result<(), Error> {
        match self.check() {
            Ok(()) => Ok(()),
            Err(_) => Err(Error::StepSize { value: self.0 }),
        }
    }
}

impl fmt::Display for Epsilon {
    /// Whole grey levels as `8/255`, everything else as a number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ROUNDING: f64 = 1e-9; // far above the error of n / 255 * 255, far below half a level
        let levels = self.0 * 255.0;
        match (levels - levels.round()).abs() < ROUNDING && levels.round() > 0.0 && levels < 255.0 {
            true => write!(f, "{}/255", levels.round()),
            false => write!(f, "{}", self.0),
        }
    }
}

impl FromStr for Epsilon {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let number = |part: &str| part.trim().parse::<f64>().ok();
        let value = match text.split_once('/') {
            Some((above, below)) => number(above).zip(number(below)).map(|(a, b)| a / b),
            None => number(text),
        };
        let epsilon = Self(value.ok_or_else(|| Error::EpsilonText { text: text.into() })?);
        epsilon.check()?;
        Ok(epsilon)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_budget() {
        for value in [0.0, -0.1, f64::NAN, f64::INFINITY] {
            assert!(matches!(Epsilon::unit(value).check(), Err(Error::Epsilon { .. })));
        }
        assert!(matches!("0".parse::<Epsilon>(), Err(Error::Epsilon { .. })));
        assert!(matches!("1/0".parse::<Epsilon>(), Err(Error::Epsilon { .. })));
        assert!(matches!("eight".parse::<Epsilon>(), Err(Error::EpsilonText { .. })));
    }

    #[test]
    fn prints_grey_levels_as_a_fraction() {
        assert_eq!(Epsilon::pixels(4.0).to_string(), "4/255");
        assert_eq!(Epsilon::unit(0.1).to_string(), "0.1");
        assert_eq!(Epsilon::unit(2.0).to_string(), "2");
    }
}
