//! A report as a model card.

use std::fmt::{self, Display};
use std::fs;
use std::path::Path;

use free_at_core::{Bounds, Error, Target, ThreatModel, files};
use sha2::{Digest, Sha256};

use super::{QuantizedAccuracy, RobustnessReport};

/// What somebody has to know who is given a model: its file, what it was trained on, how and by which command, what it
/// was attacked with, and what withstood. Prints as Markdown.
///
/// ```
/// use free_at_attacks::ModelCard;
///
/// let card = ModelCard::new("Free-8 on the digits")
///     .data("data set", "digits, 1,437 training images")
///     .training("method", "Free-8")
///     .by_command("cargo run --example train")
///     .picture("Robust accuracy over epsilon", "robust-accuracy.svg");
/// assert!(card.to_string().contains("| data set | digits, 1,437 training images |"));
/// assert!(card.to_string().contains("![Robust accuracy over epsilon](robust-accuracy.svg)"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ModelCard {
    name: String,
    model: Facts,
    data: Facts,
    training: Facts,
    command: Option<String>,
    report: Option<RobustnessReport>,
    /// What each shows, and its file.
    pictures: Vec<(String, String)>,
}

/// Pairs of what is said and what it is said of.
type Facts = Vec<(String, String)>;

impl ModelCard {
    /// The card of a model that is called so, with nothing on it yet.
    pub fn new(name: impl Into<String>) -> Self {
        let (model, data, training) = (Facts::new(), Facts::new(), Facts::new());
        let name = name.into();
        Self { name, model, data, training, command: None, report: None, pictures: Vec::new() }
    }

    /// The model's file: its name and its SHA-256 go onto the card.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read.
    pub fn of_file(self, path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|error| files::failed(path, error))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let hash = files::hex(&Sha256::digest(bytes));
        Ok(self.model("file", name).model("SHA-256", hash))
    }

    /// A fact about the model: its network, say.
    #[must_use]
    pub fn model(mut self, what: impl Into<String>, value: impl Display) -> Self {
        self.model.push((what.into(), value.to_string()));
        self
    }

    /// A fact about the data: how many there are, what was done to them.
    #[must_use]
    pub fn data(mut self, what: impl Into<String>, value: impl Display) -> Self {
        self.data.push((what.into(), value.to_string()));
        self
    }

    /// A fact about the training: method, length, seed.
    #[must_use]
    pub fn training(mut self, what: impl Into<String>, value: impl Display) -> Self {
        self.training.push((what.into(), value.to_string()));
        self
    }

    /// The command that trains this model, as it can be typed.
    #[must_use]
    pub fn by_command(self, command: impl Into<String>) -> Self {
        Self { command: Some(command.into()), ..self }
    }

    /// What attacks found of the model. Without it the card says that it was not attacked.
    #[must_use]
    pub fn measured(self, report: &RobustnessReport) -> Self {
        Self { report: Some(report.clone()), ..self }
    }

    /// A picture in a file, named as seen from where the card will be. Can be repeated.
    #[must_use]
    pub fn picture(mut self, what: impl Into<String>, file: impl Into<String>) -> Self {
        self.pictures.push((what.into(), file.into()));
        self
    }

    /// Writes the card as Markdown: to a temporary name beside `path`, then renamed.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        files::write(path.as_ref(), self.to_string().as_bytes())
    }
}

impl Display for ModelCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# {}", escaped(&self.name))?;
        for (title, facts) in
            [("Model", &self.model), ("Data", &self.data), ("Training", &self.training)]
        {
            write_facts(f, title, facts)?;
        }
        if let Some(command) = &self.command {
            let fence = fence(command);
            writeln!(f, "\n## Command\n\n{fence}sh\n{command}\n{fence}")?;
        }
        match &self.report {
            Some(report) => {
                write_facts(f, "Threat model", &allowed(report))?;
                write_accuracies(f, report)?;
            }
            None => writeln!(f, "\n## Robust accuracy\n\nNot measured: nothing is known of it.")?,
        }
        for (what, file) in &self.pictures {
            writeln!(f, "\n![{}]({})", escaped(what), destination(file))?;
        }
        Ok(())
    }
}

/// A table of facts under a heading; nothing of none.
fn write_facts(f: &mut fmt::Formatter<'_>, title: &str, facts: &[(String, String)]) -> fmt::Result {
    if facts.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n## {title}\n\n| | |\n|---|---|")?;
    facts
        .iter()
        .try_for_each(|(what, value)| writeln!(f, "| {} | {} |", escaped(what), escaped(value)))
}

/// What the attacks were allowed.
fn allowed(RobustnessReport { threat, target, .. }: &RobustnessReport) -> Facts {
    let mut facts = vec![
        ("norm", threat.norm().in_words().to_string()),
        ("epsilon", budget(threat)),
        ("bounds of inputs", bounds(threat.bounds())),
        ("what the adversary wants", goal(target.as_ref())),
    ];
    if let Some(rules) = threat.rules() {
        let (groups, relations) = (rules.categories().len(), rules.relations().len());
        let features = rules.features();
        let kept =
            format!("{features} features, columns of categories: {groups}, relations: {relations}");
        facts.push(("rules of the data", kept));
    }
    facts.into_iter().map(|(what, value)| (what.to_string(), value)).collect()
}

fn budget(threat: &ThreatModel) -> String {
    match threat.scale() {
        Some(_) => format!("{}, in each feature's own unit", threat.epsilon()),
        None => format!("{}, in the unit of the inputs", threat.epsilon()),
    }
}

fn bounds(bounds: &Bounds) -> String {
    match bounds {
        Bounds::None => "none".into(),
        Bounds::Range { low, high } => format!("from {low} to {high}"),
        Bounds::PerFeature { .. } => "each feature's own".into(),
    }
}

fn goal(target: Option<&Target>) -> String {
    match target {
        None => "any wrong class".into(),
        Some(Target::Given(_)) => "a given class for each sample".into(),
        Some(Target::LeastLikely) => "the least likely class".into(),
        Some(Target::Random) => "a wrong class drawn at random".into(),
        Some(Target::MostLikely(k)) => format!("the likeliest wrong class number {k}"),
    }
}

/// Accuracies with their intervals, what computed them, and what speaks against them.
fn write_accuracies(f: &mut fmt::Formatter<'_>, report: &RobustnessReport) -> fmt::Result {
    let n = report.samples.len();
    let order = match report.cascade {
        true => "Each attack got what those above it had left standing",
        false => "Each attack got every sample that is right without one",
    };
    writeln!(
        f,
        "\n## Robust accuracy\n\nOf {n} samples, with 95 % intervals (Wilson). {order}. An attack that was not run may find \
         more: the worst case is an upper bound.\n\n| attack | accuracy | 95 % interval | right | parameters |\n\
         |---|---|---|---|---|"
    )?;
    let mut line = |name: &str, accuracy: f64, interval: [f64; 2], parameters: &str| {
        let [low, high] = interval.map(|end| 100.0 * end);
        let (right, accuracy) = ((accuracy * n as f64).round(), 100.0 * accuracy);
        let (name, parameters) = (escaped(name), escaped(parameters));
        writeln!(
            f,
            "| {name} | {accuracy:.1} % | {low:.1} to {high:.1} % | {right}/{n} | {parameters} |"
        )
    };
    line("none (clean)", report.clean, report.clean_interval, "")?;
    for attack in &report.attacks {
        line(&attack.name, attack.accuracy, attack.interval, &attack.parameters)?;
    }
    line("worst case", report.worst_case, report.worst_case_interval, "")?;
    if let Some(QuantizedAccuracy { rounded, quantized }) = report.quantized {
        let (rounded, quantized) = (100.0 * rounded, 100.0 * quantized);
        writeln!(
            f,
            "\nWorst case of images stored with 8 bits: {rounded:.1} % with examples that are rounded, {quantized:.1} % with \
             attacks that know of it."
        )?;
    }
    report
        .warnings
        .iter()
        .try_for_each(|warning| writeln!(f, "\n**Warning:** {}", escaped(&warning.to_string())))?;
    let versions = &report.versions;
    writeln!(
        f,
        "\nSeed {}. Report `{}`, by free-at {} on Burn {}, {}.",
        report.seed,
        report.hash,
        escaped(&versions.free_at),
        escaped(&versions.burn),
        escaped(&versions.device)
    )
}

/// A text as one line of Markdown that shows it as it is, in a table or out of one.
fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\r' => line.push(' '),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '~' | '&' | '$' => {
                line.extend(['\\', letter]);
            }
            _ => line.push(letter),
        }
    }
    line
}

/// Backticks that do not stand in the text.
fn fence(text: &str) -> String {
    let mut fence = "```".to_string();
    while text.contains(&fence) {
        fence.push('`');
    }
    fence
}

/// A file's name as where a link leads to.
fn destination(file: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    let mut encoded = String::with_capacity(file.len());
    for letter in file.chars() {
        match plain(letter) {
            true => encoded.push(letter),
            false => {
                let mut bytes = [0; 4];
                let bytes = letter.encode_utf8(&mut bytes).bytes();
                encoded.extend(bytes.map(|byte| format!("%{byte:02X}")));
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
