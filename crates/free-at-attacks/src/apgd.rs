//! Auto-PGD.

mod climb;
mod sparse;

use burn::tensor::Tensor;
use free_at_core::{
    Attack, AttackParameters, AttackTask, Error, Goal, Norm, Objective, Pace, Search, Turn, Visit,
    drive,
};
use serde::{Deserialize, Serialize};

use crate::parameters::{check_counts, check_range, name};
use climb::{Checkpoints, Climb};
use sparse::SparseClimb;

/// APGD: steepest ascent with momentum whose step size, per sample, is halved where the objective
/// stops rising.
///
/// Croce and Hein, "Reliable evaluation of adversarial robustness with an ensemble of diverse
/// parameter-free attacks", 2020, as their reference implementation has it: the first step is 2 ε, each
/// goes ¾ along the projected gradient step and ¼ along the step before; at checkpoints (after 22,
/// 41, 57, 70, 80, 87, 93 and 99 of 100 steps) the step size is halved, and the search goes back to
/// the best point, where the objective rose in at most a share ρ of the steps since the
/// last checkpoint, or where neither the step size nor the best value changed there.
///
/// In L1 it is the APGD of Croce and Hein, "Mind the box: l1-APGD for sparse adversarial attacks on image classifiers",
/// 2021, with the schedule of AutoAttack: three tenths of the steps in a ball of 3 ε, three in one of 2 ε, the rest
/// (rounded up) in that of ε, each from the best point of the one before, and a look (a gradient) where each begins. A step
/// spreads its length evenly over the features with the largest gradients, as many as the best point has changed over 1.5;
/// where that has become sparser by a twentieth the step has its full length again, ε, elsewhere it gets shorter by 1.5, to
/// no less than a tenth. ρ has no part in it. It starts at normal noise, projected.
///
/// [`Apgd::ce`] is APGD-CE, [`Apgd::dlr`] APGD-DLR.
///
/// ```
/// use free_at_attacks::Apgd;
/// use free_at_core::AttackParameters;
///
/// assert_eq!(Apgd::ce().name(), "apgd-ce");
/// assert_eq!(Apgd::dlr().with_steps(50).with_restarts(5).name(), "apgd-dlr-50x5");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Apgd {
    steps: usize,
    restarts: usize,
    rho: f64,
    objective: Objective,
    compacts: bool,
    /// After how many steps a run ends, whose step sizes are those of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cut: Option<usize>,
}

impl Apgd {
    pub(crate) const STEPS: usize = 100;

    pub(crate) fn steps(&self) -> usize {
        self.steps
    }

    pub(crate) fn restarts(&self) -> usize {
        self.restarts
    }

    pub(crate) fn objective(&self) -> Objective {
        self.objective
    }

    /// APGD-CE: 100 steps on the cross-entropy, ρ = 0.75, one restart.
    pub fn ce() -> Self {
        let objective = Objective::CrossEntropy;
        Self { steps: Self::STEPS, restarts: 1, rho: 0.75, objective, compacts: false, cut: None }
    }

    /// APGD-DLR: the same on the difference of logits ratio, which needs three classes, or four
    /// with a target.
    pub fn dlr() -> Self {
        Self::ce().with_objective(Objective::Dlr)
    }

    /// How many steps; at least 1. Default: 100.
    #[must_use]
    pub fn with_steps(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }

    /// How many random starts to try; at least 1. Default: 1.
    #[must_use]
    pub fn with_restarts(mut self, restarts: usize) -> Self {
        self.restarts = restarts;
        self
    }

    /// The share of rising steps, ρ, up to which the step size is halved; from 0 to 1. Default:
    /// 0.75.
    #[must_use]
    pub fn with_rho(mut self, rho: f64) -> Self {
        self.rho = rho;
        self
    }

    /// What the steps ascend.
    #[must_use]
    pub fn with_objective(mut self, objective: Objective) -> Self {
        self.objective = objective;
        self
    }

    /// In an evaluation a sample leaves as soon as it is fooled. The reference goes on to the last
    /// step; every sample climbs by itself, so the verdicts are the same and only the cost is less.
    /// Default: as the reference.
    #[must_use]
    pub fn with_compaction(mut self) -> Self {
        self.compacts = true;
        self
    }

    /// The beginning of a run: so many of its steps. In L1, where a run goes from ball to ball, a whole run of so many.
    pub(crate) fn cut_at(&self, steps: usize, norm: Norm) -> Self {
        match norm {
            Norm::L1 => self.clone().with_steps(steps),
            _ => Self { cut: Some(steps.min(self.steps)), ..self.clone() },
        }
    }

    /// Run `run` on the objective for `goal`, which may aim elsewhere than the task's: `watch` sees
    /// each sample's value and step size after each step. With the examples comes the largest value of each sample, if
    /// there was a step.
    pub(crate) fn climb<W: FnMut([Tensor<1>; 2]), const D: usize>(
        &self,
        task: &AttackTask<D>,
        goal: Goal,
        run: usize,
        watch: W,
    ) -> Result<(Tensor<D>, Option<Tensor<1>>), Error> {
        self.check()?;
        let draws = task.draws().for_restart(run);
        let leaves = self.compacts && task.stops();
        let pace = Pace { steps: self.cut.unwrap_or(self.steps), leaves, refills: false };
        let (allowed, inputs, objective) = (task.allowed(), task.inputs(), self.objective);
        if allowed.norm() == Norm::L1 {
            let balls = sparse::schedule(allowed.epsilon(), self.steps);
            let start = task.start_or(|_| draws.normal(inputs.dims(), &inputs.device()));
            let search = SparseClimb::new(objective, goal, start, balls, watch);
            let (adversarial, search) = drive(task, pace, search)?;
            return Ok((adversarial, search.best_value()));
        }
        let start = task.start_or(|_| allowed.random_edge(inputs, &draws));
        let (rho, checkpoints) = (self.rho, Checkpoints::new(self.steps));
        let search = Climbing { objective, rho, goal, start, checkpoints, climb: None, watch };
        let (adversarial, search) = drive(task, pace, search)?;
        Ok((adversarial, search.climb.map(|climb| climb.best_value())))
    }

    /// One run with what happens at each step, for judging whether the attack has converged.
    ///
    /// # Errors
    /// Those of [`run_once`](Attack::run_once), and [`Error::Read`] if the device fails.
    pub fn trace<const D: usize>(
        &self,
        task: &AttackTask<D>,
        run: usize,
    ) -> Result<ApgdTrace<D>, Error> {
        let mut steps: Vec<[Tensor<1>; 2]> = Vec::with_capacity(self.steps);
        let whole = Self { compacts: false, ..self.clone() };
        let (adversarial, best) =
            whole.climb(task, task.goal().clone(), run, |step| steps.push(step))?;
        let read = |values: Tensor<1>| values.try_into_vec_as().map_err(Error::unreadable);
        let (mut values, mut step_sizes) = (Vec::new(), Vec::new());
        for [value, step_size] in steps {
            values.push(read(value)?);
            step_sizes.push(read(step_size)?);
        }
        let best = best.map_or(Ok(Vec::new()), read)?;
        Ok(ApgdTrace { adversarial, values, step_sizes, best })
    }
}

/// What [`Apgd::trace`] saw.
#[derive(Debug, Clone)]
pub struct ApgdTrace<const D: usize> {
    /// The adversarial examples, `[n, …]`.
    pub adversarial: Tensor<D>,
    /// The objective after each step: one row per step, one number per sample.
    pub values: Vec<Vec<f32>>,
    /// The step size after each step, in the unit of ε, in the same order.
    pub step_sizes: Vec<Vec<f32>>,
    /// The largest value of each sample.
    pub best: Vec<f32>,
}

impl AttackParameters for Apgd {
    fn name(&self) -> String {
        let objective = match self.objective {
            Objective::CrossEntropy => "apgd-ce",
            Objective::Margin => "apgd-margin",
            Objective::Dlr => "apgd-dlr",
        };
        match (self.steps, self.restarts) {
            (Self::STEPS, 1) => objective.into(),
            (steps, restarts) => name(objective, steps, restarts, Objective::CrossEntropy),
        }
    }

    fn check(&self) -> Result<(), Error> {
        check_counts("APGD", self.steps, self.restarts)?;
        let kept = (0.0..=1.0).contains(&self.rho);
        check_range(kept, "APGD", "rho, the share of rising steps", "from 0 to 1", self.rho)
    }

    fn gradient_computations(&self) -> usize {
        self.steps + 1
    }

    /// In L1 one more where each ball begins.
    fn gradient_computations_in(&self, norm: Norm) -> usize {
        match norm {
            Norm::L1 => self.steps + sparse::schedule(1.0, self.steps).len(),
            _ => self.gradient_computations(),
        }
    }

    fn takes_numbers(&self) -> bool {
        self.objective != Objective::Dlr
    }

    fn norms(&self) -> &'static [Norm] {
        &[Norm::Linf, Norm::L2, Norm::L1]
    }

    fn cost_parameters(&self) -> &'static [&'static str] {
        &["compacts"]
    }

    fn runs(&self, _: bool) -> usize {
        self.restarts
    }

    fn check_classes(&self, classes: usize, targeted: bool) -> Result<(), Error> {
        self.objective.check_classes(classes, targeted)
    }
}

impl<const D: usize> Attack<D> for Apgd {
    /// Of each sample an adversarial example that fools the model, or else the one with the largest
    /// value of the objective; for [training](AttackTask::for_training) that one in any case, as the reference's
    /// `best_loss`.
    fn run_once(&self, task: &AttackTask<D>, run: usize) -> Result<Tensor<D>, Error> {
        Ok(self.climb(task, task.goal().clone(), run, |_| ())?.0)
    }
}

/// One run at work.
struct Climbing<W, const D: usize> {
    objective: Objective,
    rho: f64,
    goal: Goal,
    start: Tensor<D>,
    checkpoints: Checkpoints,
    /// Once the start has been looked at.
    climb: Option<Climb<D>>,
    watch: W,
}

impl<W: FnMut([Tensor<1>; 2]), const D: usize> Search<D> for Climbing<W, D> {
    fn begin(&mut self, task: &AttackTask<'_, D>) -> Result<Option<Visit<D>>, Error> {
        let adversarial = task.moved(&self.start);
        let found = task.gradient(adversarial.clone(), &self.goal, self.objective)?;
        let fooled = task.goal().fooled(found.logits.clone());
        let first_step = 2.0 * task.allowed().epsilon();
        self.climb = Some(Climb::from(self.start.clone(), found, first_step));
        Ok((!task.trains()).then_some(Visit { adversarial, fooled }))
    }

    fn step(&mut self, task: &AttackTask<'_, D>) -> Result<Option<Visit<D>>, Error> {
        let Some(climb) = &mut self.climb else { return Ok(None) };
        let next = climb.step(task.allowed(), task.inputs());
        let adversarial = task.moved(&next);
        let found = task.gradient(adversarial.clone(), &self.goal, self.objective)?;
        let fooled = task.goal().fooled(found.logits.clone());
        climb.arrive(next, found);
        if let Some(since) = self.checkpoints.pass() {
            climb.check(self.rho * since as f64);
        }
        (self.watch)(climb.now());
        Ok((!task.trains()).then_some(Visit { adversarial, fooled }))
    }

    fn turn(&mut self, turn: &Turn) {
        if let Some(stay) = turn.positions() {
            self.goal = self.goal.select(stay);
            self.climb = self.climb.take().map(|climb| climb.select(stay));
        }
    }

    fn last(&self, task: &AttackTask<'_, D>) -> Tensor<D> {
        task.moved(self.climb.as_ref().map_or(&self.start, Climb::best))
    }
}
