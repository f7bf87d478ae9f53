//! An evolutionary search, for tables.

use burn::tensor::{DType, Int, Tensor, TensorData};
use free_at_core::{
    Access, Attack, AttackParameters, AttackTask, Draws, Error, Norm, Objective, Pace, Search,
    Turn, Visit, drive,
};
use serde::Serialize;

use crate::parameters::check_range;

/// η of the polynomial mutation: the larger, the smaller are its steps.
const ETA: f32 = 20.0;
/// How often two parents are crossed, and not the better one copied.
const CROSSED: f32 = 0.9;

/// MOEVA: a population of rows around each row, whose better ones are crossed and mutated; needs no gradient, and so moves
/// categories and whole numbers as easily as others.
///
/// Simonetto, Dyrmishi, Ghamizi, Cordy, Le Traon, "A unified framework for adversarial attack and defense in constrained
/// feature space", IJCAI 2022, with the numbers of TabularBench: from the row itself to 206 rows, 100 children in each
/// of 99 generations, two-point crossover (0.9), polynomial mutation (η = 20, one feature a child in the
/// mean). There, probability, distance and broken relations are three objectives and most of the last population breaks one
/// limit or another; here every child is taken to the nearest row that keeps ε and the [rules](free_at_core::FeatureRules)
/// before the model sees it, so the margin is the only objective and the best are simply kept. Half of the mutations draw
/// the feature anew, as categories need.
///
/// ```
/// use free_at_attacks::Moeva;
/// use free_at_core::AttackParameters;
///
/// assert_eq!(Moeva::new().name(), "moeva");
/// assert_eq!(Moeva::new().with_generations(10).name(), "moeva-10");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moeva {
    generations: usize,
    population: usize,
    children: usize,
}

impl Default for Moeva {
    fn default() -> Self {
        Self::new()
    }
}

impl Moeva {
    const GENERATIONS: usize = 99;

    /// 99 generations of 100 children of 206 rows.
    pub fn new() -> Self {
        Self { generations: Self::GENERATIONS, population: 206, children: 100 }
    }

    /// How many generations; at least 1. Default: 99.
    #[must_use]
    pub fn with_generations(mut self, generations: usize) -> Self {
        self.generations = generations;
        self
    }

    /// How many rows are kept from each; at least 2. Default: 206.
    #[must_use]
    pub fn with_population(mut self, rows: usize) -> Self {
        self.population = rows;
        self
    }

    /// How many children each generation has; at least 1, a forward pass each. Default: 100.
    #[must_use]
    pub fn with_children(mut self, children: usize) -> Self {
        self.children = children;
        self
    }
}

impl AttackParameters for Moeva {
    fn name(&self) -> String {
        match self.generations {
            Self::GENERATIONS => "moeva".into(),
            generations => format!("moeva-{generations}"),
        }
    }

    fn check(&self) -> Result<(), Error> {
        if self.generations == 0 || self.children == 0 {
            return Err(Error::Steps { attack: self.name() });
        }
        let rows = self.population as f64;
        check_range(self.population >= 2, "MOEVA", "the population", "at least 2", rows)
    }

    fn gradient_computations(&self) -> usize {
        0
    }

    fn access(&self) -> Access {
        Access::BlackBox
    }

    fn takes_numbers(&self) -> bool {
        true
    }

    fn norms(&self) -> &'static [Norm] {
        &Norm::ALL
    }
}

impl<const D: usize> Attack<D> for Moeva {
    /// Of each sample the row with the least margin, which is an adversarial example if there is one.
    fn run_once(&self, task: &AttackTask<D>, _: usize) -> Result<Tensor<D>, Error> {
        self.check()?;
        let steps = self.generations * self.children;
        let pace = Pace { steps, leaves: task.stops(), refills: false };
        let rows = task.inputs().clone().flatten::<2>(1, D - 1);
        let [n, features] = rows.dims();
        let free = task.allowed().only_free(task.inputs().ones_like().slice_dim(0, 0..1));
        let free = free.sum().try_into_scalar::<f32>().map_err(Error::unreadable)?;
        let evolution = Evolution {
            attack: self,
            mutated: 1.0 / free.max(1.0),
            population: rows.reshape([n, 1, features]),
            margins: Tensor::zeros([n, 1], (&task.inputs().device(), DType::F32)),
            born: Vec::new(),
            child: 0,
        };
        Ok(drive(task, pace, evolution)?.0)
    }
}

/// One run at work.
struct Evolution<'a> {
    attack: &'a Moeva,
    /// How often a feature of a child is mutated.
    mutated: f32,
    /// `[n, members, features]`, and how near each is to fooling the model, `[n, members]`.
    population: Tensor<3>,
    margins: Tensor<2>,
    /// The children of this generation, likewise.
    born: Vec<(Tensor<3>, Tensor<2>)>,
    /// Children so far.
    child: usize,
}

impl Evolution<'_> {
    fn ask<const D: usize>(
        &self,
        task: &AttackTask<'_, D>,
        adversarial: Tensor<D>,
    ) -> Result<(Tensor<2>, Visit<D>), Error> {
        let logits = task.logits(adversarial.clone())?;
        let fooled = task.goal().fooled(logits.clone());
        let margin = Objective::Margin.values(logits, task.goal())?;
        // What is no answer counts as wrong already, and must not be bred from.
        let no_number = margin.clone().is_finite().bool_not();
        let margin = margin.mask_fill(no_number, f32::MIN);
        Ok((margin.unsqueeze_dim(1), Visit { adversarial, fooled }))
    }

    /// The better of two members of each sample's population, `[n, features]`.
    fn winner(&self, first: &[f32], second: &[f32]) -> Tensor<2> {
        let [n, members, features] = self.population.dims();
        let device = self.population.device();
        let of = |units: &[f32]| {
            let place = |(row, unit): (usize, &f32)| {
                (row * members + ((unit * members as f32) as usize).min(members - 1)) as i64
            };
            let places: Vec<i64> = units.iter().enumerate().map(place).collect();
            let places = Tensor::<1, Int>::from_data(places.as_slice(), &device);
            let rows = self.population.clone().reshape([n * members, features]);
            let margins = self.margins.clone().reshape([n * members]);
            (rows.select(0, places.clone()), margins.select(0, places))
        };
        let ((one, its_margin), (other, margin)) = (of(first), of(second));
        let better = margin.greater(its_margin).unsqueeze_dim::<2>(1).expand([n, features]);
        one.mask_where(better, other)
    }

    /// A child of each sample, before it is taken back to what is allowed.
    fn child<const D: usize>(&self, task: &AttackTask<'_, D>, draws: &Draws) -> Tensor<D> {
        let [n, _, features] = self.population.dims();
        let drawn = draws.units(7 + 3 * features);
        let column = |at: usize| drawn.iter().map(|row| row[at]).collect::<Vec<f32>>();
        let mother = self.winner(&column(0), &column(1));
        let father = self.winner(&column(2), &column(3));
        let (mut taken, mut moves) = (Vec::new(), Vec::new());
        for row in &drawn {
            let cut = |at: usize| (row[at] * (features + 1) as f32) as usize;
            let (low, high) = (cut(4).min(cut(5)), cut(4).max(cut(5)));
            let crossed = row[6] < CROSSED;
            taken.extend((0..features).map(|f| f32::from(crossed && (low..high).contains(&f))));
            let genes = row[7..].chunks(3);
            moves.extend(genes.map(|gene| match gene[0] < self.mutated {
                true if gene[1] < 0.5 => polynomial(gene[2]),
                true => 2.0 * gene[2] - 1.0,
                false => 0.0,
            }));
        }
        let device = task.inputs().device();
        let on_device = |values| {
            let data = TensorData::new(values, [n, features]);
            Tensor::<2>::from_data(data, (&device, DType::F32))
        };
        let child = mother.mask_where(on_device(taken).bool(), father);
        let (shape, allowed) = (task.inputs().dims(), task.allowed());
        let moved = on_device(moves).reshape(shape).mul_scalar(2.0 * allowed.epsilon());
        let delta = child.reshape(shape) + allowed.from_units(moved) - task.inputs().clone();
        task.moved(&allowed.project(task.inputs(), allowed.only_free(delta)))
    }

    /// The best of the old and the new.
    fn select(&mut self) {
        let born = std::mem::take(&mut self.born);
        let (rows, margins): (Vec<_>, Vec<_>) = born.into_iter().unzip();
        let population = Tensor::cat([vec![self.population.clone()], rows].concat(), 1);
        let margins = Tensor::cat([vec![self.margins.clone()], margins].concat(), 1);
        let [n, members, features] = population.dims();
        let kept = members.min(self.attack.population);
        let (margins, best) = margins.topk_with_indices(kept, 1);
        let first = Tensor::<1, Int>::arange(0..n as i64, &population.device());
        let first = first.mul_scalar(members as i64).unsqueeze_dim::<2>(1);
        let places = (best + first).reshape([n * kept]);
        let rows = population.reshape([n * members, features]).select(0, places);
        (self.population, self.margins) = (rows.reshape([n, kept, features]), margins);
    }
}

impl<const D: usize> Search<D> for Evolution<'_> {
    fn begin(&mut self, task: &AttackTask<'_, D>) -> Result<Option<Visit<D>>, Error> {
        let (margins, visit) = self.ask(task, task.moved(&task.inputs().zeros_like()))?;
        self.margins = margins;
        Ok(Some(visit))
    }

    fn step(&mut self, task: &AttackTask<'_, D>) -> Result<Option<Visit<D>>, Error> {
        self.child += 1;
        let child = self.child(task, &task.draws().for_step(self.child));
        let (margin, visit) = self.ask(task, child.clone())?;
        self.born.push((child.flatten::<2>(1, D - 1).unsqueeze_dim(1), margin));
        if self.born.len() == self.attack.children {
            self.select();
        }
        Ok(Some(visit))
    }

    fn turn(&mut self, turn: &Turn) {
        self.population = turn.staying(self.population.clone());
        self.margins = turn.staying(self.margins.clone());
        for (rows, margins) in &mut self.born {
            (*rows, *margins) = (turn.staying(rows.clone()), turn.staying(margins.clone()));
        }
    }

    fn last(&self, task: &AttackTask<'_, D>) -> Tensor<D> {
        let best = self.margins.clone().argmax(1).unsqueeze_dim::<3>(2);
        let [n, _, features] = self.population.dims();
        let best = self.population.clone().gather(1, best.expand([n, 1, features]));
        best.reshape(task.inputs().dims())
    }
}

/// A polynomial mutation from a uniform number, as a share of the range (Deb and Agrawal 1999).
fn polynomial(unit: f32) -> f32 {
    let power = 1.0 / (ETA + 1.0);
    match unit < 0.5 {
        true => (2.0 * unit).powf(power) - 1.0,
        false => 1.0 - (2.0 * (1.0 - unit)).powf(power),
    }
}
