//! Minibatches of images.

use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::tensor::Device;
use free_at_core::{Batch, Bounds, Error};

use super::ImageDataset;
use super::cutmix::Mixed;
use crate::error::DataError;
use crate::loader;
use crate::loading::Loading;
use crate::samples::Samples;
use crate::source::Pixels;

/// The values of a minibatch on the host.
pub(crate) struct Assembled {
    pixels: Pixels,
    labels: Vec<usize>,
    /// Where each image is in the source.
    places: Vec<usize>,
    mixed: Option<Mixed>,
}

impl Assembled {
    /// The minibatch on `device`.
    pub(crate) fn on(self, of: &ImageDataset, device: &Device) -> Result<Batch<4>, DataError> {
        let (shape, classes, white) = (of.shape, of.classes(), of.source.white());
        let labels = &self.labels;
        let batch = match self.pixels {
            Pixels::Bytes(bytes) => {
                Batch::from_bytes(bytes, &shape, labels, classes, white, device)?
            }
            Pixels::Floats(floats) => {
                let images: Vec<&[f32]> = floats.chunks(shape.iter().product()).collect();
                Batch::from_samples(&images, &shape, labels, classes, &Bounds::default(), device)?
            }
        };
        let batch = batch.with_indices(self.places)?;
        match self.mixed {
            Some(Mixed { labels, share }) => Ok(batch.mixed_with(&labels, share)?),
            None => Ok(batch),
        }
    }
}

impl Samples<4> for ImageDataset {
    type Prepared = Assembled;

    fn count(&self) -> usize {
        self.len()
    }

    fn choose(&self, indices: Vec<usize>) -> Self {
        self.subset(indices)
    }

    fn prepare(
        &self,
        indices: &[usize],
        random: Option<(u64, u64)>,
    ) -> Result<Option<Assembled>, DataError> {
        let assembled = self.assemble(indices, random)?;
        Ok((!assembled.labels.is_empty()).then_some(assembled))
    }

    fn send(&self, prepared: Assembled, device: &Device) -> Result<Batch<4>, DataError> {
        prepared.on(self, device)
    }
}

impl Loading<ImageDataset> {
    /// The loader of minibatches on `device`.
    ///
    /// # Errors
    /// [`Error::BatchSize`] for a batch size of 0.
    pub fn build(self, device: &Device) -> Result<Arc<dyn DataLoader<Batch<4>>>, Error> {
        loader::build(self, device)
    }
}

impl ImageDataset {
    /// All images in one batch.
    ///
    /// # Errors
    /// Those of [`image`](Self::image), and [`DataError::Core`] with [`Error::EmptyBatch`] for none.
    pub fn batch(&self, device: &Device) -> Result<Batch<4>, DataError> {
        let indices: Vec<usize> = (0..self.len()).collect();
        self.assemble(&indices, None)?.on(self, device)
    }

    /// Minibatches on `device`, reshuffled for each pass where a seed is given: the short form of
    /// [`loading`](Self::loading).
    ///
    /// # Errors
    /// [`Error::BatchSize`] for a batch size of 0.
    pub fn loader(
        &self,
        batch_size: usize,
        shuffle: Option<u64>,
        device: &Device,
    ) -> Result<Arc<dyn DataLoader<Batch<4>>>, Error> {
        let loading = self.loading(batch_size);
        match shuffle {
            Some(seed) => loading.with_seed(seed).build(device),
            None => loading.build(device),
        }
    }

    /// Minibatches of `batch_size` images: the builder of a data loader.
    pub fn loading(&self, batch_size: usize) -> Loading<Self> {
        Loading::new(self.clone(), batch_size, self.is_costly())
    }

    /// The images with these indices, in one piece. `random` is a seed and the number of the pass.
    ///
    /// # Errors
    /// [`DataError::TooManyUndecodable`], and those of the source but for single images that do not decode,
    /// which are left out.
    pub(crate) fn assemble(
        &self,
        indices: &[usize],
        random: Option<(u64, u64)>,
    ) -> Result<Assembled, DataError> {
        let (mut bytes, mut floats) = (Vec::new(), Vec::new());
        let (mut labels, mut places) = (Vec::new(), Vec::new());
        for &index in indices {
            match self.raster(index, random) {
                Ok((raster, label)) => {
                    if raster.shape != self.shape {
                        let [_, height, width] = raster.shape;
                        return Err(DataError::Transform {
                            transform: "one size for all".into(),
                            found: format!("{height}×{width}"),
                            reason: "images are of several sizes: resize and crop them",
                        });
                    }
                    match raster.pixels {
                        Pixels::Bytes(of_one) => bytes.extend(of_one),
                        Pixels::Floats(of_one) => floats.extend(of_one),
                    }
                    labels.push(label);
                    places.extend(self.place(index));
                }
                Err(error @ DataError::Undecodable { .. }) => self.skip(&error)?,
                Err(error) => return Err(error),
            }
        }
        let mut pixels = match floats.is_empty() {
            true => Pixels::Bytes(bytes),
            false => Pixels::Floats(floats),
        };
        let mixed = random.and_then(|random| {
            self.cutmix.mix(&mut pixels, (&mut labels, &mut places), self.shape, random)
        });
        Ok(Assembled { pixels, labels, places, mixed })
    }

    /// Takes note of an image that does not decode.
    fn skip(&self, error: &DataError) -> Result<(), DataError> {
        const MOST: usize = 100; // one in so many
        const SHOWN: usize = 3;
        let DataError::Undecodable { path, .. } = error else { return Ok(()) };
        let mut names = self.skipped_names();
        if names.insert(path.clone()) {
            log::warn!("left out: {error}");
        }
        let (skipped, images) = (names.len(), self.source.labels().len());
        match skipped * MOST > images {
            false => Ok(()),
            true => {
                let names: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
                let names = names.join(", ");
                Err(DataError::TooManyUndecodable { skipped, images, names })
            }
        }
    }
}
