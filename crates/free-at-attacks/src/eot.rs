//! Expectation over transformation.

use burn::tensor::Tensor;
use free_at_core::{Access, Attack, AttackParameters, AttackTask, Error, Norm, ThreatModel};
use serde::Serialize;

/// EOT: any attack with gradients, each of them the mean over several answers of a model that draws: dropout at test time,
/// noise, random resizing. Of one answer alone the gradient is mostly noise, and a model that draws looks robust.
///
/// Athalye, Engstrom, Ilyas, Kwok, "Synthesizing robust adversarial examples", ICML 2018; as the reference
/// AutoAttack's `eot_iter` does it: the mean of the gradients, with the objective and the answer of the last draw.
/// On a model that does not draw it finds what the attack finds alone, at so many times its cost.
///
/// ```
/// use free_at_attacks::{Eot, Pgd};
/// use free_at_core::AttackParameters;
///
/// let attack = Eot::new(Pgd::new(20), 10);
/// assert_eq!((attack.name().as_str(), attack.gradient_computations()), ("pgd-20-eot-10", 200));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Eot<A> {
    attack: A,
    draws: usize,
}

impl<A> Eot<A> {
    /// The attack, with gradients that are means over so many draws of the model; at least 1.
    pub fn new(attack: A, draws: usize) -> Self {
        Self { attack, draws }
    }
}

impl<A: AttackParameters + Serialize> AttackParameters for Eot<A> {
    fn name(&self) -> String {
        format!("{}-eot-{}", self.attack.name(), self.draws)
    }

    fn check(&self) -> Result<(), Error> {
        match self.draws {
            0 => Err(Error::AttackParameter {
                attack: "EOT",
                parameter: "the number of draws",
                allowed: "at least 1",
                value: 0.0,
            }),
            _ => self.attack.check(),
        }
    }

    fn gradient_computations(&self) -> usize {
        self.draws * self.attack.gradient_computations()
    }

    fn gradient_computations_in(&self, norm: Norm) -> usize {
        self.draws * self.attack.gradient_computations_in(norm)
    }

    fn norms(&self) -> &'static [Norm] {
        self.attack.norms()
    }

    fn runs(&self, targeted: bool) -> usize {
        self.attack.runs(targeted)
    }

    fn refills(&self) -> bool {
        self.attack.refills()
    }

    fn takes_numbers(&self) -> bool {
        self.attack.takes_numbers()
    }

    fn access(&self) -> Access {
        self.attack.access()
    }

    fn cost_parameters(&self) -> &'static [&'static str] {
        self.attack.cost_parameters()
    }

    fn check_classes(&self, classes: usize, targeted: bool) -> Result<(), Error> {
        self.attack.check_classes(classes, targeted)
    }

    fn check_inputs(&self, threat: &ThreatModel, sample: &[usize]) -> Result<(), Error> {
        self.attack.check_inputs(threat, sample)
    }
}

impl<A: Attack<D> + Serialize, const D: usize> Attack<D> for Eot<A> {
    fn run_once(&self, task: &AttackTask<D>, run: usize) -> Result<Tensor<D>, Error> {
        self.check()?;
        self.attack.run_once(&task.clone().averaging(self.draws), run)
    }
}
