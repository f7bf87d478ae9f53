//! The data of an evaluation, read once.

use burn::data::dataloader::DataLoader;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use free_at_core::{
    Attack, AttackTask, Batch, Draws, Error, FrozenModel, Goal, RuleError, ThreatModel, rows,
};

use super::measure::{exceeds, past_bounds, read_bools};
use super::plan::Plan;
use crate::error::EvaluationError;
use crate::order::keeps_its_order;

/// The streams of the draws of random targets, and of a model that draws when nobody attacks it: no attack's.
const TARGETS: u64 = u64::MAX;
const CLEAN: u64 = u64::MAX - 1;

/// What a model says of a sample without an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clean {
    Right,
    Misclassified,
    /// An answer that is no number; it counts as wrong.
    NotFinite,
}

/// Every sample on the host, with what the model says of it without an attack. Batches are then put
/// together of whichever samples are needed, so none is half empty.
pub(crate) struct Samples {
    shape: Vec<usize>,
    inputs: Vec<f32>,
    truth: Vec<i64>,
    target: Option<Vec<i64>>,
    /// How many classes the model has.
    pub(crate) classes: usize,
    /// Numbers in place of classes, and how far an answer may be from them.
    numbers: Option<(Vec<f32>, f64)>,
    /// What the model says of each without an attack.
    pub(crate) clean: Vec<Clean>,
    /// The size of the loader's first batch, and its device.
    pub(crate) batch: usize,
    pub(crate) device: Device,
    seed: u64,
}

impl Samples {
    pub(crate) fn read<const D: usize>(
        model: &FrozenModel<D>,
        test: &dyn DataLoader<Batch<D>>,
        plan: &Plan<D>,
        devices: &[Device],
    ) -> Result<Self, EvaluationError> {
        keeps_its_order(test)?;
        let mut samples = Self {
            shape: Vec::new(),
            inputs: Vec::new(),
            truth: Vec::new(),
            target: plan.is_targeted().then(Vec::new),
            classes: 0,
            numbers: None,
            clean: Vec::new(),
            batch: 0,
            device: Device::default(),
            seed: plan.seed,
        };
        for batch in test.iter() {
            samples.add(model, &batch?, plan, devices)?;
        }
        match samples.truth.is_empty() {
            true => Err(Error::EmptyBatch.into()),
            false => Ok(samples),
        }
    }

    fn add<const D: usize>(
        &mut self,
        model: &FrozenModel<D>,
        batch: &Batch<D>,
        plan: &Plan<D>,
        devices: &[Device],
    ) -> Result<(), Error> {
        let device = batch.device();
        if let Some(expected) = devices.iter().find(|expected| **expected != device) {
            return Err(Error::elsewhere("batch", expected, &device));
        }
        let (inputs, goal) = (batch.inputs().without_autodiff(), batch.untargeted());
        if inputs.dtype() != DType::F32 {
            return Err(Error::Precision { found: format!("{:?}", inputs.dtype()) });
        }
        let allowed = plan.threat.around(&inputs)?;
        let first = self.truth.len() as u64;
        let draws = Draws::new(self.seed, (first..first + batch.len() as u64).collect());
        let logits = model.logits_with(inputs.clone(), &draws.clone().for_attack(CLEAN))?;
        let classes = logits.dims()[1];
        batch.check_logits(classes).map_err(|error| error.in_data_set(self.truth.len()))?;
        let truth = batch.labels().try_into_vec_as::<i64>().map_err(Error::unreadable)?;
        let foreign = truth.iter().any(|label| !(0..classes as i64).contains(label));
        if foreign || exceeds(past_bounds(&allowed, inputs.clone())?, 0.0) {
            // Slow, and only to say which sample it is.
            let checked = batch.check(classes, plan.threat.bounds());
            checked.map_err(|error| error.in_data_set(self.truth.len()))?;
        }
        if self.truth.is_empty() {
            self.shape = batch.sample_shape();
            self.classes = classes;
            self.batch = batch.len();
            self.device = device.without_autodiff();
            self.numbers = batch.numbers().map(|(_, tolerance)| (Vec::new(), tolerance));
            for attack in &plan.for_classes(classes).0.attacks {
                match batch.numbers() {
                    None => attack.check_classes(classes, plan.is_targeted())?,
                    Some(_) => numbers_are_for(attack.as_ref(), plan.is_targeted())?,
                }
                attack.check_support(&plan.threat, &self.shape)?;
            }
        } else if self.shape != batch.sample_shape() {
            let (expected, found) = (self.shape.clone(), batch.sample_shape());
            return Err(Error::SampleShape { expected, found });
        }
        match (&mut self.numbers, batch.numbers()) {
            (None, None) => {}
            (Some((all, tolerance)), Some((numbers, its))) if *tolerance == its => {
                let numbers = numbers.without_autodiff().try_into_vec_as::<f32>();
                all.extend(numbers.map_err(Error::unreadable)?);
            }
            _ => return Err(Error::OtherNumbers),
        }
        if let (Some(target), Some(chosen)) = (&plan.target, &mut self.target) {
            let draws = draws.for_attack(TARGETS);
            let aims = target.goal(&logits, &batch.labels(), &draws)?.target();
            let aims = aims.map(|aims| aims.try_into_vec_as::<i64>().map_err(Error::unreadable));
            chosen.extend(aims.transpose()?.unwrap_or_default());
        }
        let finite = read_bools(rows::finite(logits.clone()))?;
        let wrong = read_bools(goal.fooled(logits))?;
        self.clean.extend(wrong.iter().zip(finite).map(|said| match said {
            (_, false) => Clean::NotFinite,
            (true, true) => Clean::Misclassified,
            (false, true) => Clean::Right,
        }));
        let values = inputs.try_into_vec_as::<f32>().map_err(Error::unreadable)?;
        keep_relations(&values, &self.shape, self.truth.len(), &plan.threat)?;
        self.truth.extend(truth);
        self.inputs.extend(values);
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.truth.len()
    }

    /// The shape of one sample.
    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The inputs of the first samples, at most so many.
    pub(crate) fn first<const D: usize>(&self, n: usize) -> Tensor<D> {
        let n = n.min(self.len());
        let features: usize = self.shape.iter().product();
        let mut shape = [n; D];
        shape[1..].copy_from_slice(&self.shape);
        let values = self.inputs[..n * features].to_vec();
        Tensor::from_data(TensorData::new(values, shape), (&self.device, DType::F32))
    }

    /// All inputs, one after the other, row-major.
    pub(crate) fn inputs(&self) -> &[f32] {
        &self.inputs
    }

    pub(crate) fn truth(&self) -> &[i64] {
        &self.truth
    }

    /// The samples that are right without an attack.
    pub(crate) fn right(&self) -> Vec<usize> {
        (0..self.len()).filter(|&sample| self.clean[sample] == Clean::Right).collect()
    }

    /// The numbers in place of classes, and their tolerance, as bytes.
    pub(crate) fn numbers(&self) -> Vec<u8> {
        let Some((numbers, tolerance)) = &self.numbers else { return Vec::new() };
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes());
        bytes.chain(tolerance.to_le_bytes()).collect()
    }

    /// A run of the attack of some samples, by its number and that of the attack in the evaluation.
    pub(crate) fn task<'a, const D: usize>(
        &self,
        model: &'a FrozenModel<D>,
        threat: &ThreatModel,
        samples: &[usize],
        (attack, run): (usize, usize),
        device: &Device,
    ) -> Result<AttackTask<'a, D>, Error> {
        let features: usize = self.shape.iter().product();
        let rows = samples
            .iter()
            .flat_map(|&sample| self.inputs[sample * features..][..features].iter().copied());
        let mut shape = [samples.len(); D];
        shape[1..].copy_from_slice(&self.shape);
        let inputs = Tensor::from_data(
            TensorData::new::<f32, _>(rows.collect(), shape),
            (device, DType::F32),
        );
        let classes = |of: &[i64]| {
            let classes: Vec<i64> = samples.iter().map(|&sample| of[sample]).collect();
            Tensor::<1, Int>::from_data(classes.as_slice(), device)
        };
        let goal = match (&self.numbers, &self.target) {
            (Some((numbers, tolerance)), _) => {
                let numbers: Vec<f32> = samples.iter().map(|&sample| numbers[sample]).collect();
                let numbers = Tensor::from_data(numbers.as_slice(), (device, DType::F32));
                Goal::beyond(numbers, *tolerance)
            }
            (None, Some(target)) => {
                Goal::targeted(classes(&self.truth), classes(target))?.among(self.classes)
            }
            (None, None) => Goal::untargeted(classes(&self.truth)).among(self.classes),
        };
        let keys = samples.iter().map(|&sample| sample as u64).collect();
        let draws = Draws::new(self.seed, keys).for_attack(attack as u64).for_restart(run);
        AttackTask::new(model, inputs, goal, threat, draws)
    }
}

/// Accepts an attack of a model that answers with numbers, which have no target.
fn numbers_are_for<const D: usize>(attack: &dyn Attack<D>, targeted: bool) -> Result<(), Error> {
    match attack.takes_numbers() && !targeted {
        true => Ok(()),
        false => Err(Error::Unsupported {
            attack: attack.name(),
            what: "numbers in place of classes".into(),
            instead: "use PGD, APGD-CE, Square or others that aim at no class, untargeted".into(),
        }),
    }
}

/// Accepts rows that keep what holds between their features, as far as files round.
fn keep_relations(
    values: &[f32],
    shape: &[usize],
    first: usize,
    threat: &ThreatModel,
) -> Result<(), Error> {
    const ROUNDED: f64 = 0.02; // of the size of what is compared; a table allows half of it
    let Some(rules) = threat.rules() else { return Ok(()) };
    let features: usize = shape.iter().product();
    for (at, row) in values.chunks(features.max(1)).enumerate() {
        for (relation, what) in rules.relations().iter().enumerate() {
            let by = what.broken_by(row);
            if by > ROUNDED * (1.0 + what.size(row)) {
                return Err(RuleError::BrokenBefore { sample: first + at, relation, by }.into());
            }
        }
    }
    Ok(())
}
