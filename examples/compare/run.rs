//! What a run of `train` left, and the runs that differ in nothing but the seed.

use std::error::Error;
use std::path::{Path, PathBuf};

use free_at::files;
use free_at::prelude::*;
use free_at::train::{About, EpochMetrics};
use serde_json::{Map, Value};

/// What is compared of a run.
pub(crate) struct Run {
    /// All that was asked for, but the seed.
    settings: Value,
    pub(crate) method: String,
    /// m, for Free-m.
    pub(crate) replays: Option<u64>,
    pub(crate) passes: usize,
    pub(crate) steps: u64,
    pub(crate) seconds: f64,
    pub(crate) report: RobustnessReport,
}

impl Run {
    pub(crate) fn read(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let config: Value = files::read_json(&folder.join("config.json"))?;
        let (method, replays) = method(&config);
        let lines = EpochMetrics::read(&folder.join("metrics.jsonl"))?;
        let training: Vec<_> = lines.iter().filter(|line| line.split == "train").collect();
        Ok(Self {
            settings: without_seed(config),
            method,
            replays,
            passes: training.iter().map(|line| line.epoch).max().unwrap_or_default(),
            steps: steps(folder)?,
            seconds: training.iter().filter_map(|line| line.metrics.get("seconds")).sum(),
            report: RobustnessReport::load(folder.join("report.json"))?,
        })
    }
}

/// The same training from one seed or several.
pub(crate) struct Group(Vec<Run>);

impl Group {
    /// In the order in which the first of each comes.
    pub(crate) fn all(runs: Vec<Run>) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for run in runs {
            match groups.iter_mut().find(|group| group.first().settings == run.settings) {
                Some(group) => group.0.push(run),
                None => groups.push(Self(vec![run])),
            }
        }
        groups
    }

    pub(crate) fn first(&self) -> &Run {
        &self.0[0]
    }

    pub(crate) fn mean(&self, value: impl Fn(&Run) -> f64) -> f64 {
        self.0.iter().map(value).sum::<f64>() / self.0.len() as f64
    }

    /// The mean; with several seeds the lowest and the highest beside it, where they differ.
    pub(crate) fn spread(&self, digits: usize, value: impl Fn(&Run) -> f64) -> String {
        let shown = |value: f64| format!("{value:.digits$}");
        let lowest = shown(self.0.iter().map(&value).fold(f64::INFINITY, f64::min));
        let highest = shown(self.0.iter().map(&value).fold(f64::NEG_INFINITY, f64::max));
        let mean = shown(self.mean(value));
        if lowest == highest { mean } else { format!("{mean} ({lowest} to {highest})") }
    }
}

/// Its name with what was added to it, and m if it is Free-m.
fn method(config: &Value) -> (String, Option<u64>) {
    let (wanted, recipe) = (&config["wanted"], &config["recipe"]);
    let replays = recipe["replays"].as_u64();
    let steps = wanted["steps"].as_u64();
    let (name, replays) = match wanted["method"].as_str().unwrap_or_default() {
        "free" => (format!("Free-{}", replays.unwrap_or_default()), replays),
        "pgd" => (format!("{}-PGD", steps.unwrap_or(7)), None),
        "fast" => ("FGSM-RS".to_string(), None),
        "n-fgsm" => ("N-FGSM".to_string(), None),
        "mep" => ("FGSM-MEP".to_string(), None),
        "trades" => ("TRADES".to_string(), None),
        "mart" => ("MART".to_string(), None),
        other => (other.to_string(), None),
    };
    let additions = &wanted["additions"];
    let above_0 = |value: &Value| value.as_f64().filter(|value| *value > 0.0);
    let number = |name: &str, value| above_0(value).map(|value| format!("{name} {value}"));
    let added: Vec<String> = [
        number("smoothing", &recipe["label_smoothing"]),
        number("CutMix", &recipe["cutmix"]),
        number("EMA", &recipe["ema"]),
        number("SWA", &additions["swa"]),
        (additions["memory"] == true).then(|| "memory".into()),
        number("AWP", &additions["awp"]),
        (replays.is_some() && recipe["clamp"] == "in_forward").then(|| "bounds in forward".into()),
        (additions["attacked_in"] == "evaluation").then(|| "attacked in evaluation".into()),
    ]
    .into_iter()
    .flatten()
    .collect();
    match added.is_empty() {
        true => (name, replays),
        false => (format!("{name}, {}", added.join(", ")), replays),
    }
}

/// The seed stands among what was wanted, and in the network that it draws.
fn without_seed(mut config: Value) -> Value {
    fn remove(fields: &mut Map<String, Value>) {
        fields.remove("seed");
        fields.values_mut().filter_map(Value::as_object_mut).for_each(remove);
    }
    if let Some(fields) = config.as_object_mut() {
        remove(fields);
    }
    config
}

/// Of the newest checkpoint.
fn steps(folder: &Path) -> Result<u64, Box<dyn Error>> {
    let checkpoints = folder.join("checkpoint");
    let entries =
        std::fs::read_dir(&checkpoints).map_err(|error| files::failed(&checkpoints, error))?;
    let about =
        |path: PathBuf| -> Option<About> { files::read_json(&path.join("about.json")).ok() };
    let steps = entries.flatten().filter_map(|entry| about(entry.path())).map(|about| about.steps);
    Ok(steps.max().ok_or_else(|| format!("{} has no checkpoint", checkpoints.display()))?)
}
