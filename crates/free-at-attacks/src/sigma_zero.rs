//! σ-zero.

use burn::tensor::{FloatDType, Tensor};
use free_at_core::rows::{column, largest};
use free_at_core::{
    Approach, Attack, AttackParameters, AttackTask, Closest, Error, MinimalAttack, Norm, Turn,
    minimize,
};
use serde::{Deserialize, Serialize};

use crate::adam::Adam;
use crate::constants::shortfall;
use crate::parameters::{check_counts, check_range, cosine};

/// σ-zero: looks for the adversarial example with the fewest changed features. It descends, by Adam on gradients of
/// largest entry 1, on max(−margin, 0) + mean δ² / (δ² + σ), a smooth count of the changes, and after each step sets all
/// changes below τ to 0; τ rises where the model is fooled and falls where it is not.
///
/// Cinà, Villani, Pintor, Schönherr, Biggio, Pelillo, "σ-zero: Gradient-based optimization of ℓ0-norm adversarial
/// examples", ICLR 2025, as adversarial-library has it: rate 1 falling to 0.1 along a cosine, σ = 0.001, τ from 0.3, moved by
/// 0.01 times the rate. Untargeted there; here it takes a target, too.
///
/// ```
/// use free_at_attacks::SigmaZero;
/// use free_at_core::AttackParameters;
///
/// assert_eq!(SigmaZero::new(1_000).name(), "sigma-zero-1000");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SigmaZero {
    steps: usize,
    sigma: f64,
    first_threshold: f64,
}

impl SigmaZero {
    /// The published defaults in `steps` steps, at least 1 (published: 1,000).
    pub fn new(steps: usize) -> Self {
        Self { steps, sigma: 1e-3, first_threshold: 0.3 }
    }

    /// How sharp the count of changes is: σ, finite and above 0. Default: 0.001.
    #[must_use]
    pub fn with_sigma(self, sigma: f64) -> Self {
        Self { sigma, ..self }
    }
}

struct Sparse<'a, const D: usize> {
    attack: &'a SigmaZero,
    taken: usize,
    delta: Tensor<D>,
    adam: Adam<D>,
    /// τ of each sample, `[n, 1, …]`.
    threshold: Tensor<D>,
    rate: f64,
}

impl<const D: usize> Approach<D> for Sparse<'_, D> {
    fn step(&mut self, task: &AttackTask<'_, D>, closest: &mut Closest<D>) -> Result<(), Error> {
        const THRESHOLD_STEP: f64 = 0.01;
        const LAST_RATE: f64 = 0.1;
        let (allowed, inputs) = (task.allowed(), task.inputs());
        let seen = task.moved(&self.delta);
        let found = shortfall(task, seen.clone(), 0.0)?;
        let fooled = task.goal().fooled(found.logits);
        closest.offer(task, seen, fooled.clone());

        let sigma = self.attack.sigma;
        let square = self.delta.clone().square().add_scalar(sigma).square();
        let slope = 2.0 * sigma / task.features() as f64;
        let count = self.delta.clone().mul_scalar(slope) / square;
        let gradient = found.gradient + count;
        let most = largest(gradient.clone()).clamp_min(f32::MIN_POSITIVE);
        let step = self.adam.step(gradient / most).mul_scalar(self.rate);
        // Nothing is projected onto a ball, but what may not move does not.
        let moved = allowed.one_way(self.delta.clone() + allowed.only_free(step));
        self.delta = allowed.project_to_bounds(inputs, moved);

        self.rate = cosine(1.0, LAST_RATE, self.taken, self.attack.steps);
        let rises = fooled.cast(FloatDType::F32).mul_scalar(2.0).sub_scalar(1.0);
        let change = column::<D>(rises).mul_scalar(THRESHOLD_STEP * self.rate);
        self.threshold = (self.threshold.clone() + change).clamp(0.0, 1.0);
        let small = self.delta.clone().abs().lower(self.threshold.clone().expand(inputs.dims()));
        self.delta = self.delta.clone().mask_fill(small, 0.0);
        self.taken += 1;
        Ok(())
    }

    fn turn(&mut self, turn: &Turn) {
        self.delta = turn.staying(self.delta.clone());
        self.threshold = turn.staying(self.threshold.clone());
        self.adam.turn(turn);
    }
}

impl AttackParameters for SigmaZero {
    fn name(&self) -> String {
        format!("sigma-zero-{}", self.steps)
    }

    fn check(&self) -> Result<(), Error> {
        check_counts("σ-zero", self.steps, 1)?;
        let kept = self.sigma > 0.0 && self.sigma.is_finite();
        check_range(kept, "σ-zero", "sigma", "finite and above 0", self.sigma)
    }

    fn gradient_computations(&self) -> usize {
        self.steps
    }

    fn norms(&self) -> &'static [Norm] {
        &[Norm::L0]
    }
}

impl<const D: usize> Attack<D> for SigmaZero {
    /// Of each sample an adversarial example within ε, or the input where none was found.
    fn run_once(&self, task: &AttackTask<D>, run: usize) -> Result<Tensor<D>, Error> {
        Ok(self.search(task, run, task.stops())?.0)
    }
}

impl<const D: usize> MinimalAttack<D> for SigmaZero {
    fn search(
        &self,
        task: &AttackTask<D>,
        _: usize,
        leaves: bool,
    ) -> Result<(Tensor<D>, Closest<D>), Error> {
        self.check()?;
        let delta = task.inputs().zeros_like();
        let threshold = task.allowed().measure(delta.clone()).add_scalar(self.first_threshold);
        let search =
            Sparse { attack: self, taken: 0, adam: Adam::new(&delta), delta, threshold, rate: 1.0 };
        minimize(task, self.steps, leaves, search)
    }
}
