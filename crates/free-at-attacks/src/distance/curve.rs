//! Distances as text and as a curve.

use std::fmt;

use super::report::{DistanceReport, SampleDistance};
use crate::report::wilson_interval;

impl DistanceReport {
    /// Pairs of an ε and the robust accuracy there, from 0 to 1: the whole staircase, two points for every distance at which it
    /// falls.
    pub fn curve(&self) -> Vec<(f64, f64)> {
        let mut at: Vec<f64> = self.samples.iter().filter_map(|sample| sample.distance).collect();
        at.sort_by(f64::total_cmp);
        at.dedup();
        let mut points = vec![(0.0, self.clean)];
        for epsilon in at {
            let before = points.last().map_or(self.clean, |(_, accuracy)| *accuracy);
            points.push((epsilon, before));
            points.push((epsilon, self.accuracy_at(epsilon)));
        }
        points
    }
}

impl fmt::Display for DistanceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHARES: [f64; 5] = [0.0, 0.5, 1.0, 1.5, 2.0];
        let n = self.samples.len();
        let targeted = if self.target.is_some() { ", targeted" } else { "" };
        let norm = self.threat.norm();
        writeln!(f, "distances in {norm}{targeted}, {n} samples, seed {}", self.seed)?;
        let distance = |at: Option<f64>| at.map_or("    none".into(), |at| format!("{at:8.4}"));
        let width = self.attacks.iter().map(|attack| attack.name.len()).max().unwrap_or(0);
        let width = width.max("closest of all".len());
        for attack in &self.attacks {
            let (name, median) = (&attack.name, distance(attack.median));
            let (found, attacked) = (attack.found, attack.attacked);
            let (gradients, forwards) = (attack.gradient_computations, attack.forward_passes);
            writeln!(
                f,
                "  {name:width$}  median {median}  found {found}/{attacked}  ({gradients} gradients, {forwards} forward passes, {:.1} s)",
                attack.seconds
            )?;
        }
        let found = |sample: &&SampleDistance| sample.distance.is_some();
        let found = self.samples.iter().filter(found).count();
        let right = (self.clean * n as f64).round();
        let name = "closest of all";
        let median = distance(self.median());
        writeln!(f, "  {name:width$}  median {median}  found {found}/{right}")?;
        let Some(median) = self.median() else { return self.cut_short(f) };
        for epsilon in SHARES.map(|share| share * median) {
            let count = self.count_at(epsilon);
            let [low, high] = wilson_interval(count, n).map(|end| 100.0 * end);
            let accuracy = 100.0 * self.accuracy_at(epsilon);
            writeln!(
                f,
                "  ε {epsilon:<8.4} {accuracy:5.1} %  [{low:5.1}, {high:5.1}]  {count}/{n}"
            )?;
        }
        self.cut_short(f)
    }
}

impl DistanceReport {
    fn cut_short(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_cut_short {
            true => writeln!(
                f,
                "  the queries were spent before all was done: closer examples may be left"
            ),
            false => Ok(()),
        }
    }
}
