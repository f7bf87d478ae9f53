//! Adversarial attacks and robustness evaluation, on Burn.
//!
//! | attack | start | steps | reference |
//! |---|---|---|---|
//! | [`Fgsm`] | the input | 1 of ε | Goodfellow et al. 2015 |
//! | [`Bim`] | the input | K | Kurakin et al. 2017 |
//! | [`Pgd`] | random in the ball, restarts | K | Madry et al. 2018 |
//!
//! All of them: L∞ and L2, any input bounds, untargeted and targeted, inputs of any rank, any
//! [`Objective`](free_at_core::Objective). [`Evaluation`] runs several and reports clean accuracy,
//! accuracy under each, and the worst case.
//!
//! Most programs use this through the crate `free-at`.

mod ascent;
mod bim;
mod evaluation;
mod fgsm;
mod pgd;
mod report;

pub use bim::Bim;
pub use evaluation::Evaluation;
pub use fgsm::Fgsm;
pub use pgd::Pgd;
pub use report::{AttackReport, RobustnessReport, Verdict};
