//! Square attack.

mod bumps;
mod l1;
mod l2;
mod linf;
mod windows;

use burn::tensor::Tensor;
use free_at_core::rows::for_each_feature;
use free_at_core::{
    Access, Attack, AttackParameters, AttackTask, Draws, Error, Norm, Objective, Pace, Search,
    ThreatModel, Turn, Visit, drive,
};
use serde::{Deserialize, Serialize};

use crate::parameters::{check_counts, check_range, for_norm, name, norms_of};
use windows::Canvas;

/// Square: random search with square-shaped updates, which needs the model's outputs only.
///
/// Andriushchenko, Croce, Flammarion and Hein, "Square attack: a query-efficient black-box adversarial
/// attack via random search", 2020. Each query changes a random square of the image and keeps the
/// change where the margin falls; the squares shrink by a fixed schedule from the share p of
/// the image's area. As it uses no gradient, it finds what gradient masking hides.
///
/// For L∞ it takes inputs of any rank: an image `[c, h, w]` has squares, anything else is one row
/// with windows in it. For L2 and L1 it takes images of at least 3×3 without a per-feature scale. Each sample
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
        let kept = self.share > 0.0 && self.share <= 1.0;
        check_range(
            kept,
            "Square",
            "the first squares' share of the image",
            "above 0 and at most 1",
            self.share,
        )
    }

    fn gradient_computations(&self) -> usize {
        0
    }

    fn takes_numbers(&self) -> bool {
        true
    }

    fn norms(&self) -> &'static [Norm] {
        &NORMS
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

    fn check_inputs(&self, threat: &ThreatModel, sample: &[usize]) -> Result<(), Error> {
        ImageProposals::within(threat.norm(), threat.scale().is_some(), sample).map(drop)
    }
}

/// The norms and their limits are the same for inputs of any rank.
type ImageProposals = Proposals<4>;

const NORMS: [Norm; ImageProposals::ALL.len()] = norms_of(&ImageProposals::ALL);

/// How it searches within a norm.
#[derive(Clone, Copy)]
struct Proposals<const D: usize> {
    /// What stands against it: with a per-feature scale or not, and for samples of this shape.
    limit: fn(bool, &[usize]) -> Option<String>,
    /// The perturbation to start from, before it is limited to the input bounds.
    first: fn(&AttackTask<'_, D>, &Canvas, &Draws) -> Tensor<D>,
    /// Another one than `delta`, different in windows that cover this share of the image.
    next: fn(&AttackTask<'_, D>, &Canvas, &Draws, &Tensor<D>, f64) -> Tensor<D>,
}

impl<const D: usize> Proposals<D> {
    const ALL: [(Norm, Self); 3] = [
        (Norm::Linf, Self { limit: linf::limit, first: linf::stripes, next: linf::flip }),
        (Norm::L2, Self { limit: l2::limit, first: l2::grid, next: l2::shift }),
        (Norm::L1, Self { limit: l1::limit, first: l1::grid, next: l1::shift }),
    ];

    fn within(norm: Norm, scaled: bool, sample: &[usize]) -> Result<Self, Error> {
        let proposals = for_norm("Square", &Self::ALL, norm)?;
        match (proposals.limit)(scaled, sample) {
            Some(what) => {
                let instead = "use it with L∞, or PGD, APGD or FAB-T".into();
                Err(Error::Unsupported { attack: "Square".into(), what, instead })
            }
            None => Ok(proposals),
        }
    }
}

impl<const D: usize> Attack<D> for Square {
    /// Of each sample the point with the least margin, which is an adversarial example if there is
    /// one.
    fn run_once(&self, task: &AttackTask<D>, run: usize) -> Result<Tensor<D>, Error> {
        self.check()?;
        let (allowed, sample) = (task.allowed(), &task.inputs().dims()[1..]);
        let proposals = Proposals::within(allowed.norm(), allowed.scale().is_some(), sample)?;
        let canvas = Canvas::of(sample, self.reaches_edge);
        let delta = task.start_or(|task| {
            let start = (proposals.first)(task, &canvas, &task.draws().for_restart(run));
            task.allowed().project_to_bounds(task.inputs(), start)
        });
        let objective = match task.goal().target() {
            Some(_) => Objective::CrossEntropy,
            None => Objective::Margin,
        };
        let squares = Squares {
            attack: self,
            run,
            proposals,
            canvas,
            objective,
            delta,
            value: None,
            query: 0,
        };
        let pace = Pace { steps: self.queries, leaves: task.stops(), refills: false };
        Ok(drive(task, pace, squares)?.0)
    }
}

/// One run at work: where each sample is, and the objective there.
struct Squares<'a, const D: usize> {
    attack: &'a Square,
    run: usize,
    proposals: Proposals<D>,
    canvas: Canvas,
    objective: Objective,
    delta: Tensor<D>,
    /// Once the start has been asked about.
    value: Option<Tensor<1>>,
    /// Queries so far, after the first.
    query: usize,
}

impl<const D: usize> Squares<'_, D> {
    /// Asks the model about a perturbation.
    fn ask(
        &self,
        task: &AttackTask<'_, D>,
        delta: &Tensor<D>,
    ) -> Result<(Tensor<1>, Visit<D>), Error> {
        let adversarial = task.moved(delta);
        let logits = task.logits(adversarial.clone())?;
        let fooled = task.goal().fooled(logits.clone());
        let value = self.objective.values(logits, task.goal())?;
        Ok((value, Visit { adversarial, fooled }))
    }
}

impl<const D: usize> Search<D> for Squares<'_, D> {
    fn begin(&mut self, task: &AttackTask<'_, D>) -> Result<Option<Visit<D>>, Error> {
        let (value, visit) = self.ask(task, &self.delta)?;
        self.value = Some(value);
        Ok(Some(visit))
    }

    fn step(&mut self, task: &AttackTask<'_, D>) -> Result<Option<Visit<D>>, Error> {
        let Some(value) = self.value.take() else { return Ok(None) };
        let share = self.attack.share_at(self.query);
        self.query += 1;
        // Step 0 drew the start.
        let draws = task.draws().for_restart(self.run).for_step(self.query);
        let change = (self.proposals.next)(task, &self.canvas, &draws, &self.delta, share);
        let (found, visit) = self.ask(task, &change)?;
        let better = found.clone().greater(value.clone());
        let taken = for_each_feature(better.clone().bool_or(visit.fooled.clone()), &change);
        self.delta = self.delta.clone().mask_where(taken, change);
        self.value = Some(value.mask_where(better, found));
        Ok(Some(visit))
    }

    fn turn(&mut self, turn: &Turn) {
        self.delta = turn.staying(self.delta.clone());
        self.value = self.value.take().map(|value| turn.staying(value));
    }

    fn last(&self, task: &AttackTask<'_, D>) -> Tensor<D> {
        task.moved(&self.delta)
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
            assert!(matches!(refused, Err(Error::Unsupported { .. })));
        }
        for share in [0.0, 1.1, f64::NAN] {
            assert!(attack.clone().with_share(share).check().is_err());
        }
        assert!(matches!(attack.with_queries(0).check(), Err(Error::Steps { .. })));
    }
}
