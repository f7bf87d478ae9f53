//! Flex tensors of 32-bit floats, in and out.

use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::{BackendTensor, DType, DispatchTensor, DispatchTensorKind, TensorMetadata};
use burn::tensor::{Bytes, Shape};

/// Whether it is a tensor of 32-bit floats on flex, with or without autodiff.
pub(crate) fn on_flex(tensor: &DispatchTensor) -> bool {
    let kind = match &tensor.kind {
        DispatchTensorKind::Autodiff(kind) => kind,
        kind => kind,
    };
    match kind {
        DispatchTensorKind::Flex(BackendTensor::Float(_) | BackendTensor::Autodiff(_)) => {
            tensor.dtype() == DType::F32
        }
        #[allow(unreachable_patterns)] // where flex is the only backend
        _ => false,
    }
}

/// Whether it is one without autodiff.
pub(crate) fn inner_on_flex(tensor: &DispatchTensor) -> bool {
    matches!(&tensor.kind, DispatchTensorKind::Flex(BackendTensor::Float(_))) && on_flex(tensor)
}

/// The values of a contiguous tensor.
pub(crate) fn floats(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("a contiguous tensor of 32-bit floats")
}

pub(crate) fn tensor<const D: usize>(values: Vec<f32>, dims: [usize; D]) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(Shape::from(dims)), DType::F32)
}

pub(crate) fn zeros<const D: usize>(dims: [usize; D]) -> FlexTensor {
    FlexTensor::zeros(Shape::from(dims), DType::F32)
}
