//! Rows whose features keep their relations: the nearest one, as near as projections come.

use burn::tensor::{Bool, DType, Device, FloatDType, Tensor, TensorData};

use super::relation::{Affine, Relation};

/// How often rows are projected onto what they break.
const CYCLES: usize = 10;
/// What a sum of single precision may be off, to the sum of its terms' sizes.
const ROUNDING: f32 = 4.0 * f32::EPSILON;

/// [`Relation`]s on a device. Rows are flat, `[n, features]`.
#[derive(Debug, Clone)]
pub(crate) struct RelatedRows {
    /// rows · factors ≤ limits, of features that follow from nothing, if there are such relations.
    limits: Option<Limits>,
    /// What follows from others, in the order in which it can be computed.
    followers: Vec<Follower>,
    /// 0 for a feature that follows from others, otherwise 1, `[1, features]`.
    chosen: Tensor<2>,
}

#[derive(Debug, Clone)]
struct Limits {
    /// `[features, relations]`.
    factors: Tensor<2>,
    /// `[1, relations]`.
    most: Tensor<2>,
}

#[derive(Debug, Clone)]
struct Follower {
    feature: usize,
    above: Sum,
    below: Option<Sum>,
    shift: f32,
}

/// `[features, 1]`, and a constant.
#[derive(Debug, Clone)]
struct Sum {
    factors: Tensor<2>,
    constant: f32,
}

impl Sum {
    fn new(sum: &Affine, features: usize, device: &Device) -> Self {
        let factors = on_device(&[dense(sum, features)], device).transpose();
        Self { factors, constant: sum.constant as f32 }
    }

    fn of(&self, rows: &Tensor<2>) -> Tensor<2> {
        summed(rows, &self.factors).add_scalar(self.constant)
    }

    /// What each feature adds to it, `[1, features]`.
    fn slope(&self) -> Tensor<2> {
        self.factors.clone().transpose()
    }
}

/// rows · factors, `[n, features]` and `[features, sums]` to `[n, sums]`, by products of single precision: those of a matrix
/// product may be of less on a GPU.
fn summed(rows: &Tensor<2>, factors: &Tensor<2>) -> Tensor<2> {
    let factors = factors.clone().transpose().unsqueeze_dim::<3>(0);
    (rows.clone().unsqueeze_dim::<3>(1) * factors).sum_dim(2).squeeze_dim(2)
}

fn dense(sum: &Affine, features: usize) -> Vec<f32> {
    let mut row = vec![0.0; features];
    sum.terms.iter().for_each(|(feature, factor)| row[*feature] = *factor as f32);
    row
}

fn on_device(rows: &[Vec<f32>], device: &Device) -> Tensor<2> {
    let shape = [rows.len(), rows[0].len()];
    Tensor::from_data(TensorData::new(rows.concat(), shape), (device, DType::F32))
}

impl RelatedRows {
    /// The relations of rows of so many features, each of which follows from those before it.
    pub(crate) fn new(relations: &[Relation], features: usize, device: &Device) -> Self {
        // Sums are put in for what follows from them, so that projections move what can be chosen.
        let mut known: Vec<(usize, Affine)> = Vec::new();
        let chosen = |sum: &Affine, known: &[(usize, Affine)]| {
            known.iter().rev().fold(sum.clone(), |sum, (feature, value)| sum.with(*feature, value))
        };
        let (mut limits, mut followers, mut free) = (Vec::new(), Vec::new(), vec![1.0; features]);
        for relation in relations {
            let sum = |sum: &Affine| Sum::new(sum, features, device);
            let follower = match relation {
                Relation::AtMostZero(_) => continue,
                Relation::Sum { feature, value } => {
                    known.push((*feature, chosen(value, &known)));
                    (*feature, sum(value), None, 0.0)
                }
                Relation::Ratio { feature, above, below, shift } => {
                    (*feature, sum(above), Some(sum(below)), *shift as f32)
                }
            };
            let (feature, above, below, shift) = follower;
            free[feature] = 0.0;
            followers.push(Follower { feature, above, below, shift });
        }
        for relation in relations {
            if let Relation::AtMostZero(sum) = relation {
                limits.push(chosen(sum, &known));
            }
        }
        let limits = (!limits.is_empty()).then(|| {
            let factors: Vec<_> = limits.iter().map(|sum| dense(sum, features)).collect();
            let most = limits.iter().map(|sum| -sum.constant as f32).collect();
            Limits {
                factors: on_device(&factors, device).transpose(),
                most: on_device(&[most], device),
            }
        });
        Self { limits, followers, chosen: on_device(&[free], device) }
    }

    pub(crate) fn has_followers(&self) -> bool {
        !self.followers.is_empty()
    }

    /// Of a row or a perturbation, the features that are chosen; 0 for those that follow.
    pub(crate) fn chosen(&self, rows: Tensor<2>) -> Tensor<2> {
        rows * self.chosen.clone()
    }

    /// The rows with what follows from the others.
    pub(crate) fn derived(&self, rows: Tensor<2>) -> Tensor<2> {
        self.followers.iter().fold(rows, |rows, follower| {
            let value = follower.of(&rows);
            let (all, at) = (0..rows.dims()[0], follower.feature..follower.feature + 1);
            rows.slice_assign([all, at], value)
        })
    }

    /// The gradient in what can be chosen, that in what follows from it passed on.
    pub(crate) fn pulled_back(&self, rows: &Tensor<2>, gradient: Tensor<2>) -> Tensor<2> {
        self.followers.iter().rev().fold(gradient, |gradient, follower| {
            let own = gradient.clone().slice_dim(1, follower.feature..follower.feature + 1);
            let passed_on = own * follower.slope(rows);
            // A ratio over 0 has no slope, and a model may have none in the feature.
            let no_number = passed_on.clone().is_finite().bool_not();
            gradient + passed_on.mask_fill(no_number, 0.0)
        })
    }

    /// The rows nearer to what keeps the relations, as far as the features' weights let them move.
    pub(crate) fn projected(&self, rows: Tensor<2>, weights: &Tensor<2>) -> Tensor<2> {
        match &self.limits {
            Some(limits) => limits.projected(rows, weights),
            None => rows,
        }
    }

    /// The share of the way from `inputs` to `rows` that keeps the limits, `[n, 1]`.
    pub(crate) fn share(&self, inputs: &Tensor<2>, rows: &Tensor<2>) -> Option<Tensor<2>> {
        let limits = self.limits.as_ref()?;
        let (before, after) = (limits.excess(inputs), limits.excess(rows));
        let broken = after.clone().greater(limits.rounding(rows));
        // before ≤ 0 < after: on a line.
        let before = before.clamp_max(0.0).neg();
        let share = before.clone() / (before + after).clamp_min(f32::MIN_POSITIVE);
        let share = share.ones_like().mask_where(broken, share);
        Some(share.min_dim(1))
    }

    /// A step of each stepped feature towards what keeps the limits, -1, 0 or 1, `[n, features]`.
    pub(crate) fn direction(&self, rows: &Tensor<2>) -> Option<Tensor<2>> {
        let limits = self.limits.as_ref()?;
        let excess = limits.broken_excess(rows);
        Some(excess.matmul(limits.factors.clone().transpose()).neg().sign())
    }

    /// Which rows break a limit further than `inputs` do, `[n, 1]`: what files rounded is no reason to stay where one is.
    pub(crate) fn broken(&self, inputs: &Tensor<2>, rows: &Tensor<2>) -> Tensor<2, Bool> {
        let no_number = rows.clone().is_finite().all_dim(1).bool_not();
        match &self.limits {
            Some(limits) => {
                let least = limits.excess(inputs).max_pair(limits.rounding(rows));
                let excess = limits.excess(rows).greater(least);
                no_number.bool_or(excess.any_dim(1))
            }
            None => no_number,
        }
    }
}

impl Follower {
    fn of(&self, rows: &Tensor<2>) -> Tensor<2> {
        let above = self.above.of(rows);
        match &self.below {
            Some(below) => (above / below.of(rows)).add_scalar(self.shift),
            None => above.add_scalar(self.shift),
        }
    }

    /// Its derivative in every feature, `[n, features]` or `[1, features]`.
    fn slope(&self, rows: &Tensor<2>) -> Tensor<2> {
        let Some(below) = &self.below else { return self.above.slope() };
        let (above, value) = (self.above.of(rows), below.of(rows));
        let ratio = above / value.clone();
        (self.above.slope() - ratio * below.slope()) / value
    }
}

impl Limits {
    /// Above 0 where a limit is broken, `[n, relations]`.
    fn excess(&self, rows: &Tensor<2>) -> Tensor<2> {
        summed(rows, &self.factors) - self.most.clone()
    }

    fn rounding(&self, rows: &Tensor<2>) -> Tensor<2> {
        let terms = summed(&rows.clone().abs(), &self.factors.clone().abs());
        (terms + self.most.clone().abs()).mul_scalar(ROUNDING)
    }

    fn broken_excess(&self, rows: &Tensor<2>) -> Tensor<2> {
        let excess = self.excess(rows);
        let kept = excess.clone().lower_equal(self.rounding(rows));
        excess.mask_fill(kept, 0.0)
    }

    /// Onto all limits that are broken at once; where several move a feature, by the mean of what they ask (component
    /// averaging, Censor, Gordon, Gordon 2001).
    fn projected(&self, rows: Tensor<2>, weights: &Tensor<2>) -> Tensor<2> {
        let weighted = self.factors.clone() * weights.clone().transpose();
        let length = (weighted.clone() * self.factors.clone()).sum_dim(0);
        let length = length.clamp_min(f32::MIN_POSITIVE);
        let touches = self.factors.clone().abs().greater_scalar(0.0).cast(FloatDType::F32);
        (0..CYCLES).fold(rows, |rows, _| {
            let excess = self.broken_excess(&rows);
            let broken = excess.clone().greater_scalar(0.0).cast(FloatDType::F32);
            let asked = broken.matmul(touches.clone().transpose()).clamp_min(1.0);
            let step = (excess / length.clone()).matmul(weighted.clone().transpose());
            rows - step / asked
        })
    }
}
