//! What an attack maximises: one value per sample.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};
use serde::{Deserialize, Serialize};

use super::goal::Goal;
use crate::error::Error;
use crate::rows::{class_mask, of_class, predicted};

/// The function of the logits that an attack ascends, one value per sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Cross-entropy: −log p(y), or log p(t) for a target t. Of numbers, the squared error (y − z)².
    #[default]
    CrossEntropy,
    /// Margin of Carlini and Wagner (2017), f₆ without its floor: max over j ≠ y of zⱼ, minus
    /// z_y; for a target t, z_t minus the largest other logit. Above 0 exactly where the attack
    /// has succeeded. Of numbers, |y − z| less the tolerance.
    Margin,
    /// Difference of logits ratio (Croce and Hein 2020), which a rescaling of the logits leaves
    /// unchanged: −(z_y − max over j ≠ y of zⱼ) / (z₍₁₎ − z₍₃₎), or for a target t
    /// −(z_y − z_t) / (z₍₁₎ − (z₍₃₎ + z₍₄₎) / 2), with z₍ₖ₎ the k-th largest logit.
    Dlr,
}

impl std::fmt::Display for Objective {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::CrossEntropy => "the cross-entropy",
            Self::Margin => "the margin",
            Self::Dlr => "the DLR objective",
        })
    }
}

/// Keeps the DLR denominator from 0, as the reference implementation does.
const DLR_FLOOR: f64 = 1e-12;

impl Objective {
    /// What an attack's name has appended when it ascends this: nothing for cross-entropy.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::CrossEntropy => "",
            Self::Margin => "-margin",
            Self::Dlr => "-dlr",
        }
    }

    /// Accepts models with this many classes.
    ///
    /// # Errors
    /// [`Error::TooFewClasses`], as [`values`](Self::values) gives it.
    pub fn check_classes(self, classes: usize, targeted: bool) -> Result<(), Error> {
        let expected = match (self, targeted) {
            (Self::Dlr, true) => 4,
            (Self::Dlr, false) => 3,
            _ => 2,
        };
        match classes < expected {
            true => Err(Error::TooFewClasses { expected, found: classes }),
            false => Ok(()),
        }
    }

    /// The value for each sample, `[n]`, from logits `[n, classes]`; differentiable.
    ///
    /// # Errors
    /// [`Error::TooFewClasses`] for [`Objective::Dlr`] with fewer than three classes, or four with
    /// a target; those of [`Goal::check_logits`].
    pub fn values(self, logits: Tensor<2>, goal: &Goal) -> Result<Tensor<1>, Error> {
        goal.check_logits(logits.dims()[1])?;
        if let Some(numbers) = goal.numbers() {
            return match self {
                Self::CrossEntropy => Ok(numbers.squared(logits)),
                Self::Margin => Ok(numbers.beyond(logits)),
                Self::Dlr => Err(Error::TooFewClasses { expected: 3, found: 1 }),
            };
        }
        Ok(match (self, &goal.target()) {
            (Self::CrossEntropy, None) => of_class(log_softmax(logits, 1), &goal.truth()).neg(),
            (Self::CrossEntropy, Some(target)) => of_class(log_softmax(logits, 1), target),
            (Self::Margin, None) => margin(logits, &goal.truth()),
            (Self::Margin, Some(target)) => margin(logits, target).neg(),
            (Self::Dlr, None) => {
                let top = largest::<3>(&logits)?;
                margin(logits, &goal.truth()) / (at(&top, 0) - at(&top, 2)).add_scalar(DLR_FLOOR)
            }
            (Self::Dlr, Some(target)) => {
                let top = largest::<4>(&logits)?;
                let gap = at(&top, 0) - (at(&top, 2) + at(&top, 3)).mul_scalar(0.5);
                let rise = of_class(logits.clone(), target) - of_class(logits, &goal.truth());
                rise / gap.add_scalar(DLR_FLOOR)
            }
        })
    }
}

/// The largest logit of another class minus that of `class`.
fn margin(logits: Tensor<2>, class: &Tensor<1, Int>) -> Tensor<1> {
    const NEVER_LARGEST: f32 = -1e30;
    let own = class_mask(&logits, class);
    let other = logits.clone().mask_fill(own, NEVER_LARGEST).max_dim(1).squeeze_dim::<1>(1);
    other - of_class(logits, class)
}

/// The K largest logits of each row, `[n, K]`, descending.
fn largest<const K: usize>(logits: &Tensor<2>) -> Result<Tensor<2>, Error> {
    match logits.dims()[1] {
        found if found < K => Err(Error::TooFewClasses { expected: K, found }),
        _ => {
            // One after the other: a sort would wait for the device, on those that sort on the host.
            let mut rest = logits.clone().detach();
            let mut next = || {
                let largest = predicted(rest.clone());
                rest = rest.clone().mask_fill(class_mask(&rest, &largest), f32::NEG_INFINITY);
                largest.unsqueeze_dim::<2>(1)
            };
            let order = Tensor::cat((0..K).map(|_| next()).collect(), 1);
            Ok(logits.clone().gather(1, order))
        }
    }
}

fn at(rows: &Tensor<2>, column: usize) -> Tensor<1> {
    rows.clone().slice_dim(1, column).squeeze_dim(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Int, Tolerance};

    /// Logits of three samples; by hand: margins −1, 2, −3 against labels 0, 1, 3.
    fn logits() -> Tensor<2> {
        Tensor::from_data(
            [[3.0, 2.0, 0.0, -1.0], [2.5, 0.5, 0.0, -0.5], [1.0, 0.0, 2.0, 5.0]],
            &Device::flex(),
        )
    }

    fn ints(values: [i32; 3]) -> Tensor<1, Int> {
        Tensor::from_data(values, &Device::flex())
    }

    fn assert_values(objective: Objective, goal: &Goal, expected: [f32; 3]) {
        let values = objective.values(logits(), goal).unwrap();
        values.into_data().assert_approx_eq::<f32>(&expected.into(), Tolerance::absolute(1e-6));
    }

    #[test]
    fn values_match_the_formulas_worked_by_hand() {
        let untargeted = Goal::untargeted(ints([0, 1, 3]));
        assert_values(Objective::Margin, &untargeted, [-1.0, 2.0, -3.0]);
        assert_values(Objective::Dlr, &untargeted, [-1.0 / 3.0, 2.0 / 2.5, -3.0 / 4.0]);
        let targeted = Goal::targeted(ints([0, 1, 3]), ints([2, 0, 0])).unwrap();
        assert_values(Objective::Margin, &targeted, [-3.0, 2.0, -4.0]);
        assert_values(Objective::Dlr, &targeted, [-3.0 / 3.5, 2.0 / 2.75, -4.0 / 4.5]);
    }

    #[test]
    fn cross_entropy_is_minus_the_log_probability() {
        let expected = logits().iter_dim(0).zip([0, 1, 3]).map(|(row, label)| {
            let row: Vec<f32> = row.try_into_vec_as().unwrap();
            row.iter().map(|z| z.exp()).sum::<f32>().ln() - row[label]
        });
        let expected: Vec<f32> = expected.collect();
        let goal = Goal::untargeted(ints([0, 1, 3]));
        assert_values(Objective::CrossEntropy, &goal, expected.try_into().unwrap());
    }

    #[test]
    fn dlr_needs_three_classes_and_four_with_a_target() {
        let three = logits().slice([0..3, 0..3]);
        let goal = Goal::targeted(ints([0, 1, 2]), ints([1, 2, 0])).unwrap();
        assert_eq!(
            Objective::Dlr.values(three, &goal).unwrap_err(),
            Error::TooFewClasses { expected: 4, found: 3 }
        );
    }
}
