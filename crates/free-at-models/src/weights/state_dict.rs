//! Which of a file's tensors are a network's.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use burn::store::burn_pack;

/// Tensors by name.
pub(super) type Tensors = BTreeMap<String, burn_pack::Tensor>;

/// Keys under which training scripts keep the state dict; what is beside it is left alone.
const STATE_DICTS: [&str; 3] = ["state_dict.", "model_state_dict.", "model_state."];
/// What wrappers put before names: `DataParallel`, `torch.compile`, and modules that hold the network, of which
/// robustness' attacker is one.
const WRAPPERS: [&str; 5] = ["module.", "_orig_mod.", "model.", "net.", "attacker."];
/// How many keys and wrappers may stand before a name, at most: no name takes long to look at.
const DEPTH: usize = 8;

/// A name, and what is left of it without its first key or wrapper, its first two, and so on.
pub(super) fn unwrapped(name: &str) -> impl Iterator<Item = &str> {
    iter::successors(Some(name), |name| {
        WRAPPERS.iter().chain(&STATE_DICTS).find_map(|wrapper| name.strip_prefix(wrapper))
    })
}

/// A name as it is under `key`, if it is there.
pub(super) fn below<'a>(name: &'a str, key: Option<&str>) -> Option<&'a str> {
    match key {
        Some(key) => name.strip_prefix(key)?.strip_prefix('.'),
        None => Some(name),
    }
}

/// The tensors under `key`, if there is one, without those whose names begin with one of `ignored`, wrappers
/// apart, and without copies.
pub(super) fn entries(all: &Tensors, key: Option<&str>, ignored: &[String]) -> Tensors {
    let begins = |rest: &str| ignored.iter().any(|prefix| rest.starts_with(prefix.as_str()));
    let entries = all
        .iter()
        .filter_map(|(name, tensor)| Some((below(name, key)?, tensor)))
        .filter(|(name, _)| !unwrapped(name).any(begins))
        .map(|(name, tensor)| (name.to_string(), tensor.clone()));
    without_copies(entries.collect())
}

/// The state dict of what a training script saved.
pub(super) fn state_dict(mut tensors: Tensors) -> Tensors {
    let holds = |key: &&&str| tensors.keys().any(|name| name.starts_with(**key));
    if let Some(key) = STATE_DICTS.iter().find(holds) {
        return tensors
            .into_iter()
            .filter_map(|(name, tensor)| Some((name.strip_prefix(key)?.to_string(), tensor)))
            .collect();
    }
    tensors.retain(|name, _| !name.starts_with("optimizer"));
    tensors
}

/// robustness saves a network twice: itself, and as its attacker's.
fn without_copies(mut tensors: Tensors) -> Tensors {
    let is_copy = |(name, tensor): &(&String, &burn_pack::Tensor)| {
        let original = original(name).and_then(|original| tensors.get(&original));
        original.is_some_and(|original| original.shape == tensor.shape)
    };
    let copies: Vec<String> =
        tensors.iter().filter(is_copy).map(|(name, _)| name.clone()).collect();
    for copy in copies {
        tensors.remove(&copy);
    }
    tensors
}

/// The name of the tensor that an attacker's is a copy of.
fn original(name: &str) -> Option<String> {
    let (before, after) = name.split_once("attacker.")?;
    let normalizer = after.strip_prefix("normalize.").map(|rest| format!("normalizer.{rest}"));
    let after = normalizer.unwrap_or_else(|| after.into());
    (before.is_empty() || before.ends_with('.')).then(|| format!("{before}{after}"))
}

/// What stands before the names of a whole network, wherever a file has one: of each of `required`, which are
/// what `place` makes of the rest of a name.
pub(super) fn roots(
    tensors: &Tensors,
    required: &BTreeSet<String>,
    place: impl Fn(&str) -> String,
) -> Vec<String> {
    let mut held: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for name in tensors.keys() {
        let dots = name.match_indices('.').map(|(at, _)| at + 1);
        for at in iter::once(0).chain(dots).take(DEPTH) {
            let (root, rest) = name.split_at(at);
            let found = place(rest);
            if required.contains(&found) {
                held.entry(root).or_default().insert(found);
            }
        }
    }
    let whole = held.into_iter().filter(|(_, found)| found.len() == required.len());
    whole.map(|(root, _)| root.to_string()).collect()
}

/// The keys of which one must be chosen: none if there is one network, in the open or below what is known, or
/// one in the open beside others, which are then tensors that it does not use.
pub(super) fn keys(roots: &[String]) -> Vec<String> {
    match roots {
        [only] if known(only) => Vec::new(),
        roots if roots.iter().any(String::is_empty) => Vec::new(),
        roots => roots.iter().map(|root| key(root, roots)).collect(),
    }
}

/// The key of what is at a root, and at no other: with what stands beside the weights there, such as a
/// normalisation.
fn key(root: &str, roots: &[String]) -> String {
    let alone = |key: &str| {
        roots.iter().filter(|other| *other != root).all(|other| below(other, Some(key)).is_none())
    };
    let loads = |key: &str| below(root, Some(key)).is_some_and(known);
    let mut keys = root.match_indices('.').map(|(at, _)| root.split_at(at).0);
    let key = keys.find(|key| loads(key) && alone(key));
    key.unwrap_or_else(|| root.trim_end_matches('.')).to_string()
}

/// Whether nothing but known keys and wrappers stands before names.
fn known(root: &str) -> bool {
    unwrapped(root).any(str::is_empty)
}
