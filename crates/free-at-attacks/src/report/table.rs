//! A report as a table.

use std::fmt;

use super::{QuantizedAccuracy, RobustnessReport};

impl fmt::Display for RobustnessReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.samples.len();
        let targeted = if self.target.is_some() { ", targeted" } else { "" };
        writeln!(f, "{}{targeted}, {n} samples, seed {}", self.threat, self.seed)?;
        let named = |name: &str| if self.cascade { format!("+ {name}") } else { name.to_string() };
        let names: Vec<String> = self.attacks.iter().map(|attack| named(&attack.name)).collect();
        let widest = names.iter().map(String::len).max().unwrap_or(0);
        let width = widest.max("worst case".len());
        let quantized = |found: Option<QuantizedAccuracy>| match found {
            Some(QuantizedAccuracy { rounded, quantized }) => {
                format!(
                    "  8-bit: {:.1} % rounded, {:.1} % quantized",
                    100.0 * rounded,
                    100.0 * quantized
                )
            }
            None => String::new(),
        };
        let mut line = |name: &str, accuracy: f64, interval: [f64; 2], note: String| {
            let right = (accuracy * n as f64).round();
            let [low, high] = interval.map(|end| 100.0 * end);
            let accuracy = 100.0 * accuracy;
            writeln!(
                f,
                "  {name:width$}  {accuracy:5.1} %  [{low:5.1}, {high:5.1}]  {right}/{n}{note}"
            )
        };
        line("clean", self.clean, self.clean_interval, String::new())?;
        for (name, attack) in names.iter().zip(&self.attacks) {
            let (gradients, forwards) = (attack.gradient_computations, attack.forward_passes);
            let seconds = attack.seconds;
            let cost =
                format!("  ({gradients} gradients, {forwards} forward passes, {seconds:.1} s)");
            let note = cost + &quantized(attack.quantized);
            line(name, attack.accuracy, attack.interval, note)?;
        }
        line("worst case", self.worst_case, self.worst_case_interval, quantized(self.quantized))?;
        self.warnings.iter().try_for_each(|warning| writeln!(f, "  warning: {warning}"))
    }
}
