//! APGD-T and FAB-T towards the classes that a few steps come nearest to.

use std::sync::Arc;

use burn::tensor::{DType, IndexingUpdateOp, Int, Tensor};
use free_at_core::{Attack, AttackParameters, AttackTask, Error, Norm, Objective, Target};
use serde::{Deserialize, Serialize};

use crate::apgd::Apgd;
use crate::apgd_t::ApgdT;
use crate::fab_t::FabT;
use crate::likely_classes::{check_targets, fewer};
use crate::parameters::check_range;

/// APGD-T and FAB-T at two fifths of their gradients: ten steps of APGD-T towards each of its targets, then all of it, and of
/// FAB-T, towards the three classes that those came nearest to, by the margin.
///
/// Both spend most of what they cost on samples that withstand everything, and most of that towards classes that are out of
/// reach. From the same random starts nothing that the whole of both breaks on the networks of the tests was missed with three
/// classes, while the three likeliest by the clean logits do miss some; starts of its own lose or win a sample or two at the edge,
/// as another seed of both does (docs/benchmarks.md has the numbers). It is no published attack:
/// [`AutoAttack::lean`](crate::AutoAttack::lean) is the ensemble with it.
///
/// ```
/// use free_at_attacks::Scouted;
/// use free_at_core::AttackParameters;
///
/// let attack = Scouted::new();
/// assert_eq!((attack.name().as_str(), attack.gradient_computations()), ("apgd-fab-t-3-of-9", 702));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scouted {
    targeted: ApgdT,
    fab: FabT,
    steps: usize,
    kept: usize,
}

impl Default for Scouted {
    fn default() -> Self {
        Self::new()
    }
}

impl Scouted {
    /// Ten steps towards each of nine classes, then all towards three.
    pub fn new() -> Self {
        Self::of(ApgdT::new(), FabT::new())
    }

    pub(crate) fn of(targeted: ApgdT, fab: FabT) -> Self {
        Self { targeted, fab, steps: 10, kept: 3 }
    }

    /// Towards how many classes the whole attacks go; at least 1. Default: 3.
    #[must_use]
    pub fn keeping(self, classes: usize) -> Self {
        Self { kept: classes, ..self }
    }

    /// How many steps look for them; at least 1. Default: 10.
    #[must_use]
    pub fn with_steps(self, steps: usize) -> Self {
        Self { steps, ..self }
    }

    /// How many of the most likely wrong classes to look at; at least 1 and below the number of classes. Default: 9.
    #[must_use]
    pub fn with_targets(self, targets: usize) -> Self {
        Self { targeted: self.targeted.with_targets(targets), ..self }
    }

    /// What APGD-T ascends. Default: targeted DLR, which needs four classes; [`Objective::Margin`] does with two.
    #[must_use]
    pub fn with_objective(self, objective: Objective) -> Self {
        Self { targeted: self.targeted.with_objective(objective), ..self }
    }

    fn kept(&self) -> usize {
        self.kept.min(self.targeted.targets())
    }

    fn cost(&self, norm: Norm) -> usize {
        let apgd = self.targeted.apgd();
        let whole = apgd.gradient_computations_in(norm) + self.fab.gradient_computations();
        let look = match norm {
            Norm::L1 => apgd.cut_at(self.steps, norm).gradient_computations_in(norm),
            _ => self.steps.min(apgd.steps()) + 1,
        };
        self.targeted.targets() * look + self.kept() * whole
    }
}

impl AttackParameters for Scouted {
    fn name(&self) -> String {
        format!("apgd-fab-t-{}-of-{}", self.kept(), self.targeted.targets())
    }

    fn check(&self) -> Result<(), Error> {
        self.targeted.check()?;
        self.fab.check()?;
        check_targets("APGD-T and FAB-T", self.kept)?;
        let steps = self.steps as f64;
        check_range(self.steps > 0, "APGD-T and FAB-T", "steps that look", "at least 1", steps)
    }

    fn gradient_computations(&self) -> usize {
        self.cost(Norm::Linf)
    }

    fn gradient_computations_in(&self, norm: Norm) -> usize {
        self.cost(norm)
    }

    fn norms(&self) -> &'static [Norm] {
        self.targeted.norms()
    }

    fn cost_parameters(&self) -> &'static [&'static str] {
        self.targeted.cost_parameters()
    }

    fn check_classes(&self, classes: usize, targeted: bool) -> Result<(), Error> {
        self.targeted.check_classes(classes, targeted)
    }
}

impl<const D: usize> Attack<D> for Scouted {
    fn for_classes(&self, classes: usize) -> Option<Arc<dyn Attack<D>>> {
        let targets = fewer(self.targeted.targets(), classes)?;
        Some(Arc::new(self.clone().with_targets(targets)))
    }

    /// In a targeted evaluation there is nothing to look for: APGD-T and FAB-T go to the given class.
    fn run_once(&self, task: &AttackTask<D>, _: usize) -> Result<Tensor<D>, Error> {
        self.check()?;
        let mut field = Field::new(task);
        if task.goal().target().is_some() {
            field.attack(|task, _| self.targeted.run_once(task, 0))?;
            field.attack(|task, _| self.fab.run_once(task, 0))?;
            return Ok(field.found);
        }
        let apgd = self.targeted.apgd();
        let look = apgd.cut_at(self.steps, task.allowed().norm());
        let clean = task.logits(task.inputs().clone())?;
        let (mut classes, mut margins) = (Vec::new(), Vec::new());
        for rank in 0..self.targeted.targets() {
            let class = Target::MostLikely(rank + 1);
            let class = class.classes(&clean, &task.goal().truth(), task.draws())?;
            let margin = field.attack(|task, rows| climb(&look, task, rows.of(&class), rank))?;
            classes.push(class.unsqueeze_dim::<2>(1));
            margins.push(margin.unsqueeze_dim::<2>(1));
        }
        let (classes, margins) = (Tensor::cat(classes, 1), Tensor::cat(margins, 1));
        let (_, nearest) = margins.topk_with_indices(self.kept(), 1);
        let nearest = classes.gather(1, nearest);
        let aims: Vec<Tensor<1, Int>> =
            (0..self.kept()).map(|at| nearest.clone().slice_dim(1, at).squeeze_dim(1)).collect();
        let run = self.targeted.targets(); // other draws than those of the looks
        for (at, aim) in aims.iter().enumerate() {
            field.attack(|task, rows| climb(apgd, task, rows.of(aim), run + at))?;
        }
        for aim in &aims {
            let leaves = task.stops();
            field.attack(|task, rows| {
                Ok(self.fab.walk().towards(task, vec![rows.of(aim)], 0, leaves)?.0)
            })?;
        }
        Ok(field.found)
    }
}

/// A run of APGD towards a class.
fn climb<const D: usize>(
    apgd: &Apgd,
    task: &AttackTask<D>,
    aim: Tensor<1, Int>,
    run: usize,
) -> Result<Tensor<D>, Error> {
    let goal = task.goal().aiming_at(aim)?;
    Ok(apgd.climb(task, goal, run, |_| ())?.0)
}

/// The samples of a task, attacked again and again; those that are fooled leave, if the task lets them.
struct Field<'t, 'a, const D: usize> {
    task: &'t AttackTask<'a, D>,
    /// Of each sample the first example that fools the model, or else the last.
    found: Tensor<D>,
    fooled: Vec<bool>,
}

/// Some of the samples, by their positions.
struct Rows(Tensor<1, Int>);

impl Rows {
    fn of(&self, all: &Tensor<1, Int>) -> Tensor<1, Int> {
        all.clone().select(0, self.0.clone())
    }
}

impl<'t, 'a, const D: usize> Field<'t, 'a, D> {
    fn new(task: &'t AttackTask<'a, D>) -> Self {
        Self { task, found: task.inputs().clone(), fooled: vec![false; task.len()] }
    }

    /// One more attack, and how near each of all samples is to being fooled by it, `[n]`.
    fn attack(
        &mut self,
        attack: impl FnOnce(&AttackTask<'a, D>, &Rows) -> Result<Tensor<D>, Error>,
    ) -> Result<Tensor<1>, Error> {
        let device = self.found.device();
        let leaves = |at: usize| self.task.stops() && self.fooled[at];
        let here: Vec<usize> = (0..self.task.len()).filter(|at| !leaves(*at)).collect();
        if here.is_empty() {
            return Ok(Tensor::full([self.task.len()], f32::MIN, (&device, DType::F32)));
        }
        let indices: Vec<i64> = here.iter().map(|&at| at as i64).collect();
        let indices = Tensor::<1, Int>::from_data(indices.as_slice(), &device);
        let task = self.task.select(&here);
        let adversarial = attack(&task, &Rows(indices.clone()))?;
        let logits = task.logits(adversarial.clone())?;
        let fooled = task.goal().fooled(logits.clone());
        let margin = Objective::Margin.values(logits, task.goal())?;
        let no_number = margin.clone().is_finite().bool_not();
        let margin = margin.mask_fill(no_number, f32::MIN);
        // Each sample is put once, and adding to zero is exact.
        let margins = Tensor::<1>::zeros([self.task.len()], (&device, DType::F32));
        let margins = margins.select_assign(0, indices.clone(), margin, IndexingUpdateOp::Add);
        // Of those that were fooled before, what did it stays.
        let mut places: Vec<i64> = (0..self.task.len() as i64).collect();
        for (row, &at) in here.iter().enumerate().filter(|(_, at)| !self.fooled[**at]) {
            places[at] = (self.task.len() + row) as i64;
        }
        let places = Tensor::<1, Int>::from_data(places.as_slice(), &device);
        self.found = Tensor::cat(vec![self.found.clone(), adversarial], 0).select(0, places);
        let fooled = fooled.int().try_into_vec_as::<i32>().map_err(Error::unreadable)?;
        here.iter().zip(fooled).for_each(|(&at, fooled)| self.fooled[at] |= fooled != 0);
        Ok(margins)
    }
}
