//! A new attack: DDN, the decoupled direction and norm attack.

use burn::tensor::Tensor;
use free_at::attacks::{
    Attack, AttackParameters, AttackTask, Closest, Pace, Search, Turn, Visit, drive,
};
use free_at::prelude::*;
use free_at::rows::for_each_feature;
use free_at::{Norm, Objective, Radius};
use serde::Serialize;

/// DDN: looks for the closest adversarial example in L2 along a sphere that shrinks by γ where the model is
/// fooled and grows by γ where it is not.
///
/// Rony et al., "Decoupling direction and norm for efficient gradient-based L2 adversarial attacks and
/// defenses", CVPR 2019, as the authors' adversarial-library has it. A sample whose gradient is zero
/// stays where it is; there it takes a random step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Ddn {
    steps: usize,
    gamma: f64,
    first_norm: f64,
    levels: Option<u32>,
}

impl Ddn {
    /// The published defaults, γ = 0.05 and a first norm of 1, in `steps` steps, at least 1.
    pub(crate) fn new(steps: usize) -> Self {
        Self { steps, gamma: 0.05, first_norm: 1.0, levels: None }
    }

    /// Rounds every point to this many levels in [0, 1]; the paper has 256. Default: not at all.
    pub(crate) fn with_levels(self, levels: u32) -> Self {
        Self { levels: Some(levels), ..self }
    }

    /// The closest adversarial examples, at whatever distance.
    pub(crate) fn closest<const D: usize>(
        &self,
        task: &AttackTask<D>,
    ) -> Result<Closest<D>, Error> {
        Ok(self.walk(task, false)?.1)
    }

    fn walk<const D: usize>(
        &self,
        task: &AttackTask<D>,
        leaves: bool,
    ) -> Result<(Tensor<D>, Closest<D>), Error> {
        self.check()?;
        let inputs = task.inputs();
        let radius = task.allowed().measure(inputs.zeros_like()).add_scalar(self.first_norm);
        let closest = Closest::new(task);
        let walk = Walk { attack: self, taken: 0, delta: inputs.zeros_like(), radius, closest };
        let pace = Pace { steps: self.steps, leaves, refills: false };
        let (adversarial, walk) = drive(task, pace, walk)?;
        Ok((adversarial, walk.closest))
    }
}

struct Walk<'a, const D: usize> {
    attack: &'a Ddn,
    taken: usize,
    delta: Tensor<D>,
    /// Of each sample, `[n, 1, …]`.
    radius: Tensor<D>,
    closest: Closest<D>,
}

impl<const D: usize> Walk<'_, D> {
    /// From 1 down to 0.01 along a cosine.
    fn step_size(&self) -> f64 {
        const LAST: f64 = 0.01;
        let share = self.taken as f64 / self.attack.steps as f64;
        LAST + (1.0 - LAST) * (1.0 + (std::f64::consts::PI * share).cos()) / 2.0
    }

    /// The perturbation stretched or shrunk to the sphere, within the bounds, at whole levels.
    fn on_sphere(&self, task: &AttackTask<D>, delta: Tensor<D>) -> Tensor<D> {
        let (allowed, inputs) = (task.allowed(), task.inputs());
        let length = allowed.measure(delta.clone()).clamp_min(f32::MIN_POSITIVE);
        let delta = allowed.one_way(delta * (self.radius.clone() / length));
        let delta = allowed.project_within(inputs, delta, &Radius::Each(self.radius.clone()));
        match self.attack.levels {
            Some(levels) => {
                let last = f64::from(levels - 1);
                let point = inputs.clone() + delta;
                point.mul_scalar(last).round().div_scalar(last) - inputs.clone()
            }
            None => delta,
        }
    }
}

impl<const D: usize> Search<D> for Walk<'_, D> {
    fn step(&mut self, task: &AttackTask<'_, D>) -> Result<Option<Visit<D>>, Error> {
        let (allowed, inputs) = (task.allowed(), task.inputs());
        let seen = task.moved(&self.delta);
        let found = task.gradient(seen.clone(), task.goal(), Objective::CrossEntropy)?;
        let fooled = task.goal().fooled(found.logits);
        self.closest.offer(task, seen, fooled.clone());

        let ascended = allowed.steepest_step(found.gradient, self.step_size());
        let ascended = self.delta.clone() + ascended;
        let (smaller, larger) = (1.0 - self.attack.gamma, 1.0 + self.attack.gamma);
        let shrinks = for_each_feature(fooled, &self.radius);
        let grown = self.radius.clone().mul_scalar(larger);
        self.radius = grown.mask_where(shrinks, self.radius.clone().mul_scalar(smaller));
        if let Some((low, high)) = allowed.room(inputs) {
            let furthest = allowed.measure(low.neg().max_pair(high));
            self.radius = self.radius.clone().min_pair(furthest);
        }
        self.delta = self.on_sphere(task, ascended);
        self.taken += 1;
        Ok(Some(self.closest.visit(task)))
    }

    fn turn(&mut self, turn: &Turn) {
        self.delta = turn.staying(self.delta.clone());
        self.radius = turn.staying(self.radius.clone());
        self.closest.turn(turn);
    }

    fn last(&self, task: &AttackTask<'_, D>) -> Tensor<D> {
        task.inputs().clone()
    }
}

impl AttackParameters for Ddn {
    fn name(&self) -> String {
        format!("ddn-{}", self.steps)
    }

    fn check(&self) -> Result<(), Error> {
        match self.steps {
            0 => Err(Error::Steps { attack: "DDN".into() }),
            _ => Ok(()),
        }
    }

    fn gradient_computations(&self) -> usize {
        self.steps
    }

    fn norms(&self) -> &'static [Norm] {
        &[Norm::L2]
    }
}

impl<const D: usize> Attack<D> for Ddn {
    fn run_once(&self, task: &AttackTask<D>, _: usize) -> Result<Tensor<D>, Error> {
        Ok(self.walk(task, task.stops())?.0)
    }
}

#[test]
fn ddn_finds_examples_as_close_as_the_authors_program() {
    use free_at::{Draws, FrozenModel, Goal};

    use crate::reference::{SAMPLES, batch, model};

    /// Of the mean norm; found are some 1e-5.
    const SAME: f64 = 0.001;
    #[derive(serde::Deserialize)]
    struct Fixture {
        norms: std::collections::BTreeMap<String, Vec<f64>>,
    }
    let fixture: Fixture = serde_json::from_str(include_str!("../fixtures/ddn.json")).unwrap();
    for (case, expected) in fixture.norms {
        let net = model(case.trim_end_matches(".targeted"));
        let frozen = FrozenModel::new(&net);
        let batch = batch();
        let goal = match case.ends_with(".targeted") {
            true => {
                let aims = net.logits(batch.inputs()).argmin(1).squeeze_dim::<1>(1);
                Goal::targeted(batch.labels(), aims).unwrap()
            }
            false => batch.untargeted(),
        };
        let threat = ThreatModel::l2(Epsilon::unit(1.0));
        let draws = Draws::new(0, (0..SAMPLES as u64).collect());
        let task = AttackTask::new(&frozen, batch.inputs(), goal, &threat, draws).unwrap();
        let closest = Ddn::new(100).with_levels(256).closest(&task).unwrap();
        let found: Vec<f32> = closest.norms().clone().try_into_vec_as().unwrap();
        assert!(expected.iter().all(|norm| *norm >= 0.0) && found.iter().all(|n| n.is_finite()));
        let mean = |norms: &mut dyn Iterator<Item = f64>| norms.sum::<f64>() / SAMPLES as f64;
        let ours = mean(&mut found.iter().map(|norm| f64::from(*norm)));
        let theirs = mean(&mut expected.iter().copied());
        assert!((ours / theirs - 1.0).abs() < SAME, "{case}: {ours}, {theirs} expected");
    }
}
