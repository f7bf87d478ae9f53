//! What every attack does.

use std::fmt::Debug;
use std::sync::Arc;

use burn::tensor::Tensor;

use super::task::AttackTask;
use crate::error::Error;
use crate::rows::{finite, for_each_feature};
use crate::threat::norm::Norm;
use crate::threat::objective::Objective;
use crate::threat::threat_model::ThreatModel;

/// What an attack knows of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Its gradients.
    WhiteBox,
    /// Its outputs alone.
    BlackBox,
    /// The labels that it gives alone.
    Labels,
}

/// What an attack is called, costs, and can run with, whatever the rank of its inputs.
///
/// Its parameters are serialised (derive `serde::Serialize`): the hash that guards a resumed evaluation is
/// made of them.
pub trait AttackParameters: Debug + Send + Sync + erased_serde::Serialize {
    /// The name in tables and reports, lower case: `pgd-20`.
    fn name(&self) -> String;

    /// Accepts parameters the attack can run with.
    ///
    /// # Errors
    /// One variant per parameter that is out of range.
    fn check(&self) -> Result<(), Error>;

    /// Gradient computations per sample in one run, if none ends early.
    fn gradient_computations(&self) -> usize;

    /// The same in this norm, for an attack that costs another number in some. Default: the same.
    fn gradient_computations_in(&self, norm: Norm) -> usize {
        let _ = norm;
        self.gradient_computations()
    }

    /// The norms in which it is defined. Default: none, so an attack says which.
    fn norms(&self) -> &'static [Norm] {
        &[]
    }

    /// How often to run it: once for each restart and, for an attack that aims at several classes
    /// in turn, for each class, unless the task is `targeted` at one. Default: once.
    fn runs(&self, targeted: bool) -> usize {
        let _ = targeted;
        1
    }

    /// Whether it works through a task [`width`](AttackTask::width) samples at a time and takes the
    /// next ones in as others leave, so that a task may be larger than what fits the device. Default:
    /// no.
    fn refills(&self) -> bool {
        false
    }

    /// What it knows of the model. Default: its gradients.
    fn access(&self) -> Access {
        Access::WhiteBox
    }

    /// The names of those serialised parameters that change what it costs and no verdict: they are left out
    /// of the hash of an evaluation. Default: none.
    fn cost_parameters(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether it attacks models that answer with a number ([`Goal::beyond`](crate::Goal::beyond)): it asks which answers are
    /// wrong, and ascends the squared error or the margin, but aims at no class. Default: no.
    fn takes_numbers(&self) -> bool {
        false
    }

    /// Accepts models with this many classes. Default: any.
    ///
    /// # Errors
    /// [`Error::TooFewClasses`], [`Error::TargetClass`].
    fn check_classes(&self, classes: usize, targeted: bool) -> Result<(), Error> {
        let _ = (classes, targeted);
        Ok(())
    }

    /// Accepts threat models in one of its norms, and samples (their shape, the `…` of `[n, …]`), that it
    /// can run with beside that. Default: all.
    ///
    /// # Errors
    /// [`Error::Unsupported`], [`Error::StepSizeUnit`].
    fn check_inputs(&self, threat: &ThreatModel, sample: &[usize]) -> Result<(), Error> {
        let _ = (threat, sample);
        Ok(())
    }

    /// Accepts threat models and samples that the attack supports: one of its [`norms`](Self::norms), and what
    /// [`check_inputs`](Self::check_inputs) accepts.
    ///
    /// # Errors
    /// [`Error::Unsupported`], and those of `check_inputs`.
    fn check_support(&self, threat: &ThreatModel, sample: &[usize]) -> Result<(), Error> {
        match self.norms().contains(&threat.norm()) {
            true => self.check_inputs(threat, sample),
            false => Err(unsupported_norm(self.name(), threat.norm(), self.norms())),
        }
    }
}

/// [`Error::Unsupported`] of an attack that is not defined in this norm.
pub fn unsupported_norm(attack: String, found: Norm, supported: &[Norm]) -> Error {
    let names: Vec<String> = supported.iter().map(Norm::to_string).collect();
    let instead = match names.is_empty() {
        true => "it lists no norm (`AttackParameters::norms`)".into(),
        false => format!("use it with {}", names.join(" or ")),
    };
    Error::Unsupported { attack, what: found.to_string(), instead }
}

/// A way to search a threat model for inputs that a model gets wrong.
///
/// `D` is the rank of the inputs. A deterministic attack ignores the draws.
pub trait Attack<const D: usize>: AttackParameters {
    /// Run number `run`, from 0, of the samples of the task: their adversarial examples, `[n, …]`,
    /// within the threat model.
    ///
    /// # Errors
    /// Those of [`AttackParameters`]' checks and of the model's evaluation.
    fn run_once(&self, task: &AttackTask<D>, run: usize) -> Result<Tensor<D>, Error>;

    /// The attack as it is for a model of so many classes, where that is another one: one that aims at more wrong classes than
    /// there are. Evaluations ask for it. Default: none.
    fn for_classes(&self, classes: usize) -> Option<Arc<dyn Attack<D>>> {
        let _ = classes;
        None
    }

    /// All runs; of each sample the adversarial example that fools the model by the widest margin.
    ///
    /// ```
    /// # use burn::module::Module;
    /// # use burn::nn::{Linear, LinearConfig};
    /// # use burn::tensor::{Device, Int, Tensor};
    /// # use free_at_core::{Attack, AttackTask, Classifier, Draws, Epsilon, Error, FrozenModel};
    /// # use free_at_core::{AttackParameters, Goal, Norm, ThreatModel};
    /// # use serde::Serialize;
    /// # #[derive(Module, Debug)]
    /// # struct Model { linear: Linear }
    /// # impl Classifier<2> for Model {
    /// #     fn logits(&self, inputs: Tensor<2>) -> Tensor<2> { self.linear.forward(inputs) }
    /// # }
    /// /// Gaussian noise would be one line; this stays where it is.
    /// #[derive(Debug, Serialize)]
    /// struct Nothing;
    ///
    /// impl AttackParameters for Nothing {
    ///     fn name(&self) -> String { "nothing".into() }
    ///     fn check(&self) -> Result<(), Error> { Ok(()) }
    ///     fn gradient_computations(&self) -> usize { 0 }
    ///     fn norms(&self) -> &'static [Norm] { &Norm::ALL }
    /// }
    ///
    /// impl Attack<2> for Nothing {
    ///     fn run_once(&self, task: &AttackTask<2>, _: usize) -> Result<Tensor<2>, Error> {
    ///         Ok(task.inputs().clone())
    ///     }
    /// }
    /// # let device = Device::flex();
    /// # let model = FrozenModel::new(&Model { linear: LinearConfig::new(4, 3).init(&device) });
    /// # let goal = Goal::untargeted(Tensor::<1, Int>::from_data([0], &device));
    /// # let threat = ThreatModel::linf(Epsilon::unit(0.1));
    /// # let inputs = Tensor::zeros([1, 4], &device);
    /// let task = AttackTask::new(&model, inputs, goal, &threat, Draws::new(0, vec![0]))?;
    /// assert_eq!(Nothing.perturb(&task)?.dims(), [1, 4]);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`run_once`](Self::run_once).
    fn perturb(&self, task: &AttackTask<D>) -> Result<Tensor<D>, Error> {
        let runs = self.runs(task.goal().target().is_some());
        let mut best = self.run_once(task, 0)?;
        if runs <= 1 {
            return Ok(best);
        }
        // Logits of which one is no finite number are wrong, and name no target.
        let no_answer = match task.goal().target() {
            None => f32::INFINITY,
            Some(_) => f32::NEG_INFINITY,
        };
        let margins = |adversarial: &Tensor<D>| {
            let logits = task.logits(adversarial.clone())?;
            let answers = finite(logits.clone());
            let margin = Objective::Margin.values(logits, task.goal())?;
            Ok::<_, Error>(margin.mask_fill(answers.bool_not(), no_answer))
        };
        let mut best_margin = margins(&best)?;
        for run in 1..runs {
            let next = self.run_once(task, run)?;
            let margin = margins(&next)?;
            let better = margin.clone().greater(best_margin.clone());
            best = best.mask_where(for_each_feature(better.clone(), &next), next);
            best_margin = best_margin.mask_where(better, margin);
        }
        Ok(best)
    }
}
