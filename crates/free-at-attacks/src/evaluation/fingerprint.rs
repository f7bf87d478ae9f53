//! A hash of everything that the verdicts of an evaluation depend on.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Bool, Int, Tensor, TensorData};
use free_at_core::{Attack, Error, files};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::plan::Plan;
use super::samples::{Clean, Samples};

/// SHA-256, in hexadecimal digits, of the configuration, the data and the model. What no verdict depends on
/// is no part of it: the batch size, and the parameters of attacks that change their cost alone.
///
/// # Errors
/// [`Error::Read`] if the device fails, [`Error::Other`] for an attack that does not serialise.
pub(super) fn fingerprint<M: Module, const D: usize>(
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
