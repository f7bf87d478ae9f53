//! Models in half precision, whose inputs, perturbations and losses stay in single precision.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, FloatDType, Tensor};

use super::classifier::Classifier;
use crate::draws::Draws;

/// The type of float that a model computes in: that of its first parameter.
pub fn of(model: &impl Module) -> DType {
    #[derive(Default)]
    struct First(Option<DType>);
    impl ModuleVisitor for First {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if self.0.is_none() {
                self.0 = Some(param.val().dtype());
            }
        }
    }
    let mut first = First::default();
    model.visit(&mut first);
    first.0.unwrap_or(DType::F32)
}

/// Whether this is a type of half precision.
pub(crate) fn is_half(dtype: DType) -> bool {
    matches!(dtype, DType::F16 | DType::BF16)
}

/// The logits of a model that computes in `dtype`, in single precision where that has less. Gradients
/// pass through both conversions. A model that draws takes its draws from `draws`, if there are any.
pub(crate) fn logits<C: Classifier<D> + ?Sized, const D: usize>(
    model: &C,
    inputs: Tensor<D>,
    draws: Option<&Draws>,
    dtype: DType,
) -> Tensor<2> {
    let answer = |inputs| match draws {
        Some(draws) => model.logits_with(inputs, draws),
        None => model.logits(inputs),
    };
    let float = match dtype {
        DType::F16 => FloatDType::F16,
        DType::BF16 => FloatDType::BF16,
        DType::F64 => FloatDType::F64,
        _ => return answer(inputs), // single precision, or quantised: its own business
    };
    match inputs.dtype() == dtype {
        true => answer(inputs),
        false => answer(inputs.cast(float)).cast(FloatDType::F32),
    }
}
