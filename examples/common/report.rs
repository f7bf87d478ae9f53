//! What is printed and written of some trainings.

use std::fmt;

use free_at::prelude::*;
use serde::{Serialize, Serializer};

use crate::training::Trained;

/// Accuracies and costs, a line for each method.
#[derive(Serialize)]
pub struct Report {
    epsilon: f64,
    seed: u64,
    runs: Vec<Run>,
}

#[derive(Serialize)]
struct Run {
    method: String,
    optimizer_steps: usize,
    gradient_computations: usize,
    train_seconds: f64,
    clean: f64,
    #[serde(serialize_with = "as_map")]
    attacks: Vec<(String, f64)>,
    worst_case: f64,
}

/// In the order in which the attacks were run.
fn as_map<S: Serializer>(attacks: &[(String, f64)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(attacks.iter().map(|(name, accuracy)| (name, accuracy)))
}

impl Report {
    /// Of trained models and what attacks found of them, in the same order.
    pub fn new<C>(
        threat: &ThreatModel,
        seed: u64,
        trained: &[Trained<C>],
        robustness: &[RobustnessReport],
    ) -> Self {
        let run = |(trained, found): (&Trained<C>, &RobustnessReport)| Run {
            method: trained.method.clone(),
            optimizer_steps: trained.steps,
            gradient_computations: trained.gradient_computations,
            train_seconds: trained.seconds,
            clean: found.clean,
            attacks: found.attacks.iter().map(|a| (a.name.clone(), a.accuracy)).collect(),
            worst_case: found.worst_case,
        };
        let runs = trained.iter().zip(robustness).map(run).collect();
        Self { epsilon: threat.epsilon().value(), seed, runs }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "accuracy in %, epsilon {} (L-infinity), seed {}\n", self.epsilon, self.seed)?;
        write!(f, "{:9} {:>7}", "method", "clean")?;
        for (attack, _) in self.runs.iter().take(1).flat_map(|run| &run.attacks) {
            write!(f, " {attack:>10}")?;
        }
        writeln!(f, " {:>11} {:>10} {:>8}", "worst case", "gradients", "seconds")?;
        for run in &self.runs {
            write!(f, "{:9} {:>7.1}", run.method, 100.0 * run.clean)?;
            for (_, accuracy) in &run.attacks {
                write!(f, " {:>10.1}", 100.0 * accuracy)?;
            }
            let (gradients, seconds) = (run.gradient_computations, run.train_seconds);
            writeln!(f, " {:>11.1} {gradients:>10} {seconds:>8.1}", 100.0 * run.worst_case)?;
        }
        Ok(())
    }
}
