//! Notices parameters that are no numbers any more.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Bool, Tensor};

use crate::error::Error;
use crate::train::TrainError;

/// Accepts a model whose parameters and running statistics are finite. Waits for the device.
///
/// # Errors
/// [`TrainError::ParameterNotFinite`] with the first that is not, [`Error::Read`].
pub(crate) fn check_finite<C: Module>(model: &C) -> Result<(), TrainError> {
    let mut found = Finite::default();
    model.visit(&mut found);
    if found.each.is_empty() {
        return Ok(());
    }
    // Of several devices, as running statistics may be: to one, to read all at once.
    let device = found.each[0].device();
    let each = found.each.into_iter().map(|flag| flag.to_device(&device)).collect();
    let each: Vec<i32> = Tensor::cat(each, 0).int().try_into_vec_as().map_err(Error::unreadable)?;
    match each.iter().zip(found.names).find(|(finite, _)| **finite == 0) {
        Some((_, tensor)) => Err(TrainError::ParameterNotFinite { tensor }),
        None => Ok(()),
    }
}

#[derive(Default)]
struct Finite {
    path: Vec<String>,
    names: Vec<String>,
    /// Whether all of a tensor is finite.
    each: Vec<Tensor<1, Bool>>,
}

impl ModuleVisitor for Finite {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.names.push(self.path.join("."));
        self.each.push(param.val().without_autodiff().is_finite().all());
    }
}
