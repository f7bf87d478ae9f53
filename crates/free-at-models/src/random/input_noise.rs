//! Any classifier behind noise.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;
use free_at_core::{Classifier, Draws, Error};

use super::own_draws::OwnDraws;
use crate::ModelError;

/// A classifier that sees its inputs through normal noise, another at each call: what randomised smoothing takes the
/// majority of, and a defence that looks stronger than it is to an attack that does not
/// [average](free_at_core::AttackTask::averaging) over the noise.
///
/// An attack or an evaluation keys the noise by seed, sample and call, so its verdicts do not depend on the batch.
/// `logits` draws anew each time.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use free_at_core::{Classifier, Draws};
/// use free_at_models::{InputNoise, MlpConfig};
///
/// let device = Device::flex();
/// let model = InputNoise::new(0.1, MlpConfig::new(4, 3).init(&device))?;
/// let rows = Tensor::<2>::zeros([2, 4], &device);
/// let once = model.logits_with(rows.clone(), &Draws::new(0, vec![7, 8]));
/// let again = model.logits_with(rows, &Draws::new(0, vec![7, 8]));
/// assert_eq!(once.into_data(), again.into_data());
/// # Ok::<(), free_at_models::ModelError>(())
/// ```
#[derive(Module, Debug)]
pub struct InputNoise<M: Module> {
    /// The classifier of noisy inputs.
    pub model: M,
    deviation: f64,
    #[module(skip)]
    own: OwnDraws,
}

impl<M: Module> InputNoise<M> {
    /// `model` behind noise of this standard deviation, in the unit of the inputs.
    ///
    /// # Errors
    /// [`ModelError::Parameter`] for a deviation that is not finite or below 0.
    pub fn new(deviation: f64, model: M) -> Result<Self, ModelError> {
        match deviation.is_finite() && deviation >= 0.0 {
            true => Ok(Self { model, deviation, own: OwnDraws::default() }),
            false => Err(ModelError::Parameter {
                model: "InputNoise",
                parameter: "the standard deviation",
                allowed: "finite and at least 0",
                found: deviation.to_string(),
            }),
        }
    }
}

impl<M: Classifier<D> + Module + ModuleDisplay, const D: usize> Classifier<D> for InputNoise<M> {
    fn logits(&self, inputs: Tensor<D>) -> Tensor<2> {
        let draws = self.own.next(inputs.dims()[0]);
        self.logits_with(inputs, &draws)
    }

    fn logits_with(&self, inputs: Tensor<D>, draws: &Draws) -> Tensor<2> {
        let noise = draws.normal(inputs.dims(), &inputs.device()).mul_scalar(self.deviation);
        let noise = noise.cast(inputs.dtype());
        self.model.logits_with(inputs + noise, &draws.nested())
    }

    fn check_input(&self, sample: &[usize]) -> Result<(), Error> {
        self.model.check_input(sample)
    }

    fn smallest_batch(&self, sample: &[usize]) -> usize {
        self.model.smallest_batch(sample)
    }
}
