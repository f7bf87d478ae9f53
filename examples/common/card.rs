//! What model cards of the examples have in common.

use free_at::attacks::ModelCard;
use free_at::prelude::*;

use crate::training::Trained;

/// What was chosen when the examples were built, where that is not the default.
const FEATURES: [(&str, bool); 8] = [
    ("wgpu", cfg!(feature = "wgpu")),
    ("vulkan", cfg!(feature = "vulkan")),
    ("metal", cfg!(feature = "metal")),
    ("cuda", cfg!(feature = "cuda")),
    ("rocm", cfg!(feature = "rocm")),
    ("cpu", cfg!(feature = "cpu")),
    ("tui", cfg!(feature = "tui")),
    ("remote", cfg!(feature = "remote")),
];

/// The command that runs an example as this process was run.
pub fn command(example: &str) -> String {
    let features = FEATURES.iter().filter(|(_, on)| *on).map(|(name, _)| *name);
    let arguments = std::env::args_os().skip(1);
    let arguments: Vec<String> =
        arguments.map(|argument| argument.to_string_lossy().into_owned()).collect();
    typed(example, !cfg!(debug_assertions), &features.collect::<Vec<_>>(), &arguments)
}

/// As a shell understands it.
fn typed(example: &str, release: bool, features: &[&str], arguments: &[String]) -> String {
    let mut words: Vec<&str> = vec!["cargo", "run"];
    if release {
        words.push("--release");
    }
    let features = features.join(",");
    if !features.is_empty() {
        words.extend(["--features", &features]);
    }
    words.extend(["--example", example]);
    if !arguments.is_empty() {
        words.push("--");
        words.extend(arguments.iter().map(String::as_str));
    }
    // No system passes a NUL on in an argument.
    shlex::try_join(words).unwrap_or_default()
}

/// The card of a model that was trained by a loop of the examples' own: what it took, and what attacks found.
pub fn of<C>(name: &str, trained: &Trained<C>, report: &RobustnessReport) -> ModelCard {
    ModelCard::new(name)
        .training("method", &trained.method)
        .training("optimiser steps", trained.steps)
        .training("gradient computations", trained.gradient_computations)
        .training("seconds", format!("{:.1}", trained.seconds))
        .measured(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_can_be_typed_again() {
        assert_eq!(typed("quickstart", false, &[], &[]), "cargo run --example quickstart");
        let arguments = ["--data", "my images", "--note", "it's"].map(String::from);
        let command = typed("train", true, &["cuda", "tui"], &arguments);
        let words = shlex::split(&command).expect("a whole command");
        let expected = "cargo run --release --features cuda,tui --example train -- --data";
        let expected = expected.split(' ').chain(["my images", "--note", "it's"]);
        assert_eq!(words, expected.collect::<Vec<_>>());
    }
}
