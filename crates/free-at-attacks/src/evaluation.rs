//! Runs attacks on a model and counts what withstands them.

use std::sync::Arc;
use std::time::Instant;

use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use free_at_core::{
    Attack, Batch, Classifier, Draws, Error, FrozenModel, Labels, PerturbationSet, ThreatModel,
};

use crate::report::{AttackReport, RobustnessReport, Verdict};

/// Clean accuracy, accuracy under each of some attacks, and the worst case over all of them.
///
/// The model is evaluated frozen: running statistics, no dropout, nothing in it changes. A sample
/// that is misclassified as it is counts as broken and is not attacked; one that a restart breaks
/// leaves the batch, so later restarts run on the others only. Random draws are keyed by (seed,
/// sample, attack, restart), so a verdict depends neither on the batch size nor on the neighbours.
///
/// ```
/// use burn::data::dataloader::{DataLoader, DataLoaderBuilder, batcher::Batcher};
/// # use burn::data::dataset::InMemDataset;
/// # use burn::module::Module;
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::tensor::{Device, Tensor};
/// # use free_at_core::{Batch, Bounds, Classifier, Error};
/// use free_at_attacks::{Evaluation, Fgsm, Pgd};
/// use free_at_core::{Epsilon, ThreatModel};
/// # #[derive(Module, Debug)]
/// # struct Model { linear: Linear }
/// # impl Classifier<2> for Model {
/// #     fn logits(&self, inputs: Tensor<2>) -> Tensor<2> { self.linear.forward(inputs) }
/// # }
/// # struct Rows;
/// # impl Batcher<[f32; 4], Batch<2>> for Rows {
/// #     fn batch(&self, rows: Vec<[f32; 4]>, device: &Device) -> Batch<2> {
/// #         let labels = vec![0; rows.len()];
/// #         Batch::from_samples(&rows, &[4], &labels, 3, &Bounds::default(), device).unwrap()
/// #     }
/// # }
/// # let model = Model { linear: LinearConfig::new(4, 3).init(&Device::flex()) };
/// # let test = DataLoaderBuilder::new(Rows).batch_size(2).set_device(Device::flex())
/// #     .build(InMemDataset::new(vec![[0.5; 4]; 5]));
/// let report = Evaluation::new(ThreatModel::linf(Epsilon::pixels(8.0)))
///     .attack(Fgsm::new())
///     .attack(Pgd::new(20).with_restarts(2))
///     .run(&model, &*test)?;
/// assert!(report.worst_case <= report.clean);
/// println!("{report}");
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Evaluation<const D: usize> {
    threat: ThreatModel,
    attacks: Vec<Arc<dyn Attack<D>>>,
    seed: u64,
}

impl<const D: usize> Evaluation<D> {
    /// An evaluation without attacks yet, with seed 0.
    pub fn new(threat: ThreatModel) -> Self {
        Self { threat, attacks: Vec::new(), seed: 0 }
    }

    /// Adds an attack. Each is run on every sample that is right without an attack.
    #[must_use]
    pub fn attack(mut self, attack: impl Attack<D> + 'static) -> Self {
        self.attacks.push(Arc::new(attack));
        self
    }

    /// The seed of every random draw. Default: 0.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Attacks the model on the data of `test`, batch by batch as the loader gives them.
    ///
    /// # Errors
    /// [`Error::NoAttack`], [`Error::DuplicateAttack`]; those of the threat model and of the attacks'
    /// parameters; the loader's own error or [`Error::Data`] if it fails, [`Error::EmptyBatch`] if it is empty;
    /// [`Error::Device`] for data on another device than the model, [`Error::Classes`] for a model
    /// with too few logits, [`Error::InputOutOfBounds`] or [`Error::InputNotFinite`] for data
    /// outside the input bounds;
    /// [`Error::OutsideThreatModel`] if an attack returned what it must not;
    /// [`Error::Read`] if the device fails.
    pub fn run<C: Classifier<D> + Module + 'static>(
        &self,
        model: &C,
        test: &dyn DataLoader<Batch<D>>,
    ) -> Result<RobustnessReport, Error> {
        self.threat.check()?;
        self.attacks.iter().try_for_each(|attack| attack.check())?;
        self.check_names()?;
        let mut tally = Tally::new(self.attacks.len());
        let devices = model.devices();
        let model = FrozenModel::new(model);
        for batch in test.iter() {
            let batch = batch?;
            let device = batch.device();
            if let Some(expected) = devices.iter().find(|expected| **expected != device) {
                return Err(Error::elsewhere("batch", expected, &device));
            }
            self.attack_batch(&model, &batch, &mut tally)?;
        }
        match tally.right.is_empty() {
            true => Err(Error::EmptyBatch),
            false => Ok(self.report(tally)),
        }
    }

    fn check_names(&self) -> Result<(), Error> {
        let names: Vec<String> = self.attacks.iter().map(|attack| attack.name()).collect();
        match names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            Some((_, name)) => Err(Error::DuplicateAttack { name: name.clone() }),
            None if names.is_empty() => Err(Error::NoAttack),
            None => Ok(()),
        }
    }

    fn attack_batch(
        &self,
        model: &FrozenModel<D>,
        batch: &Batch<D>,
        tally: &mut Tally,
    ) -> Result<(), Error> {
        let (inputs, labels) = (batch.inputs().without_autodiff(), batch.truth());
        let allowed = self.threat.around(&inputs)?;
        let offset = tally.right.len();
        let samples = (offset..offset + batch.len()).map(|sample| sample as u64).collect();
        let draws = Draws::new(self.seed, samples);
        let logits = model.logits(inputs.clone())?;
        batch.check_logits(logits.dims()[1])?;
        if exceeds(past_bounds(&allowed, inputs.clone())?, 0.0) {
            // Slow, and only to say which sample it is.
            batch.check(logits.dims()[1], self.threat.bounds())?;
        }
        let wrong = read(labels.fooled(logits))?;
        let right: Vec<usize> = (0..batch.len()).filter(|&at| !wrong[at]).collect();
        tally.right.extend(wrong.iter().map(|wrong| !wrong));
        for (index, attack) in self.attacks.iter().enumerate() {
            let cost = Cost::before(model);
            let found = &mut tally.attacks[index];
            found.broken.resize(offset + batch.len(), false);
            let mut standing = right.clone();
            for restart in 0..attack.restarts() {
                if standing.is_empty() {
                    break;
                }
                let draws = draws.select(&standing).for_attack(index as u64).for_restart(restart);
                let still = Selected::new(&inputs, &labels, &standing);
                let broken = self.attempt(model, attack.as_ref(), &allowed, &still, &draws)?;
                for (&at, _) in standing.iter().zip(&broken).filter(|(_, broken)| **broken) {
                    found.broken[offset + at] = true;
                }
                standing.retain(|&at| !found.broken[offset + at]);
            }
            cost.add_to(model, found);
        }
        Ok(())
    }

    /// One restart of one attack: which of the selected samples it breaks.
    fn attempt(
        &self,
        model: &FrozenModel<D>,
        attack: &dyn Attack<D>,
        allowed: &PerturbationSet<D>,
        selected: &Selected<D>,
        draws: &Draws,
    ) -> Result<Vec<bool>, Error> {
        let Selected { inputs, labels } = selected;
        let adversarial = attack.run_once(model, inputs, labels, &self.threat, draws)?;
        let epsilon = self.threat.epsilon().value();
        let size = allowed.measure(adversarial.clone() - inputs.clone());
        // x + δ − x is rounded to the precision of x, feature by feature.
        let rounding = inputs.clone().add_scalar(epsilon).mul_scalar(precision(inputs));
        let slack = allowed.measure(rounding).add_scalar(epsilon * RELATIVE_ROUNDING);
        let excess = scalar((size.clone() - slack).max())?;
        let past = past_bounds(allowed, adversarial.clone())?;
        let refused = |found, allowed| {
            Err(Error::OutsideThreatModel { attack: attack.name(), found, allowed })
        };
        if exceeds(excess, epsilon) {
            return refused(scalar(size.max())?, epsilon);
        }
        if exceeds(past, 0.0) {
            return refused(past, 0.0);
        }
        read(labels.fooled(model.logits(adversarial)?))
    }

    fn report(&self, tally: Tally) -> RobustnessReport {
        let names: Vec<String> = self.attacks.iter().map(|attack| attack.name()).collect();
        let verdict = |sample: usize| match tally.attacks.iter().position(|a| a.broken[sample]) {
            _ if !tally.right[sample] => Verdict::Misclassified,
            Some(attack) => Verdict::Broken(names[attack].clone()),
            None => Verdict::Robust,
        };
        let verdicts: Vec<Verdict> = (0..tally.right.len()).map(verdict).collect();
        let share = |count: usize| count as f64 / tally.right.len() as f64;
        let right = tally.right.iter().filter(|right| **right).count();
        let attacks = names.iter().zip(&tally.attacks).map(|(name, found)| AttackReport {
            name: name.clone(),
            accuracy: share(right - found.broken.iter().filter(|broken| **broken).count()),
            gradient_computations: found.gradient_computations,
            forward_passes: found.forward_passes,
            seconds: found.seconds,
        });
        RobustnessReport {
            threat: self.threat.clone(),
            seed: self.seed,
            clean: share(right),
            attacks: attacks.collect(),
            worst_case: share(verdicts.iter().filter(|v| **v == Verdict::Robust).count()),
            verdicts,
        }
    }
}

/// The samples an attack still has to break.
struct Selected<const D: usize> {
    inputs: Tensor<D>,
    labels: Labels,
}

impl<const D: usize> Selected<D> {
    fn new(inputs: &Tensor<D>, labels: &Labels, positions: &[usize]) -> Self {
        if positions.len() == labels.len() {
            return Self { inputs: inputs.clone(), labels: labels.clone() };
        }
        let positions = indices(positions, &inputs.device());
        Self {
            inputs: inputs.clone().select(0, positions.clone()),
            labels: labels.select(&positions),
        }
    }
}

fn indices(positions: &[usize], device: &Device) -> Tensor<1, Int> {
    let positions: Vec<i64> = positions.iter().map(|&at| at as i64).collect();
    Tensor::from_data(positions.as_slice(), device)
}

/// Sample by sample, what was found.
struct Tally {
    right: Vec<bool>,
    attacks: Vec<Found>,
}

#[derive(Default, Clone)]
struct Found {
    broken: Vec<bool>,
    gradient_computations: u64,
    forward_passes: u64,
    seconds: f64,
}

impl Tally {
    fn new(attacks: usize) -> Self {
        Self { right: Vec::new(), attacks: vec![Found::default(); attacks] }
    }
}

/// A model's counters and the clock, before an attack.
struct Cost {
    gradient_computations: u64,
    forward_passes: u64,
    start: Instant,
}

impl Cost {
    fn before<const D: usize>(model: &FrozenModel<D>) -> Self {
        Self {
            gradient_computations: model.gradient_computations(),
            forward_passes: model.forward_passes(),
            start: Instant::now(),
        }
    }

    fn add_to<const D: usize>(self, model: &FrozenModel<D>, found: &mut Found) {
        found.gradient_computations += model.gradient_computations() - self.gradient_computations;
        found.forward_passes += model.forward_passes() - self.forward_passes;
        found.seconds += self.start.elapsed().as_secs_f64();
    }
}

/// Rounding of a norm over many features and of ε itself, with room to spare; a defect of an attack
/// is far larger.
const RELATIVE_ROUNDING: f64 = 1e-4;

/// The relative precision of the inputs' numbers.
fn precision<const D: usize>(inputs: &Tensor<D>) -> f64 {
    inputs.dtype().finfo().map_or(f64::from(f32::EPSILON), |info| info.epsilon)
}

/// How far the inputs are outside the input bounds at most.
fn past_bounds<const D: usize>(
    allowed: &PerturbationSet<D>,
    inputs: Tensor<D>,
) -> Result<f64, Error> {
    scalar((allowed.clamp(inputs.clone()) - inputs).abs().max())
}

/// Whether a measurement is above its limit; one that is no number counts as above.
fn exceeds(found: f64, limit: f64) -> bool {
    found.is_nan() || found > limit
}

fn scalar(value: Tensor<1>) -> Result<f64, Error> {
    value.try_into_scalar::<f64>().map_err(unreadable)
}

fn read(flags: Tensor<1, Int>) -> Result<Vec<bool>, Error> {
    let flags = flags.try_into_vec_as::<i64>().map_err(unreadable)?;
    Ok(flags.into_iter().map(|flag| flag != 0).collect())
}

fn unreadable(error: impl std::fmt::Display) -> Error {
    Error::Read { reason: error.to_string() }
}
