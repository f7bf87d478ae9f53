//! Any classifier of images of another size, at random.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{DType, Device, Tensor, TensorData};
use free_at_core::{Classifier, Draws, Error};

use super::own_draws::OwnDraws;
use crate::ModelError;

/// A classifier that sees each image at a size drawn anew, somewhere on a larger black one: the defence of Xie, Wang,
/// Zhang, Ren, Yuille, "Mitigating adversarial effects through randomization", ICLR 2018 (nearest pixel, zero padding). It
/// does not withstand attacks that average over its draws (Athalye, Carlini, Wagner 2018), which is what it is here for.
///
/// Images `[n, channels, height, width]`; the classifier sees `[n, channels, padded, padded]`. An attack or an evaluation
/// keys the draws by seed, sample and call; `logits` draws anew each time.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use free_at_core::Classifier;
/// use free_at_models::{RandomResize, SmallCnnConfig};
///
/// let device = Device::flex();
/// let model = RandomResize::new(8..12, SmallCnnConfig::new(1, 10).init(&device))?;
/// assert_eq!(model.logits(Tensor::zeros([2, 1, 8, 8], &device)).dims(), [2, 10]);
/// # Ok::<(), free_at_models::ModelError>(())
/// ```
#[derive(Module, Debug)]
pub struct RandomResize<M: Module> {
    /// The classifier of padded images.
    pub model: M,
    smallest: usize,
    padded: usize,
    #[module(skip)]
    own: OwnDraws,
}

impl<M: Module> RandomResize<M> {
    /// `model` behind images of a height and width drawn from `sizes`, padded to its end: 299..331 in the paper.
    ///
    /// # Errors
    /// [`ModelError::Parameter`] for no size, or a size of 0.
    pub fn new(sizes: std::ops::Range<usize>, model: M) -> Result<Self, ModelError> {
        let (smallest, padded) = (sizes.start, sizes.end);
        match smallest > 0 && smallest < padded {
            true => Ok(Self { model, smallest, padded, own: OwnDraws::default() }),
            false => Err(ModelError::Parameter {
                model: "RandomResize",
                parameter: "the sizes",
                allowed: "at least one, and above 0",
                found: format!("{smallest}..{padded}"),
            }),
        }
    }

    /// Of each image, which of so many rows (or columns) is where: `[n, 1, padded, pixels]` of 0 and 1.
    fn moved(&self, from: usize, places: &[(usize, usize)], device: &Device) -> Tensor<4> {
        let mut ones = vec![0.0f32; places.len() * self.padded * from];
        for (image, &(size, offset)) in places.iter().enumerate() {
            for at in 0..size {
                ones[(image * self.padded + offset + at) * from + at * from / size] = 1.0;
            }
        }
        let shape = [places.len(), 1, self.padded, from];
        Tensor::from_data(TensorData::new(ones, shape), (device, DType::F32))
    }
}

impl<M: Classifier<4> + Module + ModuleDisplay> Classifier<4> for RandomResize<M> {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let draws = self.own.next(images.dims()[0]);
        self.logits_with(images, &draws)
    }

    fn logits_with(&self, images: Tensor<4>, draws: &Draws) -> Tensor<2> {
        let [_, _, height, width] = images.dims();
        let (device, dtype) = (images.device(), images.dtype());
        let below = |unit: f32, end: usize| ((unit * end as f32) as usize).min(end - 1);
        let places = draws.units(3).into_iter().map(|units| {
            let size = self.smallest + below(units[0], self.padded - self.smallest);
            let free = self.padded - size + 1;
            ((size, below(units[1], free)), (size, below(units[2], free)))
        });
        let (down, across): (Vec<_>, Vec<_>) = places.unzip();
        let down = self.moved(height, &down, &device).cast(dtype);
        let across = self.moved(width, &across, &device).cast(dtype);
        let resized = down.matmul(images).matmul(across.swap_dims(2, 3));
        self.model.logits_with(resized, &draws.nested())
    }

    fn check_input(&self, sample: &[usize]) -> Result<(), Error> {
        match sample {
            [channels, _, _] => self.model.check_input(&[*channels, self.padded, self.padded]),
            _ => Err(Error::InputShape {
                model: "RandomResize".into(),
                found: sample.to_vec(),
                reason: "it takes images [channels, height, width]".into(),
            }),
        }
    }

    fn smallest_batch(&self, sample: &[usize]) -> usize {
        let channels = sample.first().copied().unwrap_or_default();
        self.model.smallest_batch(&[channels, self.padded, self.padded])
    }
}
