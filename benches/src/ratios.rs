//! The ratios that a run is for, printed after it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use criterion::Criterion;
use serde::{Deserialize, Serialize};

use crate::measured::{self, Measured};
use crate::record::{self, Machine, Record};

/// Two things that were measured, and what their ratio is meant to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// Criterion's name of what is divided.
    pub of: String,
    /// Of what it is divided by.
    pub by: String,
    /// The bar.
    pub bar: Bar,
}

/// What a ratio is meant to be. Said, never a reason to fail: machines are noisy.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Bar {
    /// No higher.
    Most(f64),
    /// No lower.
    Least(f64),
    /// Of interest only.
    None,
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Most(bar) => write!(f, "at most {bar}"),
            Self::Least(bar) => write!(f, "at least {bar}"),
            Self::None => Ok(()),
        }
    }
}

impl Ratio {
    /// The ratio of the medians, and of the fastest samples, which other work on the machine disturbs
    /// least; none if either was not measured.
    pub fn of(&self, measured: &BTreeMap<String, Measured>) -> Option<(f64, f64)> {
        let (of, by) = (measured.get(&self.of)?, measured.get(&self.by)?);
        Some((of.median() / by.median(), of.range().0 / by.range().0))
    }
}

/// A ratio of two measurements of the group.
pub fn ratio(group: &str, of: &str, by: &str, bar: Bar) -> Ratio {
    Ratio { of: format!("{group}/{of}"), by: format!("{group}/{by}"), bar }
}

/// Runs a bench with criterion's command line, then prints its ratios. Where `FREE_AT_RECORD` names a folder,
/// the measurements go there too.
pub fn run(bench: impl FnOnce(&mut Criterion), ratios: &[Ratio]) {
    let start = SystemTime::now();
    let mut criterion = Criterion::default().configure_from_args();
    bench(&mut criterion);
    criterion.final_summary();
    let measured = measured::since(&measured::folder(), start);
    let rows: Vec<String> = ratios
        .iter()
        .filter_map(|ratio| {
            let (medians, fastest) = ratio.of(&measured)?;
            let (of, by, bar) = (&ratio.of, &ratio.by, ratio.bar);
            Some(format!("  {of:<46} / {by:<46} {medians:7.3} ({fastest:.3})  {bar}"))
        })
        .collect();
    if !rows.is_empty() {
        println!("\nratio of medians (fastest by fastest), bar\n{}\n", rows.join("\n"));
    }
    if let Some(folder) = record::folder().filter(|_| !measured.is_empty()) {
        let record =
            Record { bench: name(), machine: Machine::here(), measured, ratios: ratios.to_vec() };
        match record.save(&folder) {
            Ok(()) => println!("recorded in {}", folder.display()),
            Err(error) => eprintln!("not recorded: {error}"),
        }
    }
}

/// The bench's own name: its program's, less the hash that cargo adds.
fn name() -> String {
    let program = std::env::current_exe().unwrap_or_default();
    let name = program.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    name.rsplit_once('-').map_or(name.clone(), |(name, _)| name.to_string())
}
