//! What criterion has measured, from its files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// Seconds of one thing that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// One for each of criterion's samples, in their order.
    pub seconds: Vec<f64>,
}

impl Measured {
    /// The middle of the samples.
    pub fn median(&self) -> f64 {
        let mut sorted = self.seconds.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            even if even % 2 == 0 => (sorted[middle - 1] + sorted[middle]) / 2.0,
            _ => sorted[middle],
        }
    }

    /// The fastest and the slowest sample.
    pub fn range(&self) -> (f64, f64) {
        let fold = |start, of: fn(f64, f64) -> f64| self.seconds.iter().copied().fold(start, of);
        (fold(f64::INFINITY, f64::min), fold(f64::NEG_INFINITY, f64::max))
    }
}

/// Criterion's folder: `CRITERION_HOME`, or where cargo builds.
pub fn folder() -> PathBuf {
    let built = || {
        let program = std::env::current_exe().unwrap_or_default();
        program.ancestors().nth(3).map(|target| target.join("criterion")).unwrap_or_default()
    };
    std::env::var_os("CRITERION_HOME").map_or_else(built, PathBuf::from)
}

/// All that was measured since then, by criterion's names: `group/function`.
pub fn since(folder: &Path, then: SystemTime) -> BTreeMap<String, Measured> {
    let inside = |path: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
    };
    let of_groups = inside(folder).into_iter().flat_map(|group| inside(&group));
    of_groups.filter_map(|function| read(&function.join("new"), then)).collect()
}

fn read(folder: &Path, then: SystemTime) -> Option<(String, Measured)> {
    #[derive(Deserialize)]
    struct About {
        full_id: String,
    }
    #[derive(Deserialize)]
    struct Sample {
        iters: Vec<f64>,
        /// Nanoseconds.
        times: Vec<f64>,
    }
    let path = folder.join("sample.json");
    if fs::metadata(&path).ok()?.modified().ok()? < then {
        return None;
    }
    let sample: Sample = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let about = fs::read(folder.join("benchmark.json")).ok()?;
    let About { full_id } = serde_json::from_slice(&about).ok()?;
    let seconds = sample.times.iter().zip(&sample.iters).map(|(time, n)| time / n / 1e9).collect();
    Some((full_id, Measured { seconds }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_ranges() {
        let of = |seconds: &[f64]| Measured { seconds: seconds.to_vec() };
        assert_eq!(of(&[3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(of(&[3.0, 1.0]).median(), 2.0);
        assert_eq!(of(&[3.0, 1.0, 2.0]).range(), (1.0, 3.0));
        assert!(of(&[]).median().is_nan());
    }

    #[test]
    fn criterions_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("a_b/c/new");
        fs::create_dir_all(&new).unwrap();
        fs::create_dir_all(folder.path().join("report")).unwrap();
        fs::write(new.join("benchmark.json"), r#"{"group_id":"a/b","full_id":"a/b/c"}"#).unwrap();
        let sample = r#"{"sampling_mode":"Flat","iters":[1.0,2.0],"times":[5e8,2e9]}"#;
        fs::write(new.join("sample.json"), sample).unwrap();
        let found = since(folder.path(), SystemTime::UNIX_EPOCH);
        assert_eq!(found["a/b/c"].seconds, [0.5, 1.0]);
        let later = SystemTime::now() + std::time::Duration::from_secs(60);
        assert!(since(folder.path(), later).is_empty());
    }
}
