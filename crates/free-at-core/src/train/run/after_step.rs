//! What happens after every optimiser step: a second model that is kept beside the trained one.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    Param,
};
use burn::tensor::{DType, Device, FloatDType, Tensor};

use crate::model::precision;
use crate::train::TrainError;

/// Keeps a second model beside the one that is trained: an average of its weights, say. It is asked after every
/// optimiser step.
///
/// What is kept is a part of the trained model: it is saved and resumed with it, and it is what validation, the
/// [guard](crate::train::Guard) and [`into_classifier`](crate::train::AdversarialModel::into_classifier) show. It
/// takes the place of the trained weights nowhere else: those go on as they would without it.
///
/// Given to [`Trainer::run`](crate::train::Trainer::run). In a loop of your own, call it after each step with
/// `&model.valid()` and `trainer.state().steps()`.
///
/// ```
/// use free_at_core::train::{AfterStep, TrainError, blend};
///
/// /// The mean of the last two models: half of what was kept, half of what is new.
/// #[derive(Debug)]
/// struct Halves;
///
/// impl<C: burn::module::Module> AfterStep<C> for Halves {
///     fn name(&self) -> String {
///         "halves".into()
///     }
///
///     fn check(&self) -> Result<(), TrainError> {
///         Ok(())
///     }
///
///     fn after_step(&self, kept: C, trained: &C, _: u64) -> C {
///         blend(kept, trained, 0.5)
///     }
/// }
/// ```
pub trait AfterStep<C>: Debug + Send + Sync {
    /// The name, with all that changes the result, lower case: `ema-0.999`. A checkpoint is resumed only by a
    /// run with the same.
    fn name(&self) -> String;

    /// Accepts parameters that it can work with.
    ///
    /// # Errors
    /// [`TrainError::Parameter`].
    fn check(&self) -> Result<(), TrainError>;

    /// What is kept after optimiser step number `step`, from 1: `kept` is what was kept before, the model itself
    /// at first, and `trained` the model after the step. Both are in evaluation mode and in no graph. In a
    /// [run](crate::train::Run) the parameters of `kept` are in single precision, whatever the model trains in: small
    /// steps of an average are nothing in half. They are in half again when the model is shown, so it is not for use here.
    fn after_step(&self, kept: C, trained: &C, step: u64) -> C;
}

/// `kept` moved by `share`, from 0 to 1, of the way to `trained`: every parameter and running statistic, in the type of
/// float that `kept` has.
/// With a share of 1 / n after the n-th step it is the mean of n models.
#[must_use]
pub fn blend<C: Module>(kept: C, trained: &C, share: f64) -> C {
    /// Tensors of all ranks, in the order in which the module visits them.
    #[derive(Default)]
    struct Collect(Vec<Box<dyn Any>>);
    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(Box::new(param.val().without_autodiff()));
        }
    }
    struct Blend<I> {
        trained: I,
        share: f64,
    }
    impl<I: Iterator<Item = Box<dyn Any>>> ModuleMapper for Blend<I> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let trained =
                self.trained.next().and_then(|tensor| tensor.downcast::<Tensor<D>>().ok());
            let Some(trained) = trained else { return param }; // of another module: left alone
            param.map(|kept| {
                // With several devices running statistics are on the one that wrote them last.
                let trained = trained.to_device(&kept.device()).cast(kept.dtype());
                kept.clone() + (trained - kept).mul_scalar(self.share)
            })
        }
    }
    let mut found = Collect::default();
    trained.visit(&mut found);
    kept.map(&mut Blend { trained: found.0.into_iter(), share })
}

/// The model with every parameter and running statistic in this type of float.
fn in_precision<C: Module>(model: C, dtype: DType) -> C {
    struct Cast(FloatDType);
    impl ModuleMapper for Cast {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|value| value.cast(self.0))
        }
    }
    match dtype {
        DType::F16 => model.map(&mut Cast(FloatDType::F16)),
        DType::BF16 => model.map(&mut Cast(FloatDType::BF16)),
        _ => model.map(&mut Cast(FloatDType::F32)),
    }
}

/// The model that is kept beside the trained one, and who keeps it; nothing at all in most trainings.
///
/// Its record holds the model under `model`, in single precision where that has more than the model. It stays on its own
/// device, whatever device copies of the trained
/// model are sent to.
#[derive(Debug, Clone)]
pub(crate) struct Kept<C>(Option<(C, By<C>)>);

/// Who keeps it, how many minibatches are accumulated for each optimiser step, and the type of float that the model
/// computes in.
#[derive(Debug, Clone)]
struct By<C> {
    after_step: Arc<dyn AfterStep<C>>,
    accumulated: u64,
    dtype: DType,
}

impl<C: Module> Kept<C> {
    pub(crate) fn nothing() -> Self {
        Self(None)
    }

    /// The model as it is before the first step.
    pub(crate) fn new(
        model: &C,
        after_step: Option<Arc<dyn AfterStep<C>>>,
        accumulated: u64,
    ) -> Self {
        let dtype = precision::of(model);
        Self(after_step.map(|after_step| {
            let model = match precision::is_half(dtype) {
                true => in_precision(model.valid(), DType::F32),
                false => model.valid(),
            };
            (model, By { after_step, accumulated, dtype })
        }))
    }

    /// The model that is kept, in the type of float that it computes in.
    pub(crate) fn model(&self) -> Option<C> {
        let (model, by) = self.0.as_ref()?;
        Some(match precision::is_half(by.dtype) {
            true => in_precision(model.valid(), by.dtype), // whose running statistics are its own
            false => model.clone(),
        })
    }

    /// After an optimiser step, when so many minibatches have been descended on.
    pub(super) fn after_step(self, trained: &C, minibatches: u64) -> Self {
        Self(self.0.map(|(kept, by)| {
            let trained = trained.valid();
            // In distributed training each device steps for itself, and keeps for itself from then on.
            let kept = match trained.devices().first() {
                Some(device) if !kept.devices().contains(device) => kept.to_device(device),
                _ => kept,
            };
            let step = minibatches.div_ceil(by.accumulated);
            (by.after_step.after_step(kept, &trained, step), by)
        }))
    }
}

impl<C: Module> Module for Kept<C> {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        if let Some((model, _)) = &self.0 {
            visitor.enter_module("model", "Kept");
            model.visit(visitor);
            visitor.exit_module("model", "Kept");
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        Self(self.0.map(|(model, by)| {
            mapper.enter_module("model", "Kept");
            let model = model.map(mapper);
            mapper.exit_module("model", "Kept");
            (model, by)
        }))
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        devices
    }

    fn fork(self, _: &Device) -> Self {
        self
    }

    fn to_device(self, _: &Device) -> Self {
        self
    }

    fn train(self) -> Self {
        self
    }

    fn valid(&self) -> Self {
        Self(self.0.as_ref().map(|(model, by)| (model.valid(), by.clone())))
    }

    fn materialize(self) -> Self {
        Self(self.0.map(|(model, by)| (model.materialize(), by)))
    }
}

impl<C: Module> ModuleDisplayDefault for Kept<C> {
    fn content(&self, content: Content) -> Option<Content> {
        let by = self.0.as_ref().map_or("nothing".into(), |(_, by)| by.after_step.name());
        content.add_formatted(&by).optional()
    }
}

impl<C: Module> ModuleDisplay for Kept<C> {}
