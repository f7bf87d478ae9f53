//! Which class a targeted attack aims at.

use burn::tensor::{Int, Tensor};
use serde::{Deserialize, Serialize};

use crate::draws::Draws;
use crate::error::Error;
use crate::rows::class_mask;
use crate::threat::goal::Goal;

/// The class that a targeted attack wants each sample to be taken for; never its true class.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use free_at_core::{Draws, Error, Target};
///
/// let logits = Tensor::from_data([[2.0, 0.5, 1.0, -1.0]], &Device::flex());
/// let truth = Tensor::<1, Int>::from_data([0], &Device::flex());
/// let aim = |target: Target| -> Result<Vec<i32>, Error> {
///     let classes = target.classes(&logits, &truth, &Draws::new(0, vec![0]))?;
///     Ok(classes.try_into_vec_as().unwrap())
/// };
/// assert_eq!(aim(Target::LeastLikely)?, [3]);
/// assert_eq!(aim(Target::MostLikely(2))?, [1]);
/// assert_eq!(aim(Target::Given(vec![2]))?, [2]);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// One class for each sample of the data set, in its order.
    Given(Vec<usize>),
    /// The wrong class with the smallest logit on the clean input (Kurakin et al. 2017).
    LeastLikely,
    /// A wrong class drawn uniformly, keyed as every draw is.
    Random,
    /// The wrong class with the k-th largest logit on the clean input, k from 1.
    MostLikely(usize),
}

impl Target {
    /// The goal to be taken for the chosen classes.
    ///
    /// # Errors
    /// Those of [`classes`](Self::classes).
    pub fn goal(
        &self,
        logits: &Tensor<2>,
        truth: &Tensor<1, Int>,
        draws: &Draws,
    ) -> Result<Goal, Error> {
        Goal::targeted(truth.clone(), self.classes(logits, truth, draws)?)
    }

    /// The chosen classes, `[n]`.
    ///
    /// `logits`, `[n, classes]`, are those of the clean inputs, `truth`, `[n]`, their true classes;
    /// `draws` names the samples.
    ///
    /// # Errors
    /// [`Error::TargetClass`] for a class or a k that does not exist, [`Error::TargetIsTruth`] for
    /// a given class that is the true one, [`Error::TargetCount`] if fewer are given than there are
    /// samples, [`Error::TooFewClasses`] for a single class.
    pub fn classes(
        &self,
        logits: &Tensor<2>,
        truth: &Tensor<1, Int>,
        draws: &Draws,
    ) -> Result<Tensor<1, Int>, Error> {
        let classes = logits.dims()[1];
        if classes < 2 {
            return Err(Error::TooFewClasses { expected: 2, found: classes });
        }
        match self {
            Self::Given(given) => given_classes(given, classes, truth, draws),
            Self::LeastLikely => {
                Ok(without_truth(logits, truth, f32::INFINITY).argmin(1).squeeze_dim(1))
            }
            Self::Random => Ok(random_classes(classes, truth, draws)),
            Self::MostLikely(k) if (1..classes).contains(k) => {
                let wrong = without_truth(logits, truth, f32::NEG_INFINITY);
                Ok(wrong.argsort_descending(1).slice_dim(1, k - 1).squeeze_dim(1))
            }
            Self::MostLikely(k) => Err(Error::TargetClass { class: *k, classes }),
        }
    }
}

/// The logits with that of the true class replaced.
fn without_truth(logits: &Tensor<2>, truth: &Tensor<1, Int>, by: f32) -> Tensor<2> {
    logits.clone().mask_fill(class_mask(logits, truth), by)
}

/// One of the classes − 1 wrong ones: those from the true class on move up by one.
fn random_classes(classes: usize, truth: &Tensor<1, Int>, draws: &Draws) -> Tensor<1, Int> {
    let wrong = (classes - 1) as f32;
    let drawn = draws.units(1).iter().map(|unit| (unit[0] * wrong) as i64).collect::<Vec<_>>();
    let drawn = Tensor::<1, Int>::from_data(drawn.as_slice(), &truth.device());
    let from_truth_on = drawn.clone().greater_equal(truth.clone()).int();
    drawn + from_truth_on
}

fn given_classes(
    given: &[usize],
    classes: usize,
    truth: &Tensor<1, Int>,
    draws: &Draws,
) -> Result<Tensor<1, Int>, Error> {
    let truths = truth.try_to_vec_as::<i64>().map_err(Error::unreadable)?;
    let mut targets = Vec::with_capacity(truths.len());
    for (&sample, &truth) in draws.samples().iter().zip(&truths) {
        let class = *given
            .get(sample as usize)
            .ok_or(Error::TargetCount { expected: sample as usize + 1, found: given.len() })?;
        match class {
            class if class >= classes => return Err(Error::TargetClass { class, classes }),
            class if class as i64 == truth => {
                return Err(Error::TargetIsTruth { sample: sample as usize, class });
            }
            class => targets.push(class as i64),
        }
    }
    Ok(Tensor::from_data(targets.as_slice(), &truth.device()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    const CLASSES: usize = 4;

    fn aim(target: &Target, truth: [i64; 2], samples: [u64; 2]) -> Result<Vec<i64>, Error> {
        let device = Device::flex();
        let logits = Tensor::from_data([[0.1, 3.0, 2.0, -1.0], [0.1, 3.0, 2.0, -1.0]], &device);
        let truth = Tensor::<1, Int>::from_data(truth, &device);
        let classes = target.classes(&logits, &truth, &Draws::new(0, samples.into()))?;
        Ok(classes.try_into_vec_as().unwrap())
    }

    #[test]
    fn targets_by_likelihood_leave_the_true_class_out() {
        assert_eq!(aim(&Target::MostLikely(1), [1, 0], [0, 1]), Ok(vec![2, 1]));
        assert_eq!(aim(&Target::MostLikely(3), [1, 3], [0, 1]), Ok(vec![3, 0]));
        assert_eq!(aim(&Target::LeastLikely, [1, 3], [0, 1]), Ok(vec![3, 0]));
    }

    #[test]
    fn random_targets_are_wrong_classes_all_of_them_and_belong_to_the_sample() {
        let mut seen = [0; CLASSES];
        for sample in 0..200 {
            let found = aim(&Target::Random, [2, 2], [sample, sample + 1]).unwrap();
            seen[found[0] as usize] += 1;
            assert_eq!(found[1], aim(&Target::Random, [2, 2], [sample + 1, 9]).unwrap()[0]);
        }
        assert_eq!(seen[2], 0);
        assert!(seen[0] > 30 && seen[1] > 30 && seen[3] > 30, "{seen:?}");
    }

    #[test]
    fn given_targets_are_looked_up_by_sample_and_checked() {
        let given = Target::Given(vec![0, 1, 2, 7]);
        assert_eq!(aim(&given, [3, 3], [2, 0]), Ok(vec![2, 0]));
        let truth = aim(&given, [3, 1], [0, 1]).unwrap_err();
        assert_eq!(truth, Error::TargetIsTruth { sample: 1, class: 1 });
        let class = aim(&given, [0, 0], [1, 3]).unwrap_err();
        assert_eq!(class, Error::TargetClass { class: 7, classes: CLASSES });
        let count = aim(&given, [0, 0], [1, 4]).unwrap_err();
        assert_eq!(count, Error::TargetCount { expected: 5, found: 4 });
        for k in [0, CLASSES] {
            let refused = aim(&Target::MostLikely(k), [0, 0], [0, 1]).unwrap_err();
            assert_eq!(refused, Error::TargetClass { class: k, classes: CLASSES });
        }
    }
}
