//! Training methods: what they are given, and one file for each.

pub(crate) mod additions;
pub(crate) mod adversarial;
pub(crate) mod adversary;
pub(crate) mod fast;
pub(crate) mod free;
pub(crate) mod interface;
pub(crate) mod mart;
pub(crate) mod mep;
pub(crate) mod n_fgsm;
pub(crate) mod noisy_ascent;
pub(crate) mod observer;
pub(crate) mod penalty;
pub(crate) mod standard;
pub(crate) mod step;
pub(crate) mod trades;
pub(crate) mod weight_perturbation;
