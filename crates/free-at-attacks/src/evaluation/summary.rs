//! From findings to a report.

use free_at_core::Access;

use super::run::Run;
use super::samples::Clean;
use super::sanity::covers_bounds;
use crate::report::{
    AttackReport, QuantizedAccuracy, RobustnessReport, SampleReport, Verdict, Versions,
    wilson_interval,
};
use crate::warning::Warning;

/// A black-box attack that breaks no larger share of the samples than this by itself is chance.
const BY_CHANCE: f64 = 0.002;

impl<const D: usize> Run<'_, D> {
    pub(super) fn report(&self, hash: String) -> RobustnessReport {
        let plan = self.plan;
        let n = self.samples.len();
        let right = self.samples.right();
        let standing =
            |broken: &dyn Fn(usize) -> bool| right.iter().filter(|s| !broken(**s)).count();
        let share = |count: usize| count as f64 / n as f64;
        let all = 0..plan.attacks.len();
        let quantized = |attacks: std::ops::Range<usize>| {
            plan.quantized.then(|| QuantizedAccuracy {
                rounded: share(standing(&|s| self.breaks(false, attacks.clone(), s, true))),
                quantized: share(standing(&|s| self.breaks(true, attacks.clone(), s, false))),
            })
        };
        let attack = |(index, attack): (usize, &std::sync::Arc<dyn free_at_core::Attack<D>>)| {
            let attacks = if plan.cascade { 0..index + 1 } else { index..index + 1 };
            let stand = standing(&|s| self.breaks(false, attacks.clone(), s, false));
            let found = self.tally.of(false, index);
            AttackReport {
                name: attack.name(),
                parameters: format!("{attack:?}"),
                accuracy: share(stand),
                interval: wilson_interval(stand, n),
                attacked: found.map_or(0, |found| found.attacked.len()),
                broken: found.map_or(0, |found| found.broken.len()),
                gradient_computations: found.map_or(0, |found| found.gradient_computations),
                forward_passes: found.map_or(0, |found| found.forward_passes),
                seconds: found.map_or(0.0, |found| found.seconds),
                quantized: quantized(attacks),
            }
        };
        let worst = standing(&|s| self.breaks(false, all.clone(), s, false));
        RobustnessReport {
            threat: plan.threat.clone(),
            target: plan.target.clone(),
            cascade: plan.cascade,
            seed: plan.seed,
            versions: Versions::here(&self.device),
            hash,
            clean: share(right.len()),
            clean_interval: wilson_interval(right.len(), n),
            attacks: plan.attacks.iter().enumerate().map(attack).collect(),
            worst_case: share(worst),
            worst_case_interval: wilson_interval(worst, n),
            quantized: quantized(all),
            warnings: self.warnings(),
            samples: (0..n).map(|sample| self.sample(sample)).collect(),
        }
    }

    /// Whether one of these attacks breaks a sample; `rounded`, with its example rounded to 8 bits.
    fn breaks(
        &self,
        quantized: bool,
        mut attacks: std::ops::Range<usize>,
        sample: usize,
        rounded: bool,
    ) -> bool {
        let breaks = |attack| match self.tally.broken(quantized, attack, sample) {
            Some(broken) => !rounded || broken.rounded,
            None => false,
        };
        attacks.any(breaks)
    }

    fn sample(&self, sample: usize) -> SampleReport {
        let by = |index: usize| self.tally.broken(false, index, sample).map(|b| (index, b.norm));
        let verdict = match self.samples.clean[sample] {
            Clean::Misclassified => Verdict::Misclassified,
            Clean::NotFinite => Verdict::NotFinite,
            Clean::Right => match (0..self.plan.attacks.len()).find_map(by) {
                Some((index, norm)) => {
                    let (verdict, attack) = (Verdict::Broken, self.plan.attacks[index].name());
                    return SampleReport { verdict, attack: Some(attack), norm: Some(norm) };
                }
                None => Verdict::Robust,
            },
        };
        SampleReport { verdict, attack: None, norm: None }
    }

    fn warnings(&self) -> Vec<Warning> {
        let mut warnings = self.warnings.clone();
        let mute = self.samples.clean.iter().filter(|said| **said == Clean::NotFinite).count();
        if mute > 0 {
            warnings.push(Warning::NonFiniteLogits { samples: mute });
        }
        let features = self.samples.shape().iter().product();
        if covers_bounds(&self.plan.threat, features) {
            warnings.push(Warning::EpsilonCoversBounds);
        }
        warnings.extend(self.stronger_black_boxes());
        warnings
    }

    /// Black-box attacks that break what no white-box attack breaks. In a cascade only those before
    /// had a chance to.
    fn stronger_black_boxes(&self) -> Vec<Warning> {
        let attacks = &self.plan.attacks;
        let access = |access: Access| {
            (0..attacks.len()).filter(move |&index| attacks[index].access() == access)
        };
        let alone = |index: usize| {
            let mut white = access(Access::WhiteBox)
                .filter(|&other| !self.plan.cascade || other < index)
                .peekable();
            white.peek()?;
            let white: Vec<usize> = white.collect();
            let missed = |sample: &&usize| {
                white.iter().all(|&other| self.tally.broken(false, other, **sample).is_none())
            };
            let samples = self.tally.of(false, index)?.broken.keys().filter(missed).count();
            (samples as f64 > BY_CHANCE * self.samples.len() as f64)
                .then(|| Warning::BlackBoxStronger { attack: attacks[index].name(), samples })
        };
        access(Access::BlackBox).filter_map(alone).collect()
    }
}
