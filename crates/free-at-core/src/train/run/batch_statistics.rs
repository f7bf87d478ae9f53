//! Running statistics of batch norm, estimated anew.

use std::any::Any;

use burn::data::dataloader::DataLoader;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::model::batch::Batch;
use crate::model::classifier::Trainable;
use crate::model::precision;
use crate::train::TrainError;

/// The model with the running statistics of its batch norms estimated anew: their mean over the batches of one pass,
/// each normalised by its own. For averages of weights, whose own statistics no batch ever had (SWA; PyTorch's
/// `update_bn`). Without batch norm, or without a batch, nothing changes.
///
/// The model and what the loader gives are to be on a device with autodiff, where batch norm trains. Layers are told by
/// the names `running_mean` and `running_var`, which Burn's and ours have, and must move their statistics a fixed share
/// of the way to those of each batch; one whose statistics do not move keeps them. What comes back is in training mode,
/// without gradient checkpointing.
///
/// # Errors
/// Those of the loader, and [`Error::InputShape`](crate::Error::InputShape) for samples that the model does not take.
pub fn reestimate_statistics<C: Trainable<D>, const D: usize>(
    model: C,
    data: &dyn DataLoader<Batch<D>>,
) -> Result<C, TrainError> {
    // A layer moves statistics r to (1 − μ) r + μ b: from 0 to μ b, and from FAR to (1 − μ) · FAR more than that,
    // whatever μ b is beside it.
    let mut model = model.valid().train(); // with statistics of its own
    let before = statistics_of(&model);
    let mut kept: Option<Statistics> = None;
    let mut sum: Option<Statistics> = None;
    let mut batches = 0;
    for batch in data.iter() {
        let batch = batch.map_err(TrainError::from)?;
        model.check_input(&batch.sample_shape())?;
        let from_zero;
        (model, from_zero) = moved_from(model, 0.0, &batch);
        if kept.is_none() {
            let from_far;
            (model, from_far) = moved_from(model, FAR, &batch);
            kept = Some(each(from_far, &from_zero, |far, zero| (far - zero).div_scalar(FAR)));
        }
        sum = Some(match sum {
            Some(sum) => each(sum, &from_zero, |sum, more| sum + more),
            None => from_zero,
        });
        batches += 1;
    }
    let (Some(sum), Some(kept)) = (sum, kept) else { return Ok(with(model, before)) };
    let moved = kept.iter().map(|kept| kept.clone().neg().add_scalar(1.0));
    let of_one = |((sum, moved), before): ((Tensor<1>, Tensor<1>), Tensor<1>)| {
        let still = moved.clone().lower_elem(STILL);
        (sum.div_scalar(batches) / moved).mask_where(still, before)
    };
    let estimated = sum.into_iter().zip(moved).zip(before).map(of_one).collect();
    Ok(with(model, estimated))
}

/// Far from any statistic, and exact in every type of float.
const FAR: f64 = 16_384.0;
/// A layer that moves its statistics by less than this share does not move them.
const STILL: f64 = 1e-4;

/// Running means and variances, in the order in which the model has them.
type Statistics = Vec<Tensor<1>>;

/// Where each statistic goes from `start`, in one forward pass in training mode.
fn moved_from<C: Trainable<D>, const D: usize>(
    model: C,
    start: f64,
    batch: &Batch<D>,
) -> (C, Statistics) {
    let starts = statistics_of(&model).iter().map(|kept| kept.full_like(start)).collect();
    let model = with(model, starts);
    let inputs = batch.inputs().without_autodiff().autodiff();
    drop(precision::logits(&model, inputs, None, precision::of(&model)));
    let model = model.valid().train(); // reads what the forward pass has left
    let found = statistics_of(&model);
    (model, found)
}

fn each(
    a: Statistics,
    b: &Statistics,
    of: impl Fn(Tensor<1>, Tensor<1>) -> Tensor<1>,
) -> Statistics {
    a.into_iter().zip(b).map(|(a, b)| of(a, b.clone())).collect()
}

fn is_statistic(path: &[String]) -> bool {
    path.last().is_some_and(|name| name == "running_mean" || name == "running_var")
}

fn statistics_of<C: Module>(model: &C) -> Statistics {
    #[derive(Default)]
    struct Read {
        path: Vec<String>,
        found: Statistics,
    }
    impl ModuleVisitor for Read {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.into());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value: Box<dyn Any> = Box::new(param.val().without_autodiff());
            if let (true, Ok(value)) = (is_statistic(&self.path), value.downcast()) {
                self.found.push(*value);
            }
        }
    }
    let mut read = Read::default();
    model.visit(&mut read);
    read.found
}

/// The model with these statistics. It must share them with no other.
fn with<C: Module>(model: C, statistics: Statistics) -> C {
    struct Write {
        path: Vec<String>,
        statistics: std::vec::IntoIter<Tensor<1>>,
    }
    impl ModuleMapper for Write {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.into());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if !is_statistic(&self.path) || D != 1 {
                return param;
            }
            let next: Option<Box<dyn Any>> = self.statistics.next().map(|next| Box::new(next) as _);
            match next.and_then(|next| next.downcast::<Tensor<D>>().ok()) {
                Some(next) => {
                    param.map(|old| if old.is_autodiff() { next.autodiff() } else { *next })
                }
                None => param,
            }
        }
    }
    model.map(&mut Write { path: Vec::new(), statistics: statistics.into_iter() })
}
