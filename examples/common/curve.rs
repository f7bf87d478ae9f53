//! Robust accuracy over epsilon.

use burn::data::dataloader::DataLoader;
use burn::module::Module;
use free_at::attacks::{Attack, EvaluationError};
use free_at::prelude::*;

/// Accuracy, from 0 to 1, over epsilon, for one model.
pub struct Curve {
    /// What the model is called.
    pub name: String,
    /// Pairs of epsilon and accuracy, beginning with the clean one at 0.
    pub points: Vec<(f64, f64)>,
}

impl Curve {
    /// The accuracy of `model` under `attack` at each of these epsilons.
    ///
    /// # Errors
    /// Those of the evaluation.
    pub fn measure<C: Classifier<D> + Module + 'static, const D: usize>(
        (name, model): (&str, &C),
        test: &dyn DataLoader<Batch<D>>,
        threat: &ThreatModel,
        attack: &(impl Attack<D> + Clone + 'static),
        (epsilons, seed): (&[f64], u64),
    ) -> Result<Self, EvaluationError> {
        let evaluation = |threat| Evaluation::new(threat).with_seed(seed).attack(attack.clone());
        Self::measure_by((name, model), test, threat, epsilons, evaluation)
    }

    /// The same by evaluations of one's own.
    ///
    /// # Errors
    /// Those of the evaluation.
    pub fn measure_by<C: Classifier<D> + Module + 'static, const D: usize>(
        (name, model): (&str, &C),
        test: &dyn DataLoader<Batch<D>>,
        threat: &ThreatModel,
        epsilons: &[f64],
        evaluation: impl Fn(ThreatModel) -> Evaluation<D>,
    ) -> Result<Self, EvaluationError> {
        let mut points = Vec::new();
        for &epsilon in epsilons {
            let threat = threat.clone().with_epsilon(Epsilon::unit(epsilon));
            let report = evaluation(threat).run(model, test)?;
            if points.is_empty() {
                points.push((0.0, report.clean));
            }
            points.push((epsilon, report.worst_case));
        }
        Ok(Self { name: name.into(), points })
    }
}
