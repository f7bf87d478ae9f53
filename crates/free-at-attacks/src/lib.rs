//! Adversarial attacks and robustness evaluation, on Burn.
//!
//! | attack | how | norms | inputs | classes | cost per sample, defaults |
//! |---|---|---|---|---|---|
//! | [`Fgsm`] | one step of ε | L∞, L2 | any rank | 2 | 1 gradient |
//! | [`RFgsm`] | a random step, then FGSM | L∞, L2 | any rank | 2 | 1 |
//! | [`Bim`] | K steps from the input | L∞, L2 | any rank | 2 | K |
//! | [`MiFgsm`] | BIM with momentum | L∞, L2 | any rank | 2 | K |
//! | [`Pgd`] | K steps from a random start | L∞, L2 | any rank | 2 | K for each restart |
//! | [`PgdCw`] | PGD on the margin | L∞, L2 | any rank | 2 | K for each restart |
//! | [`Apgd`] | PGD with momentum and a step size of its own; in L1 sparse steps | L∞, L2, L1 | any rank | 2; DLR 3, with a target 4 | 101 |
//! | [`ApgdT`] | APGD towards each of the likeliest wrong classes | L∞, L2, L1 | any rank | 10 (targets + 1); DLR 4 | 9 × 101, and 9 forward passes |
//! | [`Fab`] | least distance to the nearest boundary | L∞, L2, L1 | any rank | 10 (targets + 1) | 5 × 900, and 5 × 101 forward passes |
//! | [`FabT`] | least distance to the boundary with each of these classes | L∞, L2, L1 | any rank | 10 (targets + 1) | 9 × 100, and 9 × 101 forward passes |
//! | [`Eot`] | any of these with gradients, each the mean over several answers of a model that draws | as the attack | as the attack | as the attack | so many times the attack's |
//! | [`Square`] | random search, without gradients | L∞; L2 and L1 without a scale | any rank; L2, L1: images from 3×3 | 2 | 5,001 forward passes |
//! | [`AutoAttack`] | APGD-CE, APGD-T, FAB-T, Square | as these | as these | as these | the sum |
//! | [`Ddn`] | along a sphere that follows the boundary | L2 | any rank | 2 | K |
//! | [`Fmn`] | along a ball that follows the boundary | L∞, L2, L1, L0 | any rank | 2 | K |
//! | [`CwL2`] | distance and margin, weighed against each other | L2 | any rank | 2 | 9,000 |
//! | [`Ead`] | the same with the elastic net | L1 | any rank | 2 | 9,000, and as many forward passes |
//! | [`SigmaZero`] | a smooth count of changed features | L0 | any rank | 2 | K |
//! | [`HopSkipJump`] | the boundary's direction from labels alone | L∞, L2 | any rank | 2 | some 35,000 queries |
//! | [`Boundary`] | at random along the boundary, from labels alone | L2 | any rank | 2 | 27,500 queries |
//!
//! All of them: untargeted, and targeted at a [`Target`] (in a targeted
//! evaluation APGD-T and FAB-T aim at that class alone); any input bounds; per-feature scales but where
//! the table says otherwise. FGSM to PGD and APGD take any [`Objective`](free_at_core::Objective);
//! classes are then those that it needs. What is not supported is
//! [`Error::Unsupported`](free_at_core::Error::Unsupported),
//! [`Error::TooFewClasses`](free_at_core::Error::TooFewClasses) or
//! [`Error::TargetClass`](free_at_core::Error::TargetClass), never another attack in its place.
//!
//! An attack of your own implements [`AttackParameters`] and [`Attack`]; [`Ascent`] is the loop of the gradient
//! attacks, [`Search`] with [`drive`] what step-by-step searches have in common, and [`Approach`] with [`minimize`] what those
//! have that look for the smallest perturbation.
//!
//! [`Evaluation`] runs several and reports clean accuracy, accuracy under each, the worst case, and
//! what speaks against trusting them: [`RobustnessReport`], [`Warning`]; [`UnionReport`] puts several threat models together.
//! [`ModelCard`] says all of it to whoever is given the model.
//! [`Distances`] reports how far the closest examples are, and with that robust accuracy at every ε.
//!
//! [`Smoothing`] certifies: within its radius no attack changes the answer of the smoothed classifier.
//!
//! Most programs use this through the crate `free-at`.

mod adam;
mod apgd;
mod apgd_t;
mod auto_attack;
mod bim;
mod boundary;
mod caa;
mod capgd;
mod certificate;
mod constants;
mod cw_l2;
mod ddn;
mod distance;
mod dual;
mod ead;
mod eot;
mod error;
mod evaluation;
mod fab;
mod fab_t;
mod fgsm;
mod first_example;
mod fmn;
mod hop_skip_jump;
mod likely_classes;
mod mi_fgsm;
mod moeva;
mod order;
mod parameters;
mod pgd;
mod pgd_cw;
mod progress;
mod report;
mod rfgsm;
mod scouted;
mod sigma_zero;
mod square;
mod warning;

pub use apgd::{Apgd, ApgdTrace};
pub use apgd_t::ApgdT;
pub use auto_attack::AutoAttack;
pub use bim::Bim;
pub use boundary::Boundary;
pub use caa::Caa;
pub use capgd::Capgd;
pub use certificate::{
    CertificateReport, CertifiedSample, Certifier, IntervalReport, Intervals, Smoothing,
    SmoothingReport,
};
pub use cw_l2::CwL2;
pub use ddn::Ddn;
pub use distance::{AttackDistances, DistanceReport, Distances, SampleDistance};
pub use ead::Ead;
pub use eot::Eot;
pub use error::EvaluationError;
pub use evaluation::Evaluation;
pub use fab::Fab;
pub use fab_t::FabT;
pub use fgsm::Fgsm;
pub use fmn::Fmn;
pub use hop_skip_jump::HopSkipJump;
pub use mi_fgsm::MiFgsm;
pub use moeva::Moeva;
pub use pgd::Pgd;
pub use pgd_cw::{Cw, PgdCw};
pub use progress::{EvaluationProgress, Progress};
pub use report::card::ModelCard;
pub use report::model_info::ModelInfo;
pub use report::union::UnionReport;
pub use report::{
    AttackReport, QuantizedAccuracy, RobustnessReport, SampleReport, Verdict, Versions,
    wilson_interval,
};
pub use rfgsm::RFgsm;
pub use scouted::Scouted;
pub use sigma_zero::SigmaZero;
pub use square::Square;
pub use warning::Warning;

// What attacks are made of, for one of your own: see `Attack`.
pub use free_at_core::{
    Access, Approach, Ascent, Attack, AttackParameters, AttackTask, Closest, EIGHT_BIT_LEVELS,
    MinimalAttack, Pace, Search, Target, Turn, Visit, drive, minimize, unsupported_norm,
};
