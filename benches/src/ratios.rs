//! The ratios that a run is for, printed after it.

use std::time::SystemTime;

use criterion::Criterion;

use crate::measured::{self, Measured};

/// Two things that were measured, and what their ratio is meant to be.
#[derive(Debug, Clone)]
pub struct Ratio {
    /// Criterion's name of what is divided.
    pub of: String,
    /// Of what it is divided by.
    pub by: String,
    /// The bar.
    pub bar: Bar,
}

/// What a ratio is meant to be. Said, never a reason to fail: machines are noisy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    /// No higher.
    Most(f64),
    /// No lower.
    Least(f64),
    /// Of interest only.
    None,
}

/// A ratio of two measurements of the group.
pub fn ratio(group: &str, of: &str, by: &str, bar: Bar) -> Ratio {
    Ratio { of: format!("{group}/{of}"), by: format!("{group}/{by}"), bar }
}

/// Runs a bench with criterion's command line, then prints its ratios.
pub fn run(bench: impl FnOnce(&mut Criterion), ratios: &[Ratio]) {
    let start = SystemTime::now();
    let mut criterion = Criterion::default().configure_from_args();
    bench(&mut criterion);
    criterion.final_summary();
    let found = measured::since(&measured::folder(), start);
    let rows: Vec<String> = ratios
        .iter()
        .filter_map(|ratio| Some(row(ratio, found.get(&ratio.of)?, found.get(&ratio.by)?)))
        .collect();
    if !rows.is_empty() {
        println!("\nratio of medians (fastest by fastest), bar\n{}\n", rows.join("\n"));
    }
}

/// The ratio of the medians, and of the fastest samples, which other work on the machine disturbs least.
fn row(ratio: &Ratio, of: &Measured, by: &Measured) -> String {
    let medians = of.median() / by.median();
    let fastest = of.range().0 / by.range().0;
    let bar = match ratio.bar {
        Bar::Most(bar) => format!("at most {bar}"),
        Bar::Least(bar) => format!("at least {bar}"),
        Bar::None => String::new(),
    };
    format!("  {:<46} / {:<46} {medians:6.2} ({fastest:.2})  {bar}", ratio.of, ratio.by)
}
