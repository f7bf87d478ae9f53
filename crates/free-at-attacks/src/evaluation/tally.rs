//! What has been found so far.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Which attack of an evaluation a finding belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Place {
    /// Whether examples are quantized onto the lattice of 8-bit images.
    pub(super) quantized: bool,
    /// The number of the attack.
    pub(super) attack: usize,
    /// The number of its run.
    pub(super) run: usize,
}

/// A sample that an attack broke.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Broken {
    pub(super) sample: usize,
    /// The norm of the perturbation, measured again.
    pub(super) norm: f64,
    /// Whether the adversarial example still breaks it when rounded to 8 bits.
    pub(super) rounded: bool,
}

/// What one run found on one batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Finding {
    #[serde(flatten)]
    pub(super) place: Place,
    pub(super) samples: Vec<usize>,
    pub(super) broken: Vec<Broken>,
    pub(super) gradient_computations: u64,
    pub(super) forward_passes: u64,
    pub(super) seconds: f64,
}

impl Finding {
    /// Whether an evaluation with so many attacks and samples can have made it.
    pub(super) fn is_of(&self, attacks: usize, samples: usize) -> bool {
        self.place.attack < attacks
            && self.samples.iter().all(|sample| *sample < samples)
            && self.broken.iter().all(|broken| self.samples.contains(&broken.sample))
    }

    /// How many adversarial examples are kept of it: those of the lattice are not.
    pub(super) fn examples(&self) -> usize {
        if self.place.quantized { 0 } else { self.broken.len() }
    }
}

/// All findings.
#[derive(Default)]
pub(super) struct Tally {
    done: BTreeMap<Place, BTreeSet<usize>>,
    found: BTreeMap<(bool, usize), Found>,
}

/// What one attack found, over all its runs.
#[derive(Default)]
pub(super) struct Found {
    pub(super) attacked: BTreeSet<usize>,
    pub(super) broken: BTreeMap<usize, Broken>,
    pub(super) gradient_computations: u64,
    pub(super) forward_passes: u64,
    pub(super) seconds: f64,
}

impl Tally {
    pub(super) fn add(&mut self, finding: &Finding) {
        let place = finding.place;
        self.done.entry(place).or_default().extend(&finding.samples);
        let found = self.found.entry((place.quantized, place.attack)).or_default();
        found.attacked.extend(&finding.samples);
        for broken in &finding.broken {
            found.broken.entry(broken.sample).or_insert(*broken);
        }
        found.gradient_computations += finding.gradient_computations;
        found.forward_passes += finding.forward_passes;
        found.seconds += finding.seconds;
    }

    /// Whether this run has had this sample.
    pub(super) fn has(&self, place: Place, sample: usize) -> bool {
        self.done.get(&place).is_some_and(|done| done.contains(&sample))
    }

    /// What an attack found, if it was run on anything.
    pub(super) fn of(&self, quantized: bool, attack: usize) -> Option<&Found> {
        self.found.get(&(quantized, attack))
    }

    /// How an attack broke a sample, if it did.
    pub(super) fn broken(&self, quantized: bool, attack: usize, sample: usize) -> Option<&Broken> {
        self.of(quantized, attack)?.broken.get(&sample)
    }
}
