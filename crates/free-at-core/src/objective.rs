//! What an attack maximises: one value per sample.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, Int, Tensor};
use serde::{Deserialize, Serialize};

use crate::Error;

/// The labels an attack works with: the true class of each sample, `[n]`, and for a targeted
/// attack the class it aims at, `[n]`.
#[derive(Debug, Clone)]
pub struct Labels {
    truth: Tensor<1, Int>,
    target: Option<Tensor<1, Int>>,
}

impl Labels {
    /// Untargeted: any class but the true one will do.
    pub fn untargeted(truth: Tensor<1, Int>) -> Self {
        Self { truth, target: None }
    }

    /// Targeted: the sample is to be taken for `target`.
    ///
    /// # Errors
    /// [`Error::BatchLength`] if there are more targets than true labels or fewer.
    pub fn targeted(truth: Tensor<1, Int>, target: Tensor<1, Int>) -> Result<Self, Error> {
        let ([inputs], [labels]) = (truth.dims(), target.dims());
        match inputs == labels {
            true => Ok(Self { truth, target: Some(target) }),
            false => Err(Error::BatchLength { inputs, labels }),
        }
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.truth.dims()[0]
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The true class of each sample, `[n]`.
    pub fn truth(&self) -> Tensor<1, Int> {
        self.truth.clone()
    }

    /// The class each sample is to be taken for, `[n]`, if the attack is targeted.
    pub fn target(&self) -> Option<Tensor<1, Int>> {
        self.target.clone()
    }

    /// The labels of the samples at these positions, `[k]`.
    #[must_use]
    pub fn select(&self, positions: &Tensor<1, Int>) -> Self {
        let at = |labels: &Tensor<1, Int>| labels.clone().select(0, positions.clone());
        Self { truth: at(&self.truth), target: self.target.as_ref().map(at) }
    }

    /// Which samples these logits, `[n, classes]`, get wrong (untargeted) or take for the target
    /// (targeted), `[n]`.
    ///
    /// Logits of which one is no finite number are no answer, so they are wrong, and they name no
    /// target.
    pub fn fooled(&self, logits: Tensor<2>) -> Tensor<1, Bool> {
        let answers = logits.clone().is_finite().all_dim(1).squeeze_dim::<1>(1);
        let predicted = logits.argmax(1).squeeze_dim::<1>(1);
        match &self.target {
            None => answers.bool_and(predicted.equal(self.truth.clone())).bool_not(),
            Some(target) => answers.bool_and(predicted.equal(target.clone())),
        }
    }
}

/// The function of the logits that an attack ascends, one value per sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Cross-entropy: −log p(y), or log p(t) for a target t.
    #[default]
    CrossEntropy,
    /// Margin of Carlini and Wagner (2017), f₆ without its floor: max over j ≠ y of zⱼ, minus
    /// z_y; for a target t, z_t minus the largest other logit. Above 0 exactly where the attack
    /// has succeeded.
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
    /// a target.
    pub fn values(self, logits: Tensor<2>, labels: &Labels) -> Result<Tensor<1>, Error> {
        Ok(match (self, &labels.target) {
            (Self::CrossEntropy, None) => of_class(log_softmax(logits, 1), &labels.truth).neg(),
            (Self::CrossEntropy, Some(target)) => of_class(log_softmax(logits, 1), target),
            (Self::Margin, None) => margin(logits, &labels.truth),
            (Self::Margin, Some(target)) => margin(logits, target).neg(),
            (Self::Dlr, None) => {
                let top = largest::<3>(&logits)?;
                margin(logits, &labels.truth) / (at(&top, 0) - at(&top, 2)).add_scalar(DLR_FLOOR)
            }
            (Self::Dlr, Some(target)) => {
                let top = largest::<4>(&logits)?;
                let gap = at(&top, 0) - (at(&top, 2) + at(&top, 3)).mul_scalar(0.5);
                let rise = of_class(logits.clone(), target) - of_class(logits, &labels.truth);
                rise / gap.add_scalar(DLR_FLOOR)
            }
        })
    }
}

/// The largest logit of another class minus that of `class`.
fn margin(logits: Tensor<2>, class: &Tensor<1, Int>) -> Tensor<1> {
    const NEVER_LARGEST: f32 = -1e30;
    let classes = logits.dims()[1];
    let columns = Tensor::<1, Int>::arange(0..classes as i64, &logits.device());
    let own = class.clone().unsqueeze_dim::<2>(1).equal(columns.unsqueeze_dim(0));
    let other = logits.clone().mask_fill(own, NEVER_LARGEST).max_dim(1).squeeze_dim::<1>(1);
    other - of_class(logits, class)
}

/// Column `class[i]` of each row i.
fn of_class(rows: Tensor<2>, class: &Tensor<1, Int>) -> Tensor<1> {
    rows.gather(1, class.clone().unsqueeze_dim(1)).squeeze_dim(1)
}

/// The K largest logits of each row, `[n, K]`, descending.
fn largest<const K: usize>(logits: &Tensor<2>) -> Result<Tensor<2>, Error> {
    match logits.dims()[1] {
        found if found < K => Err(Error::TooFewClasses { expected: K, found }),
        _ => {
            let (_, order) = logits.clone().detach().topk_with_indices(K, 1);
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
    use burn::tensor::{Device, Tolerance};

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

    fn assert_values(objective: Objective, labels: &Labels, expected: [f32; 3]) {
        let values = objective.values(logits(), labels).unwrap();
        values.into_data().assert_approx_eq::<f32>(&expected.into(), Tolerance::absolute(1e-6));
    }

    #[test]
    fn values_match_the_formulas_worked_by_hand() {
        let untargeted = Labels::untargeted(ints([0, 1, 3]));
        assert_values(Objective::Margin, &untargeted, [-1.0, 2.0, -3.0]);
        assert_values(Objective::Dlr, &untargeted, [-1.0 / 3.0, 2.0 / 2.5, -3.0 / 4.0]);
        let targeted = Labels::targeted(ints([0, 1, 3]), ints([2, 0, 0])).unwrap();
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
        let labels = Labels::untargeted(ints([0, 1, 3]));
        assert_values(Objective::CrossEntropy, &labels, expected.try_into().unwrap());
    }

    #[test]
    fn dlr_needs_three_classes_and_four_with_a_target() {
        let three = logits().slice([0..3, 0..3]);
        let labels = Labels::targeted(ints([0, 1, 2]), ints([1, 2, 0])).unwrap();
        assert_eq!(
            Objective::Dlr.values(three, &labels).unwrap_err(),
            Error::TooFewClasses { expected: 4, found: 3 }
        );
    }

    #[test]
    fn fooled_tells_untargeted_from_targeted_success() {
        let read = |labels: Labels| -> Vec<i32> {
            labels.fooled(logits()).int().try_into_vec_as().unwrap()
        };
        assert_eq!(read(Labels::untargeted(ints([0, 1, 3]))), [0, 1, 0]);
        let targeted = Labels::targeted(ints([0, 1, 3]), ints([2, 0, 0])).unwrap();
        assert_eq!(read(targeted), [0, 1, 0]);
    }

    #[test]
    fn logits_that_are_no_numbers_are_wrong_and_name_no_target() {
        let logits = Tensor::from_data(
            [[f32::NAN, 0.0, 0.0], [f32::INFINITY, 0.0, 0.0], [1.0, 0.0, 0.0]],
            &Device::flex(),
        );
        let read = |labels: Labels| -> Vec<i32> {
            labels.fooled(logits.clone()).int().try_into_vec_as().unwrap()
        };
        assert_eq!(read(Labels::untargeted(ints([0, 0, 0]))), [1, 1, 0]);
        let targeted = Labels::targeted(ints([1, 1, 1]), ints([0, 0, 0])).unwrap();
        assert_eq!(read(targeted), [0, 0, 1]);
    }
}
