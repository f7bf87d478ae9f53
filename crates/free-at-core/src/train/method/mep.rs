//! FGSM-MEP: "Prior-guided adversarial initialization for fast adversarial training", Jia et al., ECCV 2022.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::adversary::{Adversary, ModelMode};
use super::interface::{Descend, Method};
use super::observer::Phase;
use super::step::{Descent, Step};
use crate::model::classifier::Trainable;
use crate::model::frozen::FrozenModel;
use crate::threat::threat_model::ThreatModel;
use crate::train::TrainError;

/// The length of a step, unless the adversary says so: the authors' α = ε.
const STEP_OF_EPSILON: f64 = 1.0;
/// Under which names it remembers of each sample: where FGSM starts, the gradient's momentum, and how often the sample
/// was met since the last start at random.
const STARTS: &str = "starts";
const MOMENTA: &str = "momenta";
const VISITS: &str = "visits";
/// Near the largest number in half precision.
const LARGEST: f32 = 65_000.0;

/// Configuration of FGSM-MEP training: FGSM starts where the momentum of the sample's gradients in earlier passes leads
/// (the prior), and the answers before and after its step are held together:
/// cross-entropy at x + δ and λ · mean (z(x + δ) − z(x + δ₀))² over the logits z.
///
/// As the authors' program, `jiaxiaojunQAQ/FGSM-PGI` (`FGSM_MEP.py`): decay of the momentum 0.3, λ = 10, a start of ε up
/// or down in each feature at first and again at every 40th visit, model in training mode, δ laid over whatever crop
/// comes. Here, but not there, x + δ₀ is kept within the input bounds. The program smooths labels too, by 0.444 in PyTorch's terms:
/// [`smoothing_labels`](crate::train::Trainer::smoothing_labels). It is for L∞; elsewhere a step is the norm's own.
///
/// **Cost**: two gradient computations and a forward pass an optimiser step (the program's second backward pass goes
/// through the first graph again; here that graph is made anew). **Memory**: twice what
/// [`FreeConfig::with_memory`](crate::train::FreeConfig::with_memory) says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MepConfig {
    #[serde(flatten)]
    adversary: Adversary,
    samples: usize,
    decay: f64,
    lambda: f64,
    restart: u32,
}

impl MepConfig {
    /// Against this adversary, on a data set of so many samples, told apart by their
    /// [indices](crate::Batch::indices).
    pub fn new(adversary: impl Into<Adversary>, samples: usize) -> Self {
        let adversary = adversary.into();
        Self { adversary, samples, decay: 0.3, lambda: 10.0, restart: 40 }
    }

    /// How much of the momentum stays at each visit of a sample, from 0 to 1. Default: 0.3.
    #[must_use]
    pub fn with_decay(mut self, decay: f64) -> Self {
        self.decay = decay;
        self
    }

    /// λ, the weight of the difference of the logits, not below 0. Default: 10.
    #[must_use]
    pub fn with_lambda(mut self, lambda: f64) -> Self {
        self.lambda = lambda;
        self
    }

    /// A sample starts at random again at every so many visits, from 1 to 2,000. Default: 40.
    #[must_use]
    pub fn restarting_every(mut self, visits: u32) -> Self {
        self.restart = visits;
        self
    }
}

impl Method for MepConfig {
    fn name(&self) -> String {
        "fgsm-mep".into()
    }

    fn check(&self) -> Result<(), TrainError> {
        self.adversary.check()?;
        let wrong = |parameter, allowed, value| {
            Err(TrainError::Parameter { what: "FGSM-MEP", parameter, allowed, value })
        };
        if !(0.0..=1.0).contains(&self.decay) {
            return wrong("the decay of the momentum", "from 0 to 1", self.decay);
        }
        if !(self.lambda.is_finite() && self.lambda >= 0.0) {
            return wrong("λ", "finite and not below 0", self.lambda);
        }
        match self.restart {
            1..=2000 => Ok(()), // half precision counts so far
            visits => wrong("the visits between two starts at random", "1 to 2,000", visits.into()),
        }
    }

    fn threat(&self) -> Option<&ThreatModel> {
        Some(self.adversary.threat())
    }

    fn gradient_computations(&self) -> usize {
        3 // a gradient in the input, and two forward passes with one backward pass through both
    }

    fn answers(&self) -> usize {
        2
    }
}

impl<const D: usize> Descend<D> for MepConfig {
    fn descend<C: Trainable<D>>(&self, step: &mut Step<'_, C, D>) -> Result<Descent, TrainError> {
        let x = step.inputs();
        let (shape, features) = (x.dims(), x.dims()[1..].iter().product());
        let allowed = step.allowed(&self.adversary)?;
        let size = step.step_size(&self.adversary, STEP_OF_EPSILON);

        // The prior: where the sample's last visit led, or a start at random.
        let visits = step.remembered(VISITS, self.samples, 1)?;
        let begins = visits.clone().equal_scalar(0.0);
        let starts = step.remembered(STARTS, self.samples, features)?.reshape(shape);
        let momentum = step.remembered(MOMENTA, self.samples, features)?;
        let random = step.draws(&self.adversary).uniform(shape, &x.device());
        let random = allowed.project_to_ball(allowed.steepest_step(random, size));
        let begin_anew = begins.clone().expand([shape[0], features]);
        let start = starts.mask_where(begin_anew.clone().reshape(shape), random);
        let start = allowed.project(&x, start); // of another crop, and half precision rounds up, too
        let momentum = momentum.mask_fill(begin_anew, 0.0);

        // One gradient there, by a model whose running statistics are its own: it is asked there again below.
        let frozen = match self.adversary.attacked_in() {
            Some(ModelMode::Evaluation) => FrozenModel::new(step.model()),
            _ => FrozenModel::in_training(&step.model().valid().train()),
        };
        let seen = x.clone() + start.clone();
        let task = step.task(&self.adversary, &frozen)?;
        let found = task.gradient_of(seen.clone(), |logits| step.cross_entropy(logits))?;
        step.show(Phase::Ascent, (&seen, &found.gradient, &found.logits))?;
        let moved = |along: Tensor<D>| {
            let delta = start.clone() + allowed.steepest_step(along, size);
            allowed.project(&x, delta)
        };

        // The momentum of gradients of mean size 1 over the minibatch leads to the next start.
        let gradient = found.gradient.clone().flatten::<2>(1, D - 1);
        let mean = gradient.clone().abs().mean().clamp_min(f32::MIN_POSITIVE).unsqueeze();
        let momentum = gradient / mean + momentum.mul_scalar(self.decay);
        let next = moved(momentum.clone().reshape(shape));
        step.remember(STARTS, next.flatten(1, D - 1))?;
        step.remember(MOMENTA, momentum.clamp(-LARGEST, LARGEST))?;
        let visits = visits.add_scalar(1.0);
        let over = visits.clone().equal_scalar(self.restart);
        step.remember(VISITS, visits.mask_fill(over, 0.0))?;

        let adversarial = x.clone() + moved(found.gradient);
        step.descend_on([seen, adversarial], |[before, after]| {
            let apart = (after.clone() - before).square().mean_dim(1).squeeze_dim::<1>(1);
            Ok(step.cross_entropy(after)? + apart.mul_scalar(self.lambda))
        })
    }
}
