//! A step of gradient descent on flex, in place: the parameter where it was, the velocity where its gradient was.

use std::ops::ControlFlow::{self, Break, Continue};

use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::optim::LearningRate;
use burn::tensor::Tensor;
use pulp::Arch;
use rayon::prelude::*;

use crate::descent_rule::{DescentRule, Momentum};
use crate::flex::tensor::{floats, inner_on_flex, tensor};

/// Floats that a thread takes at a time.
const GRAIN: usize = 1 << 15;

/// The tensors of a step: parameter, gradient and velocity.
type Tensors<const D: usize> = (Tensor<D>, Tensor<D>, Option<Tensor<D>>);

/// The parameter and the velocity after a step, or the tensors again if they are not for it.
pub(crate) fn descend<const D: usize>(
    rule: DescentRule,
    learning_rate: LearningRate,
    parameter: Tensor<D>,
    gradient: Tensor<D>,
    velocity: Option<Tensor<D>>,
) -> ControlFlow<(Tensor<D>, Tensor<D>), Tensors<D>> {
    let dims = parameter.dims();
    let fits =
        gradient.dims() == dims && velocity.as_ref().is_none_or(|velocity| velocity.dims() == dims);
    let (parameter, gradient) = (parameter.into_dispatch(), gradient.into_dispatch());
    let velocity = velocity.map(Tensor::into_dispatch);
    let all = [Some(&parameter), Some(&gradient), velocity.as_ref()];
    if !fits || !all.into_iter().flatten().all(inner_on_flex) {
        let velocity = velocity.map(Tensor::from_dispatch);
        let (parameter, gradient) =
            (Tensor::from_dispatch(parameter), Tensor::from_dispatch(gradient));
        return Continue((parameter, gradient, velocity));
    }
    let step = Step { rule, learning_rate: learning_rate as f32 };
    let (parameter, velocity) = match velocity {
        Some(velocity) => Dispatch::go_on(parameter, gradient, velocity, step),
        None => Dispatch::begin(parameter, gradient, step),
    };
    Break((Tensor::from_dispatch(parameter), Tensor::from_dispatch(velocity)))
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    rule: DescentRule,
    learning_rate: f32,
}

/// The parameter and the velocity after a step.
#[backend_extension(Flex)]
pub(crate) trait Descent: Backend {
    /// After the first.
    fn begin(
        parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        step: Step,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// After any other.
    fn go_on(
        parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        velocity: FloatTensor<Self>,
        step: Step,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

impl Descent for Flex {
    fn begin(parameter: FlexTensor, gradient: FlexTensor, step: Step) -> (FlexTensor, FlexTensor) {
        let (mut parameter, mut gradient) = (whole(parameter), whole(gradient));
        step.each(&mut parameter, &mut gradient, None);
        (parameter, gradient)
    }

    fn go_on(
        parameter: FlexTensor,
        gradient: FlexTensor,
        velocity: FlexTensor,
        step: Step,
    ) -> (FlexTensor, FlexTensor) {
        let (mut parameter, mut gradient) = (whole(parameter), whole(gradient));
        let velocity = velocity.to_contiguous();
        step.each(&mut parameter, &mut gradient, Some(floats(&velocity)));
        (parameter, gradient)
    }
}

/// A tensor that is all of its memory, in order.
fn whole(given: FlexTensor) -> FlexTensor {
    let contiguous = given.to_contiguous();
    let values = floats(&contiguous);
    if values.len() == contiguous.storage::<f32>().len() {
        return contiguous;
    }
    let (values, shape) = (values.to_vec(), contiguous.shape());
    tensor(values, [shape.num_elements()]).reshape(shape)
}

impl Step {
    /// Leaves the parameter where it was, and the velocity in the place of the gradient.
    fn each(
        &self,
        parameter: &mut FlexTensor,
        gradient: &mut FlexTensor,
        velocity: Option<&[f32]>,
    ) {
        let (parameter, gradient) = (parameter.storage_mut::<f32>(), gradient.storage_mut::<f32>());
        let part = |(index, (parameter, gradient)): (usize, (&mut [f32], &mut [f32]))| {
            let velocity = velocity.map(|velocity| &velocity[index * GRAIN..][..gradient.len()]);
            Arch::new().dispatch(
                #[inline(always)]
                || self.part(parameter, gradient, velocity),
            );
        };
        // To wake a worker for a bias takes longer than its step.
        if parameter.len() <= GRAIN {
            return part((0, (parameter, gradient)));
        }
        let parts = parameter.par_chunks_mut(GRAIN).zip(gradient.par_chunks_mut(GRAIN));
        parts.enumerate().for_each(part);
    }

    // The order of operations is Burn's, and so is every rounding.
    #[inline(always)]
    fn part(&self, parameter: &mut [f32], gradient: &mut [f32], velocity: Option<&[f32]>) {
        let rate = self.learning_rate;
        if let Some(penalty) = self.rule.decay {
            for (p, g) in parameter.iter().zip(&mut *gradient) {
                *g += p * penalty;
            }
        }
        let Some(Momentum { momentum, fresh, nesterov }) = self.rule.momentum else {
            for (p, g) in parameter.iter_mut().zip(gradient) {
                *p -= *g * rate;
            }
            return;
        };
        match (velocity, nesterov) {
            (None, false) => {
                for (p, g) in parameter.iter_mut().zip(gradient) {
                    *p -= *g * rate;
                }
            }
            (None, true) => {
                for (p, g) in parameter.iter_mut().zip(gradient) {
                    *p -= (*g * momentum + *g) * rate;
                }
            }
            (Some(velocity), false) => {
                for ((p, g), v) in parameter.iter_mut().zip(gradient).zip(velocity) {
                    *g = *g * fresh + v * momentum;
                    *p -= *g * rate;
                }
            }
            (Some(velocity), true) => {
                for ((p, g), v) in parameter.iter_mut().zip(gradient).zip(velocity) {
                    let new = *g * fresh + v * momentum;
                    *p -= (new * momentum + *g) * rate;
                    *g = new;
                }
            }
        }
    }
}
