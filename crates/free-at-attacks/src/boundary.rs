//! The boundary attack.

use std::collections::VecDeque;

use burn::tensor::{Bool, DType, Tensor};
use free_at_core::rows::{column, dot, for_each_feature, length, nobody};
use free_at_core::{
    Access, Approach, Attack, AttackParameters, AttackTask, Closest, Error, MinimalAttack, Norm,
    Turn, minimize,
};
use serde::{Deserialize, Serialize};

use crate::first_example::FirstExample;
use crate::parameters::{check_counts, check_range};

/// The boundary attack: looks for the closest adversarial example in L2 knowing nothing but the labels that the model gives. It
/// walks along the boundary at random: a step on the sphere around the input, then one towards it, kept where the model is
/// still fooled. Both steps adapt to how often that is so.
///
/// Brendel, Rauber, Bethge, "Decision-based adversarial attacks: reliable attacks against black-box machine learning models",
/// ICLR 2018, as Foolbox has it: 25,000 steps, both of 0.01 of the distance at first, made 1.5 times longer or shorter; every tenth
/// step the point on the sphere is asked about, too. (Foolbox draws one direction for the whole batch, here each sample has its own.)
/// A sample whose step towards the input is below 10⁻⁷ is done. [`HopSkipJump`](crate::HopSkipJump) needs far fewer queries.
///
/// ```
/// use free_at_attacks::Boundary;
/// use free_at_core::{Access, AttackParameters};
///
/// let attack = Boundary::new().with_steps(5_000);
/// assert_eq!((attack.name().as_str(), attack.access()), ("boundary-5000", Access::Labels));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Boundary {
    steps: usize,
    first_step: f64,
}

const STEPS: usize = 25_000;

impl Default for Boundary {
    fn default() -> Self {
        Self { steps: STEPS, first_step: 0.01 }
    }
}

impl Boundary {
    /// The published defaults: 25,000 steps, of 0.01 at first.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many steps; at least 1. Default: 25,000.
    #[must_use]
    pub fn with_steps(self, steps: usize) -> Self {
        Self { steps, ..self }
    }

    /// The first steps, as a share of the distance; above 0 and below 1. Default: 0.01.
    #[must_use]
    pub fn with_first_step(self, first_step: f64) -> Self {
        Self { first_step, ..self }
    }
}

/// How one sample steps, and how that has gone.
#[derive(Clone)]
struct Walker {
    along: f64,
    towards: f64,
    on_sphere: Window<100>,
    nearer: Window<30>,
}

/// The last few outcomes.
#[derive(Clone, Default)]
struct Window<const N: usize>(VecDeque<bool>);

impl<const N: usize> Window<N> {
    fn add(&mut self, outcome: bool) {
        self.0.truncate(N - 1);
        self.0.push_front(outcome);
    }

    /// The share of successes, once there are enough to tell.
    fn share(&self) -> Option<f64> {
        let successes = self.0.iter().filter(|outcome| **outcome).count();
        (self.0.len() == N).then_some(successes as f64 / N as f64)
    }
}

impl Walker {
    const ADAPTS_BY: f64 = 1.5;
    const DONE: f64 = 1e-7;

    fn new(step: f64) -> Self {
        let (on_sphere, nearer) = (Window::default(), Window::default());
        Self { along: step, towards: step, on_sphere, nearer }
    }

    fn is_done(&self) -> bool {
        self.towards < Self::DONE
    }

    /// Where the sphere holds, the boundary is flat at this length: both steps get longer; where it does not, shorter. So does
    /// the step towards the input by itself.
    fn adapt(&mut self, on_sphere: bool, nearer: bool) {
        self.on_sphere.add(on_sphere);
        self.nearer.add(nearer);
        let by = |share: f64, few: f64, many: f64| match share {
            share if share > many => Some(Self::ADAPTS_BY),
            share if share < few => Some(1.0 / Self::ADAPTS_BY),
            _ => None,
        };
        if let Some(by) = self.on_sphere.share().and_then(|share| by(share, 0.2, 0.5)) {
            (self.along, self.towards) = (self.along * by, self.towards * by);
            self.on_sphere = Window::default();
        }
        if let Some(by) = self.nearer.share().and_then(|share| by(share, 0.1, 0.25)) {
            self.towards *= by;
            self.nearer = Window::default();
        }
    }
}

struct Walking<const D: usize> {
    taken: usize,
    /// The closest point of each sample that fools the model, and of which samples there is one.
    point: Tensor<D>,
    found: Tensor<1, Bool>,
    walkers: Vec<Walker>,
}

impl<const D: usize> Walking<D> {
    fn each(&self, of: impl Fn(&Walker) -> f64) -> Tensor<D> {
        let values: Vec<f32> = self.walkers.iter().map(|walker| of(walker) as f32).collect();
        column(Tensor::from_data(values.as_slice(), (&self.point.device(), DType::F32)))
    }

    /// A point on the sphere around the input, and one further in from there. In units of the scale.
    fn propose(&self, task: &AttackTask<'_, D>) -> [Tensor<D>; 2] {
        let (allowed, inputs) = (task.allowed(), task.inputs());
        let shape = inputs.dims();
        let within = |units: Tensor<D>| {
            let delta = allowed.one_way(allowed.from_units(units));
            allowed.project_to_bounds(inputs, delta)
        };
        let now = allowed.in_units(self.point.clone() - inputs.clone());
        let distance = length(now.clone()).clamp_min(f32::MIN_POSITIVE);
        let inwards = now.clone().neg() / distance.clone();
        let draws = task.draws().for_restart(1).for_step(self.taken);
        let drawn = allowed.only_free(draws.normal(shape, &inputs.device()));
        let across = column::<D>(dot(inwards.clone(), drawn.clone()));
        let across = drawn - inwards * across;
        let along = self.each(|walker| walker.along);
        let size = length(across.clone()).clamp_min(f32::MIN_POSITIVE);
        let across = across * (along.clone() * distance.clone() / size);
        let sphere = (now + across) / along.square().add_scalar(1.0).sqrt();
        let sphere = within(sphere);

        let units = allowed.in_units(sphere.clone());
        let reached = length(units.clone()).clamp_min(f32::MIN_POSITIVE);
        let wanted = self.each(|walker| walker.towards) * distance.clone();
        // Also what the bounds have taken off the sphere.
        let step = (wanted + reached.clone() - distance).clamp_min(0.0) / reached;
        let nearer = within(units * step.neg().add_scalar(1.0));
        [sphere, nearer].map(|delta| inputs.clone() + delta)
    }
}

impl<const D: usize> Approach<D> for Walking<D> {
    fn step(&mut self, task: &AttackTask<'_, D>, closest: &mut Closest<D>) -> Result<(), Error> {
        const ADAPT_EVERY: usize = 10;
        if self.taken == 0 {
            let FirstExample { point, found } = FirstExample::find(task)?;
            closest.offer(task, task.seen(point.clone()), found.clone());
            (self.point, self.found) = (point, found);
        }
        self.taken += 1;
        if self.walkers.iter().all(Walker::is_done) {
            return Ok(());
        }
        let [sphere, nearer] = self.propose(task);
        let kept = task.fooled_by(nearer.clone())?.bool_and(self.found.clone());
        if self.taken.is_multiple_of(ADAPT_EVERY) {
            let read = |flags: Tensor<1, Bool>| {
                flags.int().try_into_vec_as::<i32>().map_err(Error::unreadable)
            };
            let (on_sphere, in_from_it) = (read(task.fooled_by(sphere)?)?, read(kept.clone())?);
            let outcomes = on_sphere.into_iter().zip(in_from_it);
            for (walker, (sphere, nearer)) in self.walkers.iter_mut().zip(outcomes) {
                walker.adapt(sphere != 0, nearer != 0);
            }
        }
        let done = self.each(|walker| if walker.is_done() { 1.0 } else { 0.0 }).bool();
        let distance = |point: &Tensor<D>| {
            length(task.allowed().in_units(point.clone() - task.inputs().clone()))
        };
        let comes_nearer = distance(&nearer).lower(distance(&self.point));
        let moves = comes_nearer.bool_and(done.bool_not()).flatten::<1>(0, D - 1).bool_and(kept);
        let rows = for_each_feature(moves.clone(), &nearer);
        self.point = self.point.clone().mask_where(rows, nearer);
        closest.offer(task, task.seen(self.point.clone()), moves);
        Ok(())
    }

    fn turn(&mut self, turn: &Turn) {
        self.point = turn.staying(self.point.clone());
        self.found = turn.staying_flags(self.found.clone());
        self.walkers = turn.staying_of(&self.walkers);
    }
}

impl AttackParameters for Boundary {
    fn name(&self) -> String {
        match self.steps {
            STEPS => "boundary".into(),
            steps => format!("boundary-{steps}"),
        }
    }

    fn check(&self) -> Result<(), Error> {
        check_counts("Boundary", self.steps, 1)?;
        let kept = self.first_step > 0.0 && self.first_step < 1.0;
        check_range(kept, "Boundary", "the first step", "above 0 and below 1", self.first_step)
    }

    fn gradient_computations(&self) -> usize {
        0
    }

    fn takes_numbers(&self) -> bool {
        true
    }

    fn norms(&self) -> &'static [Norm] {
        &[Norm::L2]
    }

    fn access(&self) -> Access {
        Access::Labels
    }
}

impl<const D: usize> Attack<D> for Boundary {
    /// Of each sample an adversarial example within ε, or the input where none was found.
    fn run_once(&self, task: &AttackTask<D>, run: usize) -> Result<Tensor<D>, Error> {
        Ok(self.search(task, run, task.stops())?.0)
    }
}

impl<const D: usize> MinimalAttack<D> for Boundary {
    fn search(
        &self,
        task: &AttackTask<D>,
        _: usize,
        leaves: bool,
    ) -> Result<(Tensor<D>, Closest<D>), Error> {
        self.check()?;
        let walker = Walker::new(self.first_step);
        let walking = Walking {
            taken: 0,
            point: task.inputs().clone(),
            found: nobody(task.inputs()),
            walkers: vec![walker; task.len()],
        };
        minimize(task, self.steps, leaves, walking)
    }
}
