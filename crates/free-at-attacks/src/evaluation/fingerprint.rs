//! A hash of everything that the verdicts of an evaluation depend on.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Bool, Int, Tensor, TensorData};
use free_at_core::Error;
use sha2::{Digest, Sha256};

use super::plan::Plan;
use super::samples::Samples;

/// SHA-256, in hexadecimal digits, of the configuration, the data and the model. The batch size
/// is no part of it: no verdict depends on it.
///
/// # Errors
/// [`Error::Read`] if the device fails.
pub(super) fn fingerprint<M: Module, const D: usize>(
    plan: &Plan<D>,
    model: &M,
    samples: &Samples,
) -> Result<String, Error> {
    let mut hash = Sha256::new();
    let version = env!("CARGO_PKG_VERSION");
    let attacks = plan.attacks.iter().map(|attack| format!("{attack:?}")).collect::<Vec<_>>();
    hash.update(format!(
        "{version} {:?} {:?} {} {} {} {attacks:?} {:?}",
        plan.threat,
        plan.target,
        plan.seed,
        plan.cascade,
        plan.eight_bit,
        samples.shape(),
    ));
    samples.inputs().iter().for_each(|value| hash.update(value.to_le_bytes()));
    samples.truth().iter().for_each(|label| hash.update(label.to_le_bytes()));
    samples.clean.iter().for_each(|verdict| hash.update(format!("{verdict:?}")));
    let mut parameters = Parameters { hash, failure: None };
    model.visit(&mut parameters);
    match parameters.failure {
        Some(error) => Err(error),
        None => {
            let hash = parameters.hash.finalize();
            Ok(free_at_core::files::hex(&hash))
        }
    }
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
