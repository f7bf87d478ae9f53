//! What free-at asks of a model.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;

use crate::draws::Draws;
use crate::error::Error;

/// A model that sorts inputs of rank `D` into classes.
///
/// Implement it for your own Burn module; everything else (training, attacks, evaluation) follows.
/// Inputs come in their own units, images in [0, 1]: put normalisation inside the model.
///
/// ```
/// use burn::module::Module;
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::{Device, Tensor};
/// use free_at_core::Classifier;
///
/// #[derive(Module, Debug)]
/// struct LinearClassifier {
///     layer: Linear,
/// }
///
/// impl Classifier<2> for LinearClassifier {
///     fn logits(&self, inputs: Tensor<2>) -> Tensor<2> {
///         self.layer.forward(inputs)
///     }
/// }
///
/// let device = Device::flex();
/// let model = LinearClassifier { layer: LinearConfig::new(4, 3).init(&device) };
/// assert_eq!(model.logits(Tensor::zeros([2, 4], &device)).dims(), [2, 3]);
/// ```
pub trait Classifier<const D: usize>: Send + Sync {
    /// Unnormalised log-probabilities (no softmax): inputs `[n, …]` to logits `[n, classes]`.
    fn logits(&self, inputs: Tensor<D>) -> Tensor<2>;

    /// The same of a model that draws: noise, dropout at test time, random resizing. `draws` are for this one call and have
    /// one key for each sample, made of the sample and of how often the model was asked about it. A model that takes all its
    /// randomness from them answers a sample alike in any batch, beside any neighbours, so its verdicts are the same at
    /// any batch size, and in an evaluation that was resumed. A model around another one hands them on.
    ///
    /// The default is [`logits`](Self::logits), for models that draw nothing, or from a stream of their own.
    fn logits_with(&self, inputs: Tensor<D>, draws: &Draws) -> Tensor<2> {
        let _ = draws;
        self.logits(inputs)
    }

    /// Whether the model takes samples of this shape (without the batch): `[channels, height, width]`
    /// or `[features]`, say. Trainers and attacks ask before they run a batch, so that a wrong size is
    /// an error there and no panic in the model.
    ///
    /// The default takes any.
    ///
    /// # Errors
    /// [`Error::InputShape`].
    fn check_input(&self, sample: &[usize]) -> Result<(), Error> {
        let _ = sample;
        Ok(())
    }

    /// How many samples of this shape a minibatch needs for training: 2 where a batch norm would see a single value of a
    /// channel, which has no variance (PyTorch refuses it likewise). Trainers refuse smaller ones.
    ///
    /// The default is 1.
    fn smallest_batch(&self, sample: &[usize]) -> usize {
        let _ = sample;
        1
    }
}

/// A classifier that can be trained: any Burn module that implements [`Classifier`]. There is nothing to
/// implement.
pub trait Trainable<const D: usize>: Classifier<D> + Module + ModuleDisplay + 'static {}

impl<C: Classifier<D> + Module + ModuleDisplay + 'static, const D: usize> Trainable<D> for C {}
