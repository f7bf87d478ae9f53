//! Labelled images in memory.

use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::{Dataset, DatasetError};
use burn::tensor::Device;
use free_at_core::{Batch, Bounds, Error, check_samples};
use serde::{Deserialize, Serialize};

use crate::CheckedLoader;

/// One labelled image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// Channels, height, width, row-major, in [0, 1].
    pub pixels: Vec<f32>,
    /// The class.
    pub label: usize,
}

/// Images of one shape, in [0, 1], with their classes.
///
/// ```
/// use burn::tensor::Device;
/// use free_at_core::Error;
/// use free_at_data::{Image, ImageDataset};
///
/// let image = |label| Image { pixels: vec![0.5; 64], label };
/// let dataset = ImageDataset::new(vec![image(0), image(2)], [1, 8, 8], 3)?;
/// let batches = dataset.loader(32, Some(0), &Device::flex())?;
/// assert_eq!(batches.num_items(), 2);
///
/// let refused = ImageDataset::new(vec![image(3)], [1, 8, 8], 3);
/// assert!(matches!(refused, Err(Error::Label { label: 3, .. })));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ImageDataset {
    images: Arc<Vec<Image>>,
    shape: [usize; 3],
    classes: usize,
}

impl ImageDataset {
    /// Images of `shape` (channels, height, width), each checked.
    ///
    /// # Errors
    /// [`Error::EmptyBatch`] for no image; for the first that is wrong [`Error::RaggedBatch`],
    /// [`Error::Label`], [`Error::InputNotFinite`] or [`Error::InputOutOfBounds`], with its index.
    pub fn new(images: Vec<Image>, shape: [usize; 3], classes: usize) -> Result<Self, Error> {
        let labels: Vec<usize> = images.iter().map(|image| image.label).collect();
        let pixels: Vec<&[f32]> = images.iter().map(|image| image.pixels.as_slice()).collect();
        let features = shape.iter().product();
        check_samples(&pixels, features, &labels, classes, &Bounds::default())?;
        Ok(Self::embedded(images, shape, classes))
    }

    /// Images that are known to be right.
    pub(crate) fn embedded(images: Vec<Image>, shape: [usize; 3], classes: usize) -> Self {
        Self { images: Arc::new(images), shape, classes }
    }

    /// The images.
    pub fn images(&self) -> &[Image] {
        &self.images
    }

    /// The shape of an image: channels, height, width.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The first `n` images, or all if there are fewer.
    #[must_use]
    pub fn take(&self, n: usize) -> Self {
        Self::embedded(self.images.iter().take(n).cloned().collect(), self.shape, self.classes)
    }

    /// All images in one batch.
    ///
    /// # Errors
    /// [`Error::EmptyBatch`] for none.
    pub fn batch(&self, device: &Device) -> Result<Batch<4>, Error> {
        ImageBatcher::new(self.shape, self.classes).batch(self.images.to_vec(), device)
    }

    /// Minibatches on `device`, reshuffled for each pass where a seed is given.
    ///
    /// # Errors
    /// [`Error::BatchSize`] for a batch size of 0.
    pub fn loader(
        &self,
        batch_size: usize,
        shuffle: Option<u64>,
        device: &Device,
    ) -> Result<Arc<dyn DataLoader<Batch<4>>>, Error> {
        if batch_size == 0 {
            return Err(Error::BatchSize);
        }
        let builder = DataLoaderBuilder::new(ImageBatcher::new(self.shape, self.classes))
            .batch_size(batch_size)
            .set_device(device.clone());
        let builder = match shuffle {
            Some(seed) => builder.shuffle(seed),
            None => builder,
        };
        Ok(Arc::new(CheckedLoader::new(builder.build(self.clone()))))
    }
}

impl Dataset<Image> for ImageDataset {
    fn get(&self, index: usize) -> Result<Image, DatasetError> {
        Ok(self.images[index].clone())
    }

    fn len(&self) -> usize {
        self.images.len()
    }
}

/// Makes batches `[n, channels, height, width]` of images in [0, 1], checking each.
///
/// For data sets of your own, with Burn's `DataLoaderBuilder` and a [`CheckedLoader`] around it.
#[derive(Debug, Clone)]
pub struct ImageBatcher {
    shape: [usize; 3],
    classes: usize,
}

impl ImageBatcher {
    /// For images of `shape` (channels, height, width).
    pub fn new(shape: [usize; 3], classes: usize) -> Self {
        Self { shape, classes }
    }
}

impl Batcher<Image, Result<Batch<4>, Error>> for ImageBatcher {
    fn batch(&self, images: Vec<Image>, device: &Device) -> Result<Batch<4>, Error> {
        let labels: Vec<usize> = images.iter().map(|image| image.label).collect();
        let pixels: Vec<&[f32]> = images.iter().map(|image| image.pixels.as_slice()).collect();
        Batch::from_samples(&pixels, &self.shape, &labels, self.classes, &Bounds::default(), device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(images: Vec<Image>) -> Result<ImageDataset, Error> {
        ImageDataset::new(images, [1, 2, 2], 3)
    }

    #[test]
    fn refuses_images_that_are_not_of_the_set() {
        let image = |pixels: &[f32], label| Image { pixels: pixels.to_vec(), label };
        let good = image(&[0.0, 0.5, 1.0, 0.0], 1);
        let cases = [
            (vec![], Error::EmptyBatch),
            (
                vec![good.clone(), image(&[0.0; 3], 0)],
                Error::RaggedBatch { sample: 1, expected: 4, found: 3 },
            ),
            (
                vec![good.clone(), image(&[255.0; 4], 0)],
                Error::InputOutOfBounds { sample: 1, value: 255.0, low: 0.0, high: 1.0 },
            ),
        ];
        for (images, expected) in cases {
            assert_eq!(dataset(images).unwrap_err(), expected);
        }
        let loader = dataset(vec![good]).unwrap().loader(0, None, &Device::flex());
        assert!(matches!(loader, Err(Error::BatchSize)));
    }

    #[test]
    fn a_loader_ends_with_the_error_of_a_bad_item() {
        let good = Image { pixels: vec![0.0; 4], label: 0 };
        let bad = Image { pixels: vec![f32::NAN; 4], label: 0 };
        let unchecked = ImageDataset::embedded(vec![good.clone(), bad, good], [1, 2, 2], 3);
        let loader = unchecked.loader(1, None, &Device::flex()).unwrap();
        let items: Vec<_> = loader.iter().collect();
        assert!(items[0].is_ok());
        assert!(items[1].as_ref().unwrap_err().to_string().contains("NaN"));
    }
}
