//! Square attack.

mod windows;

use burn::tensor::{Bool, Tensor};
use free_at_core::{
    Access, Attack, AttackParameters, AttackTask, Draws, Error, Norm, Objective, PerturbationSet,
    ThreatModel,
};
use serde::{Deserialize, Serialize};

use crate::ascent::{check_counts, name};
use crate::standing::{Standing, Turn, per_sample};
use windows::{Canvas, Window, Windows};

/// Square: random search with square-shaped updates, which needs the model's outputs only.
///
/// Andriushchenko, Croce, Flammarion and Hein, "Square attack: a query-efficient black-box adversarial
/// attack via random search", 2020. Each query changes a random square of the image and keeps the
/// change where the margin falls; the squares shrink by a fixed schedule from the share p of
/// the image's area. As it uses no gradient, it finds what gradient masking hides.
///
/// For L∞ it takes inputs of any rank: an image `[c, h, w]` has squares, anything else is one row
/// with windows in it. For L2 it takes images of at least 3×3 without a per-feature scale. Each sample
/// has windows of its own, where the reference draws one for the whole batch; so a verdict does not
/// depend on the neighbours.
///
/// ```
/// use free_at_attacks::Square;
/// use free_at_core::{Access, AttackParameters};
///
/// let attack = Square::new(); // 5,000 queries
/// assert_eq!((attack.name().as_str(), attack.access()), ("square", Access::BlackBox));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Square {
    queries: usize,
    restarts: usize,
    share: f64,
    reaches_edge: bool,
}

const QUERIES: usize = 5_000;

impl Default for Square {
    fn default() -> Self {
        Self { queries: QUERIES, restarts: 1, share: 0.8, reaches_edge: true }
    }
}

impl Square {
    /// 5,000 queries, p = 0.8, one restart.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many queries after the first; at least 1. Default: 5,000.
    #[must_use]
    pub fn with_queries(self, queries: usize) -> Self {
        Self { queries, ..self }
    }

    /// How many random starts to try; at least 1. Default: 1.
    #[must_use]
    pub fn with_restarts(self, restarts: usize) -> Self {
        Self { restarts, ..self }
    }

    /// The share p of the image that the first squares cover; above 0 and at most 1. Default: 0.8.
    #[must_use]
    pub fn with_share(self, share: f64) -> Self {
        Self { share, ..self }
    }

    /// Places windows as the reference implementation does: never against the right and the lower edge,
    /// unless they fill the image. The paper has them everywhere, and so does the default; on small
    /// images that breaks distinctly more samples.
    #[must_use]
    pub fn with_reference_windows(self) -> Self {
        Self { reaches_edge: false, ..self }
    }

    /// The share of the image at a query: p, halved after 10, 50, 200, 500, 1,000, 2,000, 4,000,
    /// 6,000 and 8,000 queries.
    fn share_at(&self, query: usize) -> f64 {
        const HALVED_AFTER: [usize; 9] = [10, 50, 200, 500, 1_000, 2_000, 4_000, 6_000, 8_000];
        let halved = HALVED_AFTER.iter().filter(|after| query > **after).count();
        self.share / f64::from(1_u32 << halved)
    }
}

impl AttackParameters for Square {
    fn name(&self) -> String {
        match (self.queries, self.restarts) {
            (QUERIES, 1) => "square".into(),
            (queries, restarts) => name("square", queries, restarts, Objective::CrossEntropy),
        }
    }

    fn check(&self) -> Result<(), Error> {
        check_counts("Square", self.queries, self.restarts)?;
        match self.share > 0.0 && self.share <= 1.0 {
            true => Ok(()),
            false => Err(Error::AttackParameter {
                attack: "Square",
                parameter: "the first squares' share of the image",
                allowed: "above 0 and at most 1",
                value: self.share,
            }),
        }
    }

    fn gradient_computations(&self) -> usize {
        0
    }

    fn runs(&self, _: bool) -> usize {
        self.restarts
    }

    fn access(&self) -> Access {
        Access::BlackBox
    }

    fn check_classes(&self, classes: usize, targeted: bool) -> Result<(), Error> {
        Objective::Margin.check_classes(classes, targeted)
    }

    fn check_support(&self, threat: &ThreatModel, sample: &[usize]) -> Result<(), Error> {
        check_support(threat.norm(), threat.scale().is_some(), sample)
    }
}

fn check_support(norm: Norm, scaled: bool, sample: &[usize]) -> Result<(), Error> {
    let refused = |what: String| {
        let instead = "use it with L∞, or PGD, APGD or FAB-T";
        Err(Error::Unsupported { attack: "Square", what, instead })
    };
    match (norm, sample) {
        (Norm::Linf, _) => Ok(()),
        (Norm::L2, _) if scaled => refused("L2 with a scale".into()),
        (Norm::L2, [_, height, width]) if *height.min(width) >= 3 => Ok(()),
        (Norm::L2, shape) => refused(format!("L2 for samples of shape {shape:?}")),
    }
}

impl<const D: usize> Attack<D> for Square {
    /// Of each sample the point with the least margin, which is an adversarial example if there is
    /// one.
    fn run_once(&self, task: &AttackTask<D>, run: usize) -> Result<Tensor<D>, Error> {
        self.check()?;
        let (allowed, sample) = (task.allowed(), &task.inputs().dims()[1..]);
        check_support(allowed.norm(), allowed.scale().is_some(), sample)?;
        let canvas = Canvas::of(sample, self.reaches_edge);
        let objective = match task.labels().target() {
            Some(_) => Objective::CrossEntropy,
            None => Objective::Margin,
        };
        let draws_of = |task: &AttackTask<D>| task.draws().for_restart(run);
        let look = |task: &AttackTask<D>, delta: &Tensor<D>| {
            let moved = task.moved(delta);
            let logits = task.logits(moved.clone())?;
            let fooled = task.labels().fooled(logits.clone());
            Ok::<_, Error>((moved, objective.values(logits, task.labels())?, fooled))
        };

        let mut standing = Standing::new(task, task.stops());
        let mut delta = task.start_or(|task| {
            let start = first(task, &canvas, &draws_of(task));
            task.allowed().project_to_bounds(task.inputs(), start)
        });
        let (moved, mut value, fooled) = look(task, &delta)?;
        standing.observe(&moved, fooled);
        for query in 0..self.queries {
            let here = standing.task();
            // Step 0 drew the start.
            let draws = draws_of(here).for_step(query + 1);
            let change = match here.allowed().norm() {
                Norm::Linf => flip(here, &canvas, &draws, &delta, self.share_at(query)),
                Norm::L2 => shift(here, &canvas, &draws, &delta, self.share_at(query)),
            };
            let (moved, found, fooled) = look(here, &change)?;
            let better: Tensor<1, Bool> = found.clone().greater(value.clone());
            let taken = better.clone().bool_or(fooled.clone());
            delta = delta.mask_where(per_sample(taken, &change), change);
            value = value.mask_where(better, found);
            standing.observe(&moved, fooled);
            match standing.leave()? {
                // All are at work from the start, so nobody enters.
                Turn::Same | Turn::Changed { stay: None, .. } => {}
                Turn::Changed { stay: Some(stay), .. } => {
                    delta = delta.select(0, stay.clone());
                    value = value.select(0, stay);
                }
                Turn::Over => return Ok(standing.over()),
            }
        }
        let last = standing.task().moved(&delta);
        Ok(standing.finish(last))
    }
}

/// The start: for L∞ vertical stripes of ±ε, for L2 a grid of bumps, of length ε in all.
fn first<const D: usize>(task: &AttackTask<D>, canvas: &Canvas, draws: &Draws) -> Tensor<D> {
    let (shape, device) = (task.inputs().dims(), task.inputs().device());
    let allowed = task.allowed();
    match allowed.norm() {
        Norm::Linf => scaled(allowed, canvas.stripes(draws, &device).reshape(shape)),
        Norm::L2 => canvas.bumps(draws, &device).reshape(shape),
    }
    .mul_scalar(allowed.epsilon())
}

/// L∞: the perturbation with 2 ε added or taken away in one window, the sign drawn for each channel,
/// and projected: in the window it is then at the edge of the ball.
fn flip<const D: usize>(
    task: &AttackTask<D>,
    canvas: &Canvas,
    draws: &Draws,
    delta: &Tensor<D>,
    share: f64,
) -> Tensor<D> {
    let device = task.inputs().device();
    let windows = Windows::draw(canvas, canvas.window(share), draws, &device);
    let signs = windows.mask(Window::First) * windows.signs(); // [n, channels, height, width]
    let allowed = task.allowed();
    let change = scaled(allowed, signs.reshape(delta.dims()));
    allowed.project(task.inputs(), delta.clone() + change.mul_scalar(2.0 * allowed.epsilon()))
}

/// L2: in one window a bump takes the place of what is there, with the length that a second window
/// gives up and that is left of the budget.
fn shift<const D: usize>(
    task: &AttackTask<D>,
    canvas: &Canvas,
    draws: &Draws,
    delta: &Tensor<D>,
    share: f64,
) -> Tensor<D> {
    const SMALLEST: f64 = 1e-12; // keeps a quotient of zero lengths defined
    let (allowed, device) = (task.allowed(), task.inputs().device());
    let epsilon = allowed.epsilon();
    let windows = Windows::draw(canvas, canvas.odd_window(share), draws, &device);
    let now: Tensor<4> = delta.clone().reshape(canvas.shape(delta.dims()[0]));
    let length = |part: Tensor<4>| part.square().sum_dim(3).sum_dim(2).sqrt();

    let (mask, second) = (windows.mask(Window::First), windows.mask(Window::Second));
    let here = now.clone() * mask.clone();
    let both = mask.clone().max_pair(second.clone());
    let given_up = length(now.clone() * both).square();
    let spent = now.clone().square().sum_dim(3).sum_dim(2).sum_dim(1);
    let unspent = spent.neg().add_scalar(epsilon * epsilon).clamp_min(0.0);
    let budget = (unspent.div_scalar(canvas.channels as f64) + given_up).sqrt();
    let direction =
        windows.bump() * windows.signs() + here.clone() / length(here).add_scalar(SMALLEST);
    let bump = direction.clone() / length(direction).add_scalar(SMALLEST) * budget;

    let outside = |window: Tensor<4>| window.neg().add_scalar(1.0);
    let kept = now * outside(second) * outside(mask);
    let next = kept + bump;
    let all = next.clone().square().sum_dim(3).sum_dim(2).sum_dim(1).sqrt();
    let next = (next / all.add_scalar(SMALLEST)).mul_scalar(epsilon);
    allowed.project_to_bounds(task.inputs(), next.reshape(delta.dims()))
}

/// A perturbation in units of the threat model's scale, in the inputs' own.
fn scaled<const D: usize>(allowed: &PerturbationSet<D>, unit: Tensor<D>) -> Tensor<D> {
    match allowed.scale() {
        Some(scale) => unit * scale.clone(),
        None => unit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_shrink_by_the_published_schedule() {
        let attack = Square::new();
        let shares = [0, 10, 11, 50, 51, 4_000, 4_999].map(|query| attack.share_at(query));
        assert_eq!(shares, [0.8, 0.8, 0.4, 0.4, 0.2, 0.8 / 64.0, 0.8 / 128.0]);
    }

    #[test]
    fn refuses_what_it_is_not_defined_for() {
        use free_at_core::Epsilon;
        let l2 = ThreatModel::l2(Epsilon::unit(0.5));
        let linf = ThreatModel::linf(Epsilon::unit(0.1));
        let attack = Square::new();
        assert_eq!(attack.check_support(&linf, &[30]), Ok(()));
        assert_eq!(attack.check_support(&l2, &[3, 8, 8]), Ok(()));
        let scaled = l2.clone().with_scale(vec![1.0; 192]);
        for (threat, shape) in [(&l2, vec![30]), (&l2, vec![1, 2, 8]), (&scaled, vec![3, 8, 8])] {
            let refused = attack.check_support(threat, &shape);
            assert!(matches!(refused, Err(Error::Unsupported { attack: "Square", .. })));
        }
        for share in [0.0, 1.1, f64::NAN] {
            assert!(attack.clone().with_share(share).check().is_err());
        }
        assert!(matches!(attack.with_queries(0).check(), Err(Error::Steps { .. })));
    }
}
