//! What a bench measured, kept as JSON, so that the tables of docs/benchmarks.md can be written from it.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use burn::tensor::Device;
use free_at::files;
use serde::{Deserialize, Serialize};

use crate::measured::Measured;
use crate::ratio::Ratio;

/// Measurements of one bench.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The bench: `training_step`.
    pub bench: String,
    /// What it ran on.
    pub machine: Machine,
    /// By criterion's names, `group/function`.
    pub measured: BTreeMap<String, Measured>,
    /// What is divided by what.
    pub ratios: Vec<Ratio>,
}

/// Where and with what something was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor, and how many threads it has.
    pub processor: String,
    /// The device that Burn computed on.
    pub device: String,
    /// Of rustc.
    pub rust: String,
    /// Burn's and free-at's.
    pub versions: String,
    /// `release` or `dev`, as far as it can be told: with checks of overflow it is `dev`.
    pub profile: String,
}

impl Machine {
    /// This one.
    pub fn here() -> Self {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("");
        let model = model.trim_start_matches([' ', '\t', ':']);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let rust = Command::new("rustc").arg("--version").output();
        let rust = rust.ok().and_then(|output| String::from_utf8(output.stdout).ok());
        Self {
            processor: format!("{model}, {threads} threads"),
            device: format!("{:?}", Device::default()),
            rust: rust.unwrap_or_default().trim().into(),
            versions: format!("Burn 0.22, free-at {}", env!("CARGO_PKG_VERSION")),
            profile: if cfg!(debug_assertions) { "dev" } else { "release" }.into(),
        }
    }
}

/// The folder that `FREE_AT_RECORD` names, if it does.
pub fn folder() -> Option<PathBuf> {
    std::env::var_os("FREE_AT_RECORD").map(PathBuf::from)
}

impl Record {
    /// Writes the record into a folder, over an older one of the same bench. The folder is made.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn save(&self, folder: &Path) -> Result<(), Box<dyn Error>> {
        std::fs::create_dir_all(folder)?;
        let json = serde_json::to_vec_pretty(self)?;
        Ok(files::write(&folder.join(format!("{}.json", self.bench)), &json)?)
    }

    /// A table of the medians, and one of the ratios if there are any, in Markdown.
    pub fn table(&self) -> String {
        let milliseconds = |seconds: f64| match 1_000.0 * seconds {
            short if short < 0.001 => format!("{short:.6}"),
            short if short < 0.1 => format!("{short:.4}"),
            short if short < 10.0 => format!("{short:.2}"),
            long => format!("{long:.0}"),
        };
        let mut table = format!(
            "### {}\n\n| | median, ms | lowest to highest | n |\n|---|---|---|---|\n",
            self.bench
        );
        let prefix = format!("{}/", self.bench);
        let short = |name: &str| name.strip_prefix(&prefix).unwrap_or(name).to_string();
        for (name, measured) in &self.measured {
            let (low, high) = measured.range();
            table += &format!(
                "| {} | {} | {} to {} | {} |\n",
                short(name),
                milliseconds(measured.median()),
                milliseconds(low),
                milliseconds(high),
                measured.seconds.len()
            );
        }
        let rows: Vec<String> = self
            .ratios
            .iter()
            .filter_map(|ratio| {
                let (medians, fastest) = ratio.of(&self.measured)?;
                let (of, by) = (short(&ratio.of), short(&ratio.by));
                Some(format!("| {of} / {by} | {medians:.3} | {fastest:.3} | {} |\n", ratio.bar))
            })
            .collect();
        if !rows.is_empty() {
            table += "\n| | ratio of medians | of the fastest | bar |\n|---|---|---|---|\n";
            table += &rows.concat();
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ratio::{Bar, ratio};

    #[test]
    fn a_record_survives_its_file_and_is_a_table() {
        let folder = tempfile::tempdir().unwrap();
        let measured = |seconds: &[f64]| Measured { seconds: seconds.to_vec() };
        let record = Record {
            bench: "step".into(),
            machine: Machine::here(),
            measured: [
                ("step/a/free".to_string(), measured(&[0.21, 0.2, 0.3])),
                ("step/a/plain".to_string(), measured(&[0.1, 0.1, 0.12])),
            ]
            .into(),
            ratios: vec![ratio("step/a", "free", "plain", Bar::Most(1.05))],
        };
        record.save(folder.path()).unwrap();
        let read = std::fs::read(folder.path().join("step.json")).unwrap();
        assert_eq!(serde_json::from_slice::<Record>(&read).unwrap(), record);
        let table = record.table();
        assert!(table.contains("| a/free | 210 | 200 to 300 | 3 |"), "{table}");
        assert!(table.contains("| a/free / a/plain | 2.100 | 2.000 | at most 1.05 |"), "{table}");
    }
}
