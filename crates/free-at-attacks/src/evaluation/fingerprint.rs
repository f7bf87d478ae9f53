//! What tells one evaluation from another: a hash of what its verdicts depend on, and some of the model's answers.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Bool, Int, Tensor, TensorData};
use free_at_core::{Attack, Draws, Error, FrozenModel, files};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::plan::Plan;
use super::samples::{Clean, Samples};

/// What tells one evaluation from another.
pub(super) struct Fingerprint {
    /// SHA-256, in hexadecimal digits, of the configuration, the data and the model's parameters.
    key: String,
    /// What the model says of the first few samples: a model is more than its parameters (constants of a normalisation, an
    /// activation, a scale of the logits). None for one that draws, or whose answers are no numbers.
    answers: Option<Vec<f32>>,
}

impl Fingerprint {
    /// Of what the verdicts depend on. What none depends on is no part of it: the batch size, and the parameters of attacks that
    /// change their cost alone.
    ///
    /// # Errors
    /// [`Error::Read`] if the device fails, [`Error::Other`] for an attack that does not serialise; those of the model.
    pub(super) fn of<M: Module, const D: usize>(
        plan: &Plan<D>,
        (model, frozen): (&M, &FrozenModel<D>),
        samples: &Samples,
    ) -> Result<Self, Error> {
        Ok(Self { key: key(plan, model, samples)?, answers: answers(frozen, samples)? })
    }

    /// That of a record.
    pub(super) fn recorded(key: String, answers: Option<Vec<f32>>) -> Self {
        Self { key, answers }
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn answers(&self) -> Option<&[f32]> {
        self.answers.as_deref()
    }

    /// SHA-256 of all of it.
    pub(super) fn hash(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(&self.key);
        for answer in self.answers().unwrap_or_default() {
            hash.update(answer.to_le_bytes());
        }
        files::hex(&hash.finalize())
    }

    /// Whether it is of the same evaluation, as far as rounding lets tell: another number of threads, or another device, adds in
    /// another order.
    pub(super) fn matches(&self, other: &Self) -> bool {
        /// Of the largest answer. Half precision and thousands of terms stay below; another normalisation does not.
        const ROUNDING: f32 = 1e-2;
        let same = |(a, b): (&[f32], &[f32])| {
            let most = a.iter().chain(b).fold(1e-3, |most: f32, answer| most.max(answer.abs()));
            let near = |(a, b): (&f32, &f32)| (a - b).abs() <= ROUNDING * most;
            a.len() == b.len() && a.iter().zip(b).all(near)
        };
        self.key == other.key && self.answers().zip(other.answers()).is_none_or(same)
    }
}

/// What the model says of the first samples, asked by themselves, so that no batch size matters.
fn answers<const D: usize>(
    model: &FrozenModel<D>,
    samples: &Samples,
) -> Result<Option<Vec<f32>>, Error> {
    const PROBED: usize = 8;
    let ask = || -> Result<Vec<f32>, Error> {
        let inputs = samples.first(PROBED);
        // A model that draws with keys is told by what it says with these.
        let draws = Draws::new(0, (0..inputs.dims()[0] as u64).collect());
        let logits = model.logits_with(inputs, &draws)?;
        logits.try_into_vec_as::<f32>().map_err(Error::unreadable)
    };
    let answers = ask()?;
    let tells = answers.iter().all(|answer| answer.is_finite()) && ask()? == answers;
    Ok(tells.then_some(answers))
}

fn key<M: Module, const D: usize>(
    plan: &Plan<D>,
    model: &M,
    samples: &Samples,
) -> Result<String, Error> {
    let attacks = plan.attacks.iter().map(|attack| parameters(attack.as_ref()));
    let configuration = json!({
        "free_at": env!("CARGO_PKG_VERSION"),
        "threat": plan.threat,
        "target": plan.target,
        "seed": plan.seed,
        "cascade": plan.cascade,
        "quantized": plan.quantized,
        "attacks": attacks.collect::<Result<Vec<Value>, Error>>()?,
        "shape": samples.shape(),
    });
    let mut hash = Sha256::new();
    hash.update(configuration.to_string());
    samples.inputs().iter().for_each(|value| hash.update(value.to_le_bytes()));
    hash.update(samples.numbers());
    samples.truth().iter().for_each(|label| hash.update(label.to_le_bytes()));
    samples.clean.iter().for_each(|said| {
        hash.update(match said {
            Clean::Right => b"r",
            Clean::Misclassified => b"m",
            Clean::NotFinite => b"n",
        });
    });
    let mut parameters = Parameters { hash, failure: None };
    model.visit(&mut parameters);
    match parameters.failure {
        Some(error) => Err(error),
        None => Ok(files::hex(&parameters.hash.finalize())),
    }
}

/// An attack's name and serialised parameters, without those that change its cost alone.
fn parameters<const D: usize>(attack: &dyn Attack<D>) -> Result<Value, Error> {
    fn without(value: &mut Value, names: &[&str]) {
        match value {
            Value::Object(fields) => {
                names.iter().for_each(|name| drop(fields.remove(*name)));
                fields.values_mut().for_each(|value| without(value, names));
            }
            Value::Array(values) => values.iter_mut().for_each(|value| without(value, names)),
            _ => {}
        }
    }
    let serialised = erased_serde::serialize(attack, serde_json::value::Serializer);
    let mut parameters = serialised.map_err(Error::other)?;
    without(&mut parameters, attack.cost_parameters());
    Ok(json!({ "name": attack.name(), "parameters": parameters }))
}

/// Takes in every parameter and running statistic, with its shape.
struct Parameters {
    hash: Sha256,
    failure: Option<Error>,
}

impl Parameters {
    fn add(&mut self, data: Result<TensorData, impl std::fmt::Display>) {
        match data {
            Ok(data) => {
                self.hash.update(format!("{:?}", data.shape()));
                self.hash.update(&data.bytes()[..]);
            }
            Err(error) => self.failure = Some(Error::unreadable(error)),
        }
    }
}

impl ModuleVisitor for Parameters {
    fn visit_float<const R: usize>(&mut self, param: &Param<Tensor<R>>) {
        self.add(param.val().try_into_data());
    }

    fn visit_int<const R: usize>(&mut self, param: &Param<Tensor<R, Int>>) {
        self.add(param.val().try_into_data());
    }

    fn visit_bool<const R: usize>(&mut self, param: &Param<Tensor<R, Bool>>) {
        self.add(param.val().try_into_data());
    }
}
