//! Labelled images, in memory or in files.

mod cutmix;
mod minibatches;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::data::dataset::{Dataset, DatasetError};
#[cfg(doc)]
use free_at_core::Batch;
use free_at_core::{Bounds, Error, check_samples};
use serde::{Deserialize, Serialize};

use self::cutmix::CutMix;
use crate::error::DataError;
use crate::order::shuffled;
use crate::source::{Memory, Pixels, Raster, Source, SourceShape};
use crate::transform::{DRAWS, TOO_LARGE, Transform, draws};

/// One labelled image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// Channels, height, width, row-major, in [0, 1].
    pub pixels: Vec<f32>,
    /// The class.
    pub label: usize,
}

/// Images of one shape, in [0, 1], with their classes. Clones share the images.
///
/// ```
/// use burn::tensor::Device;
/// use free_at_core::Error;
/// use free_at_data::{Image, ImageDataset, Transform};
///
/// let image = |label| Image { pixels: vec![0.5; 64], label };
/// let dataset = ImageDataset::new(vec![image(0), image(2)], [1, 8, 8], 3)?;
/// let batches = dataset.loader(32, Some(0), &Device::flex())?;
/// assert_eq!(batches.num_items(), 2);
///
/// let refused = ImageDataset::new(vec![image(3)], [1, 8, 8], 3);
/// assert!(matches!(refused, Err(Error::Label { label: 3, .. })));
///
/// // For training: augmented, in an order of its own each pass, prepared by two threads.
/// let augmented = dataset.with_transforms(vec![Transform::PadCrop { pad: 1 }, Transform::Flip])?;
/// let batches = augmented.loading(32).with_seed(0).with_workers(2).build(&Device::flex())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ImageDataset {
    source: Arc<dyn Source>,
    /// Of the source, by index; all, if there is none.
    chosen: Option<Arc<[usize]>>,
    transforms: Arc<[Transform]>,
    cutmix: CutMix,
    shape: [usize; 3],
    names: Arc<[String]>,
    skipped: Arc<Mutex<BTreeSet<String>>>,
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
        check_samples(&pixels, shape.iter().product(), &labels, classes, &Bounds::default())?;
        let pixels = Pixels::Floats(pixels.concat());
        Ok(Self::in_memory(Memory { pixels, labels, shape, white: 255 }, numbered(classes)))
    }

    /// Images of bytes, one after the other, each channels × height × width, of which `white` is 1 in
    /// [0, 1] (255, mostly); class `i` is called `names[i]`.
    ///
    /// # Errors
    /// [`DataError::Core`]: [`Error::EmptyBatch`] for no image, [`Error::RaggedBatch`] for another number of
    /// bytes than the labels need, [`Error::Label`], [`Error::Bounds`] for a white of 0,
    /// [`Error::InputOutOfBounds`] for a byte above white.
    pub fn from_bytes(
        bytes: Vec<u8>,
        labels: Vec<usize>,
        shape: [usize; 3],
        names: Vec<String>,
        white: u8,
    ) -> Result<Self, DataError> {
        let size: usize = shape.iter().product();
        let (expected, found) = (size * labels.len(), bytes.len());
        if labels.is_empty() {
            return Err(Error::EmptyBatch.into());
        }
        if found != expected {
            let sample = found / size.max(1);
            let found = found.saturating_sub(sample * size);
            return Err(Error::RaggedBatch { sample, expected: size, found }.into());
        }
        if white == 0 {
            return Err(Error::Bounds { low: 0.0, high: 0.0, feature: None }.into());
        }
        let classes = names.len();
        if let Some((sample, label)) =
            labels.iter().enumerate().find(|(_, label)| **label >= classes)
        {
            return Err(Error::Label { sample, label: *label as i64, classes }.into());
        }
        if let Some(at) = bytes.iter().position(|byte| *byte > white) {
            let value = f32::from(bytes[at]) / f32::from(white);
            let sample = at / size;
            return Err(Error::InputOutOfBounds { sample, value, low: 0.0, high: 1.0 }.into());
        }
        let pixels = Pixels::Bytes(bytes);
        Ok(Self::in_memory(Memory { pixels, labels, shape, white }, names))
    }

    /// Images that are known to be right.
    pub(crate) fn in_memory(memory: Memory, names: Vec<String>) -> Self {
        let shape = memory.shape;
        Self {
            source: Arc::new(memory),
            chosen: None,
            transforms: Arc::new([]),
            cutmix: CutMix::default(),
            shape,
            names: names.into(),
            skipped: Arc::default(),
        }
    }

    /// Images of any source, after transforms that give them one shape.
    pub(crate) fn of(
        source: impl Source + 'static,
        names: Vec<String>,
        transforms: Vec<Transform>,
    ) -> Result<Self, DataError> {
        let shape = transformed(source.shape(), &transforms)?;
        Ok(Self {
            source: Arc::new(source),
            chosen: None,
            transforms: transforms.into(),
            cutmix: CutMix::default(),
            shape,
            names: names.into(),
            skipped: Arc::default(),
        })
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.chosen.as_ref().map_or(self.source.labels().len(), |chosen| chosen.len())
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shape of an image after its transforms: channels, height, width.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.names.len()
    }

    /// What the classes are called.
    pub fn class_names(&self) -> &[String] {
        &self.names
    }

    /// What is done to each image before it is part of a minibatch.
    pub fn transforms(&self) -> &[Transform] {
        &self.transforms
    }

    /// The class of image `index`; none beyond the last.
    pub fn label(&self, index: usize) -> Option<usize> {
        self.source.labels().get(self.place(index)?).copied()
    }

    /// Image `index`, after its transforms; of random ones, the middle of what they could be.
    ///
    /// # Errors
    /// [`DataError::Core`] with [`Error::EmptyBatch`] beyond the last image, [`DataError::Undecodable`],
    /// [`DataError::Transform`], [`DataError::File`].
    pub fn image(&self, index: usize) -> Result<Image, DataError> {
        let (raster, label) = self.raster(index, None)?;
        Ok(Image { pixels: raster.pixels.into_floats(self.source.white()), label })
    }

    /// The first `n` images, or all if there are fewer.
    #[must_use]
    pub fn take(&self, n: usize) -> Self {
        self.subset((0..n.min(self.len())).collect())
    }

    /// The images with these indices, in this order; those beyond the last are left out.
    #[must_use]
    pub fn subset(&self, indices: Vec<usize>) -> Self {
        let chosen = indices.into_iter().filter_map(|index| self.place(index)).collect();
        Self { chosen: Some(chosen), ..self.clone() }
    }

    /// Two sets without an image in common: all but `held_out` images, and `held_out` that are drawn at
    /// random. Both keep the order.
    pub fn split(&self, held_out: usize, seed: u64) -> (Self, Self) {
        let mut drawn = shuffled(self.len(), seed, 0);
        let mut rest = drawn.split_off(held_out.min(self.len()));
        drawn.sort_unstable();
        rest.sort_unstable();
        (self.subset(rest), self.subset(drawn))
    }

    /// The same images with other transforms, which are applied in this order.
    ///
    /// # Errors
    /// [`DataError::Transform`] for one that cannot be applied to images of this shape, or if images would be
    /// of several shapes.
    pub fn with_transforms(&self, transforms: Vec<Transform>) -> Result<Self, DataError> {
        let shape = transformed(self.source.shape(), &transforms)?;
        Ok(Self { transforms: transforms.into(), shape, ..self.clone() })
    }

    /// The same images, of which loaders with a seed [mix](Batch::mixed) this share of the minibatches by CutMix
    /// ("Regularization strategy to train strong classifiers with localizable features", Yun et al., ICCV 2019;
    /// Rebuffi et al., NeurIPS 2021, for adversarial training, where it wants an average of the weights beside it): a
    /// rectangle of each image is that of another, and both classes count by area. 0 for none, the default; 0.5 in the
    /// authors' program.
    ///
    /// # Errors
    /// [`DataError::Transform`] for a share that is not from 0 to 1.
    pub fn with_cutmix(&self, share: f64) -> Result<Self, DataError> {
        Ok(Self { cutmix: CutMix::new(share)?, ..self.clone() })
    }

    /// Images that did not decode and were left out so far, by name.
    pub fn skipped(&self) -> Vec<String> {
        self.skipped_names().iter().cloned().collect()
    }

    /// Whether preparing an image is work enough for threads of its own.
    pub(crate) fn is_costly(&self) -> bool {
        self.source.decodes() || !self.transforms.is_empty()
    }

    /// How many share the images: for the test that threads end.
    #[cfg(test)]
    pub(crate) fn holders(&self) -> usize {
        Arc::strong_count(&self.source)
    }

    fn raster(
        &self,
        index: usize,
        random: Option<(u64, u64)>,
    ) -> Result<(Raster, usize), DataError> {
        let place = self.place(index).ok_or(Error::EmptyBatch)?;
        let random = match self.transforms.is_empty() {
            true => None,
            false => random.map(|(seed, pass)| draws(seed, pass, place, self.transforms.len())),
        };
        let mut raster = self.source.raster(place)?;
        for (at, transform) in self.transforms.iter().enumerate() {
            let own = random.as_ref().map(|draws| &draws[at * DRAWS..(at + 1) * DRAWS]);
            raster = transform.apply(raster, own).map_err(|error| match error {
                // No fault of the transform.
                DataError::Transform { reason: TOO_LARGE, found, .. } => DataError::Undecodable {
                    path: self.source.name(place),
                    reason: format!("{found} pixels: {TOO_LARGE}"),
                },
                error => error,
            })?;
        }
        Ok((raster, self.source.labels()[place]))
    }

    /// Where image `index` is in the source.
    fn place(&self, index: usize) -> Option<usize> {
        match &self.chosen {
            Some(chosen) => chosen.get(index).copied(),
            None => (index < self.source.labels().len()).then_some(index),
        }
    }

    fn skipped_names(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.skipped.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names for classes that have none.
pub(crate) fn numbered(classes: usize) -> Vec<String> {
    (0..classes).map(|class| class.to_string()).collect()
}

/// The one shape that the transforms give all images.
fn transformed(source: SourceShape, transforms: &[Transform]) -> Result<[usize; 3], DataError> {
    let shape = transforms.iter().try_fold(source, |shape, transform| transform.shape(shape))?;
    match shape {
        SourceShape::All(shape) => Ok(shape),
        SourceShape::Channels(_) => Err(DataError::Transform {
            transform: "one size for all".into(),
            found: "images of several sizes".into(),
            reason: "end with a centre crop or a random resized crop",
        }),
    }
}

impl Dataset<Image> for ImageDataset {
    fn get(&self, index: usize) -> Result<Image, DatasetError> {
        self.image(index).map_err(DatasetError::new)
    }

    fn len(&self) -> usize {
        self.len()
    }
}

impl std::fmt::Debug for ImageDataset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImageDataset")
            .field("images", &self.len())
            .field("shape", &self.shape)
            .field("classes", &self.classes())
            .field("transforms", &self.transforms)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
