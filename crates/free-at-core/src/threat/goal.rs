//! What an attack wants: which answers of the model it counts as a success.

use burn::tensor::{Bool, FloatDType, Int, Tensor};

use super::labels::{KnownLabels, in_own_integers};
use super::numbers::Numbers;
use crate::error::Error;
use crate::rows::{finite, predicted};

/// What an attack wants of each sample: an answer other than its true class, `[n]`, or, if it is targeted,
/// the class that it aims at, `[n]`.
#[derive(Debug, Clone)]
pub struct Goal {
    truth: Tensor<1, Int>,
    target: Option<Tensor<1, Int>>,
    /// Of true classes and targets.
    known: KnownLabels,
    numbers: Option<Numbers>,
}

impl Goal {
    /// Untargeted: any class but the true one will do. The labels are read when a model is first asked about them, to
    /// refuse those of no class of its, unless [`among`](Self::among) says what they are.
    pub fn untargeted(truth: Tensor<1, Int>) -> Self {
        let truth = in_own_integers(truth);
        let known = KnownLabels::of(vec![truth.clone()]);
        Self { truth, target: None, known, numbers: None }
    }

    /// Targeted: the sample is to be taken for `target`.
    ///
    /// # Errors
    /// [`Error::BatchLength`] if there are more targets than true labels or fewer.
    pub fn targeted(truth: Tensor<1, Int>, target: Tensor<1, Int>) -> Result<Self, Error> {
        let ([inputs], [labels]) = (truth.dims(), target.dims());
        match inputs == labels {
            true => {
                let (truth, target) = (in_own_integers(truth), in_own_integers(target));
                let known = KnownLabels::of(vec![truth.clone(), target.clone()]);
                Ok(Self { truth, target: Some(target), known, numbers: None })
            }
            false => Err(Error::BatchLength { inputs, labels }),
        }
    }

    /// The same true classes, to be taken for `target`, classes of the model that an attack has chosen.
    ///
    /// # Errors
    /// Those of [`targeted`](Self::targeted).
    pub fn aiming_at(&self, target: Tensor<1, Int>) -> Result<Self, Error> {
        let known = self.known.clone();
        Ok(Self { known, ..Self::targeted(self.truth(), target)? })
    }

    /// Of a model that answers with a number, its one logit: an answer that is further than `tolerance` from the true one, `[n]`.
    pub fn beyond(truth: Tensor<1>, tolerance: f64) -> Self {
        let device = truth.device().without_autodiff();
        let goal = Self::untargeted(Tensor::zeros(truth.dims(), &device)).among(1);
        goal.of_numbers(Numbers { values: truth, tolerance })
    }

    /// The same, of numbers in place of the labels.
    pub(crate) fn of_numbers(self, numbers: Numbers) -> Self {
        let values = numbers.values.without_autodiff();
        Self { numbers: Some(Numbers { values, ..numbers }), ..self }
    }

    /// Whether it is about numbers.
    pub fn is_of_numbers(&self) -> bool {
        self.numbers.is_some()
    }

    pub(crate) fn numbers(&self) -> Option<&Numbers> {
        self.numbers.as_ref()
    }

    /// The logits as measures of classes want them: themselves, or, of numbers, two whose first is the larger for an answer
    /// that is near enough.
    pub(crate) fn shown(&self, logits: Tensor<2>) -> Tensor<2> {
        let Some(numbers) = &self.numbers else { return logits };
        let near = numbers.near(logits).cast(FloatDType::F32).unsqueeze_dim::<2>(1);
        Tensor::cat(vec![near.clone(), near.neg().add_scalar(1.0)], 1)
    }

    /// The same, where it is known here that all labels are below `classes`: a model with fewer logits is
    /// then refused.
    #[must_use]
    pub fn among(self, classes: usize) -> Self {
        Self { known: KnownLabels::below(classes), ..self }
    }

    /// The same, of which as much is known.
    pub(crate) fn knowing(self, known: KnownLabels) -> Self {
        Self { known, ..self }
    }

    /// Accepts a model with this many logits. The first time it reads the labels, if nothing is known of them yet.
    ///
    /// # Errors
    /// [`Error::Label`] for one of no class, [`Error::Classes`] if they are known to be of more classes; [`Error::Answers`] for
    /// numbers and another number of logits than one; [`Error::Read`] if the device fails.
    pub fn check_logits(&self, logits: usize) -> Result<(), Error> {
        if self.is_of_numbers() && logits != 1 {
            return Err(Error::Answers { found: logits });
        }
        self.known.check(logits)
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

    /// The goal for the first `n` samples.
    pub(crate) fn first(&self, n: usize) -> Self {
        self.select(&Tensor::arange(0..n as i64, &self.truth.device()))
    }

    /// The same off the autodiff device.
    pub(crate) fn without_autodiff(self) -> Self {
        let off = |classes: Tensor<1, Int>| classes.without_autodiff();
        let (truth, target) = (off(self.truth), self.target.map(off));
        Self { truth, target, ..self }
    }

    /// The goal for the samples at these positions, `[k]`.
    #[must_use]
    pub fn select(&self, positions: &Tensor<1, Int>) -> Self {
        let at = |classes: &Tensor<1, Int>| classes.clone().select(0, positions.clone());
        let (truth, target) = (at(&self.truth), self.target.as_ref().map(at));
        let numbers = self.numbers.as_ref().map(|numbers| numbers.select(positions));
        Self { truth, target, known: self.known.clone(), numbers }
    }

    /// Which samples these logits, `[n, classes]`, get wrong (untargeted) or take for the target
    /// (targeted), `[n]`; of numbers, `[n, 1]`, which are not near enough.
    ///
    /// Logits of which one is no finite number are no answer, so they are wrong, and they name no
    /// target.
    pub fn fooled(&self, logits: Tensor<2>) -> Tensor<1, Bool> {
        if let Some(numbers) = &self.numbers {
            return numbers.near(logits).bool_not();
        }
        let answers = finite(logits.clone());
        let predicted = predicted(logits);
        match &self.target {
            None => answers.bool_and(predicted.equal(self.truth.clone())).bool_not(),
            Some(target) => answers.bool_and(predicted.equal(target.clone())),
        }
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
