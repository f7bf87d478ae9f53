//! What an attack wants: which answers of the model it counts as a success.

use burn::tensor::{Bool, Int, Tensor};

use crate::error::Error;
use crate::rows::{finite, predicted};

/// What an attack wants of each sample: an answer other than its true class, `[n]`, or, if it is targeted,
/// the class that it aims at, `[n]`.
#[derive(Debug, Clone)]
pub struct Goal {
    truth: Tensor<1, Int>,
    target: Option<Tensor<1, Int>>,
    classes: Option<usize>,
}

impl Goal {
    /// Untargeted: any class but the true one will do.
    pub fn untargeted(truth: Tensor<1, Int>) -> Self {
        Self { truth, target: None, classes: None }
    }

    /// Targeted: the sample is to be taken for `target`.
    ///
    /// # Errors
    /// [`Error::BatchLength`] if there are more targets than true labels or fewer.
    pub fn targeted(truth: Tensor<1, Int>, target: Tensor<1, Int>) -> Result<Self, Error> {
        let ([inputs], [labels]) = (truth.dims(), target.dims());
        match inputs == labels {
            true => Ok(Self { truth, target: Some(target), classes: None }),
            false => Err(Error::BatchLength { inputs, labels }),
        }
    }

    /// The same, where it is known here that all labels are below `classes`: a model with fewer logits is
    /// then refused.
    #[must_use]
    pub fn among(self, classes: usize) -> Self {
        Self { classes: Some(classes), ..self }
    }

    /// Accepts a model with this many logits.
    ///
    /// # Errors
    /// [`Error::Classes`] if the labels are of more classes.
    pub fn check_logits(&self, logits: usize) -> Result<(), Error> {
        check_logits(self.classes, logits)
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

    /// The goal for the samples at these positions, `[k]`.
    #[must_use]
    pub fn select(&self, positions: &Tensor<1, Int>) -> Self {
        let at = |classes: &Tensor<1, Int>| classes.clone().select(0, positions.clone());
        let (truth, target) = (at(&self.truth), self.target.as_ref().map(at));
        Self { truth, target, classes: self.classes }
    }

    /// Which samples these logits, `[n, classes]`, get wrong (untargeted) or take for the target
    /// (targeted), `[n]`.
    ///
    /// Logits of which one is no finite number are no answer, so they are wrong, and they name no
    /// target.
    pub fn fooled(&self, logits: Tensor<2>) -> Tensor<1, Bool> {
        let answers = finite(logits.clone());
        let predicted = predicted(logits);
        match &self.target {
            None => answers.bool_and(predicted.equal(self.truth.clone())).bool_not(),
            Some(target) => answers.bool_and(predicted.equal(target.clone())),
        }
    }
}

/// Accepts a model with this many logits for labels of so many classes, where that is known.
pub(crate) fn check_logits(classes: Option<usize>, logits: usize) -> Result<(), Error> {
    match classes {
        Some(classes) if classes > logits => Err(Error::Classes { classes, logits }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn ints(values: [i32; 3]) -> Tensor<1, Int> {
        Tensor::from_data(values, &Device::flex())
    }

    #[test]
    fn fooled_tells_untargeted_from_targeted_success() {
        let logits = Tensor::<2>::from_data(
            [[3.0, 2.0, 0.0, -1.0], [2.5, 0.5, 0.0, -0.5], [1.0, 0.0, 2.0, 5.0]],
            &Device::flex(),
        );
        let read = |goal: Goal| -> Vec<i32> {
            goal.fooled(logits.clone()).int().try_into_vec_as().unwrap()
        };
        assert_eq!(read(Goal::untargeted(ints([0, 1, 3]))), [0, 1, 0]);
        let targeted = Goal::targeted(ints([0, 1, 3]), ints([2, 0, 0])).unwrap();
        assert_eq!(read(targeted), [0, 1, 0]);
    }

    #[test]
    fn logits_that_are_no_numbers_are_wrong_and_name_no_target() {
        let logits = Tensor::from_data(
            [[f32::NAN, 0.0, 0.0], [f32::INFINITY, 0.0, 0.0], [1.0, 0.0, 0.0]],
            &Device::flex(),
        );
        let read = |goal: Goal| -> Vec<i32> {
            goal.fooled(logits.clone()).int().try_into_vec_as().unwrap()
        };
        assert_eq!(read(Goal::untargeted(ints([0, 0, 0]))), [1, 1, 0]);
        let targeted = Goal::targeted(ints([1, 1, 1]), ints([0, 0, 0])).unwrap();
        assert_eq!(read(targeted), [0, 0, 1]);
    }
}
