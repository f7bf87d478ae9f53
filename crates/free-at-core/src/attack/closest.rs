//! The closest adversarial example so far, for attacks that look for the smallest perturbation.

use burn::tensor::{Bool, DType, Tensor};

use super::search::Visit;
use super::survivors::Turn;
use super::task::AttackTask;
use crate::rows::for_each_feature;

/// Of each sample the adversarial example closest to it so far, at whatever distance.
#[derive(Debug, Clone)]
pub struct Closest<const D: usize> {
    examples: Tensor<D>,
    norms: Tensor<1>,
    cut_short: bool,
}

impl<const D: usize> Closest<D> {
    /// None yet: the inputs themselves, at an infinite distance.
    pub fn new(task: &AttackTask<'_, D>) -> Self {
        let (inputs, device) = (task.inputs().clone(), task.inputs().device());
        let norms = Tensor::full([task.len()], f32::INFINITY, (&device, DType::F32));
        Self { examples: inputs, norms, cut_short: false }
    }

    /// Takes note of points of the samples, `[n, …]`, as the model saw them, where these fool it, `[n]`, and
    /// are closer than what was found before.
    pub fn offer(&mut self, task: &AttackTask<'_, D>, seen: Tensor<D>, fooled: Tensor<1, Bool>) {
        let norms = distances(task, &seen);
        let closer = fooled.bool_and(norms.clone().lower(self.norms.clone()));
        self.norms = self.norms.clone().mask_where(closer.clone(), norms);
        let rows = for_each_feature(closer, &seen);
        self.examples = self.examples.clone().mask_where(rows, seen);
    }

    /// The examples, `[n, …]`; the input itself where none was found.
    pub fn examples(&self) -> &Tensor<D> {
        &self.examples
    }

    /// Their norms as the threat model measures them, `[n]`; infinite where none was found.
    pub fn norms(&self) -> &Tensor<1> {
        &self.norms
    }

    /// Whether the search ended early because the model may not be asked any more: what is here stands, but more might
    /// have been found.
    pub fn is_cut_short(&self) -> bool {
        self.cut_short
    }

    pub(super) fn cut_short(&mut self) {
        self.cut_short = true;
    }

    /// Which samples have one within ε, `[n]`.
    pub fn within(&self, task: &AttackTask<'_, D>) -> Tensor<1, Bool> {
        // Eight grey levels, say, are a little above 8/255 for half of all pixels by rounding alone; the
        // evaluation allows ten times as much.
        const ROUNDING: f64 = 1e-5;
        self.norms.clone().lower_equal_scalar(task.allowed().epsilon() * (1.0 + ROUNDING))
    }

    /// What a search that looks for the smallest perturbation has to tell: the examples, of which those within
    /// ε count.
    pub fn visit(&self, task: &AttackTask<'_, D>) -> Visit<D> {
        Visit { adversarial: self.examples.clone(), fooled: self.within(task) }
    }

    /// Keeps those of the samples that stay in a search.
    pub fn turn(&mut self, turn: &Turn) {
        self.examples = turn.staying(self.examples.clone());
        self.norms = turn.staying(self.norms.clone());
    }
}

/// How far each point is from its input, `[n]`, as the threat model measures it.
fn distances<const D: usize>(task: &AttackTask<'_, D>, seen: &Tensor<D>) -> Tensor<1> {
    task.allowed().measure(seen.clone() - task.inputs().clone()).flatten::<1>(0, D - 1)
}
