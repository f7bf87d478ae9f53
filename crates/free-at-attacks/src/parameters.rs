//! What the parameters of several attacks have in common: counts, step sizes, names, a variant for each norm.

use free_at_core::{Epsilon, Error, Norm, Objective, ThreatModel, unsupported_norm};

/// The step of an attack of K steps that leaves its length open: 2.5 ε / K, which reaches the
/// edge of the ball from anywhere inside it (Madry et al. 2018).
pub(crate) fn default_step_size(epsilon: f64, steps: usize) -> f64 {
    2.5 * epsilon / steps as f64
}

/// Accepts a parameter whose range is kept.
pub(crate) fn check_range(
    kept: bool,
    attack: &'static str,
    parameter: &'static str,
    allowed: &'static str,
    value: f64,
) -> Result<(), Error> {
    match kept {
        true => Ok(()),
        false => Err(Error::AttackParameter { attack, parameter, allowed, value }),
    }
}

/// What falls from `first` to `last` along a cosine, after `taken` of `steps` steps.
pub(crate) fn cosine(first: f64, last: f64, taken: usize, steps: usize) -> f64 {
    let share = taken as f64 / steps as f64;
    last + (first - last) * (1.0 + (std::f64::consts::PI * share).cos()) / 2.0
}

/// Accepts a step size that was given and is finite and above 0.
pub(crate) fn check_step_size(step_size: Option<Epsilon>) -> Result<(), Error> {
    step_size.map_or(Ok(()), Epsilon::check_step)
}

/// Accepts one that has the unit of the threat model's inputs.
pub(crate) fn check_step_unit(
    step_size: Option<Epsilon>,
    threat: &ThreatModel,
) -> Result<(), Error> {
    step_size.map_or(Ok(()), |step_size| threat.check_step_size(step_size))
}

/// Accepts at least one step and one restart.
pub(crate) fn check_counts(attack: &str, steps: usize, restarts: usize) -> Result<(), Error> {
    let attack = || attack.to_string();
    match (steps, restarts) {
        (0, _) => Err(Error::Steps { attack: attack() }),
        (_, 0) => Err(Error::Restarts { attack: attack() }),
        _ => Ok(()),
    }
}

/// The name of an attack whose steps can have another length than its default, which is then told: `pgd-20-step-0.0078`.
pub(crate) fn name_with_step(name: String, step_size: Option<Epsilon>) -> String {
    match step_size.map(Epsilon::value) {
        None => name,
        Some(size) if (1e-4..1e4).contains(&size) => {
            let size = format!("{size:.4}");
            format!("{name}-step-{}", size.trim_end_matches('0').trim_end_matches('.'))
        }
        Some(size) => format!("{name}-step-{size:e}"),
    }
}

/// The name of an attack of K steps: `pgd-20`, `pgd-20x5` with restarts, `pgd-20-margin` with
/// another objective than cross-entropy.
pub(crate) fn name(attack: &str, steps: usize, restarts: usize, objective: Objective) -> String {
    let objective = objective.suffix();
    match restarts {
        1 => format!("{attack}-{steps}{objective}"),
        restarts => format!("{attack}-{steps}x{restarts}{objective}"),
    }
}

/// The norms of a list of what an attack has for each of them.
pub(crate) const fn norms_of<T, const N: usize>(variants: &[(Norm, T); N]) -> [Norm; N] {
    let mut norms = [Norm::Linf; N];
    let mut at = 0;
    while at < N {
        norms[at] = variants[at].0;
        at += 1;
    }
    norms
}

/// What an attack has for this norm, of a list of all that it is defined in.
///
/// # Errors
/// [`Error::Unsupported`] for any other.
pub(crate) fn for_norm<T: Copy>(
    attack: &str,
    variants: &[(Norm, T)],
    norm: Norm,
) -> Result<T, Error> {
    let supported: Vec<Norm> = variants.iter().map(|(norm, _)| *norm).collect();
    let found = variants.iter().find(|(of, _)| *of == norm).map(|(_, variant)| *variant);
    found.ok_or_else(|| unsupported_norm(attack.into(), norm, &supported))
}
