//! Folders of images, a folder for each class, decoded as they are needed.

mod classes;
mod complete;
mod decode;
mod entries;
mod kind;
mod links;

use std::path::{Path, PathBuf};

use image::DynamicImage;

use self::classes::{Empty, classes};
use self::decode::decode;
use crate::source::{Pixels, Raster, Source, SourceShape};
use crate::{DataError, ImageDataset, Transform};

/// Images in `train/CLASS/…` and `val/CLASS/…` of a folder, ImageNet's layout, or of any folder with a
/// folder for each class.
///
/// - **Files.** Those whose names end in png, jpg (jpeg, jfif …), bmp, gif, webp or tif are images, of whatever
///   of these formats they are in truth; of animations and of files with several images the first. Pictures of
///   other formats (heic, avif, svg, ppm, raw data …) are counted and do not decode; all other files are passed
///   over. A class whose files hold no image that is read is an error, and so is one without a file, but for
///   `val`: the numbers of the classes after it would change. Folders inside a class's are looked into. What
///   begins with a dot is hidden.
/// - **Names.** One name, written in composed or decomposed Unicode (NFC, NFD), is one class; class names are
///   composed.
/// - **Links** are followed, each folder once. One to another class's images, or to a folder above the classes,
///   is an error, and so is one that leads nowhere.
/// - **Pixels.** Every image becomes one of the same number of channels: grey is repeated, transparency dropped,
///   16 bits become 8. Images are as they are stored, as torchvision has them, or [upright](Self::upright).
/// - **Damage.** An image that does not decode, or whose file is cut short, is left out, with a warning, and more
///   than 1 % of such are an error: see [`ImageDataset::skipped`]. A file that cannot be read is an error.
///
/// ```no_run
/// use free_at_data::ImageFolder;
///
/// let folder = ImageFolder::new("imagenet").with_size(224);
/// let (train, val) = (folder.train()?, folder.val()?);
/// assert_eq!(train.classes(), val.classes());
/// # Ok::<(), free_at_data::DataError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ImageFolder {
    path: PathBuf,
    size: usize,
    channels: usize,
    upright: bool,
}

impl ImageFolder {
    /// Colour images of 224×224.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), size: 224, channels: 3, upright: false }
    }

    /// The side of an image, in pixels; at least 1. Default: 224.
    #[must_use]
    pub fn with_size(mut self, size: usize) -> Self {
        self.size = size;
        self
    }

    /// Grey images, of one channel: the luma of Rec. 709 (PIL's is that of Rec. 601). Default: colour, of
    /// three.
    #[must_use]
    pub fn grey(mut self) -> Self {
        self.channels = 1;
        self
    }

    /// Images turned and mirrored as their EXIF orientation says: as cameras and viewers show them. Default: as
    /// they are stored, whatever that says; so do torchvision's folders.
    #[must_use]
    pub fn upright(mut self) -> Self {
        self.upright = true;
        self
    }

    /// The training images in `train`, each a [random resized crop](Transform::RandomResizedCrop), flipped
    /// half of the time.
    ///
    /// # Errors
    /// [`DataError::NoFolder`], [`DataError::Classes`] for fewer than two classes; [`DataError::EmptyClass`] and
    /// [`DataError::NoImage`] for one without images; [`DataError::ClassesOverlap`], [`DataError::BrokenLink`],
    /// [`DataError::LinkAbove`] and [`DataError::LinkToClass`] for links; [`DataError::File`].
    pub fn train(&self) -> Result<ImageDataset, DataError> {
        let classes = classes(&self.path.join("train"), Empty::Refused)?;
        let size = self.size;
        self.of(classes, vec![Transform::RandomResizedCrop { size }, Transform::Flip])
    }

    /// The validation images in `val` (or `test`), resized and cropped to the middle: 256 and 224 pixels, or
    /// another size and as much more.
    ///
    /// # Errors
    /// Those of [`train`](Self::train), and [`DataError::UnknownClass`] for a class that is not in `train`; but
    /// a class may be empty.
    pub fn val(&self) -> Result<ImageDataset, DataError> {
        let known = class_names(&self.path.join("train"))?;
        let part = ["val", "test"].map(|name| self.path.join(name));
        let path = part.iter().find(|path| path.is_dir()).unwrap_or(&part[0]);
        let mut classes = classes(path, Empty::PassedOver)?;
        if let Some((class, _)) = classes.iter().find(|(class, _)| !known.contains(class)) {
            let (path, class) = (path.display().to_string(), class.clone());
            return Err(DataError::UnknownClass { path, class });
        }
        // A class without validation images keeps its number.
        for name in known {
            if !classes.iter().any(|(class, _)| *class == name) {
                classes.push((name, Vec::new()));
            }
        }
        classes.sort();
        self.of(classes, self.middle())
    }

    /// All images of a folder that has the classes' folders itself, resized and cropped to the middle. For
    /// one that is to be [split](ImageDataset::split).
    ///
    /// # Errors
    /// Those of [`train`](Self::train).
    pub fn all(&self) -> Result<ImageDataset, DataError> {
        self.of(classes(&self.path, Empty::Refused)?, self.middle())
    }

    /// Torchvision's transforms for validation.
    fn middle(&self) -> Vec<Transform> {
        let size = self.size;
        vec![Transform::Resize { shorter: size * 256 / 224 }, Transform::CentreCrop { size }]
    }

    fn of(
        &self,
        classes: Vec<(String, Vec<PathBuf>)>,
        transforms: Vec<Transform>,
    ) -> Result<ImageDataset, DataError> {
        let (mut names, mut files, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        for (label, (name, of_class)) in classes.into_iter().enumerate() {
            labels.extend(vec![label; of_class.len()]);
            files.extend(of_class);
            names.push(name);
        }
        let (channels, upright) = (self.channels, self.upright);
        ImageDataset::of(Files { files, labels, channels, upright }, names, transforms)
    }
}

struct Files {
    files: Vec<PathBuf>,
    labels: Vec<usize>,
    channels: usize,
    upright: bool,
}

impl Source for Files {
    fn labels(&self) -> &[usize] {
        &self.labels
    }

    fn shape(&self) -> SourceShape {
        SourceShape::Channels(self.channels)
    }

    fn raster(&self, index: usize) -> Result<Raster, DataError> {
        Ok(planes(decode(&self.files[index], self.upright)?, self.channels))
    }

    fn name(&self, index: usize) -> String {
        self.files[index].display().to_string()
    }

    fn decodes(&self) -> bool {
        true
    }
}

/// One plane for each channel, as Burn's convolutions want them.
fn planes(image: DynamicImage, channels: usize) -> Raster {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let pixels = match channels {
        1 => image.into_luma8().into_raw(),
        _ => {
            let interleaved = image.into_rgb8().into_raw();
            let mut planes = Vec::with_capacity(interleaved.len());
            for channel in 0..channels {
                planes.extend(interleaved.iter().skip(channel).step_by(channels));
            }
            planes
        }
    };
    Raster { pixels: Pixels::Bytes(pixels), shape: [channels, height, width] }
}

/// The classes' names, in order.
fn class_names(path: &Path) -> Result<Vec<String>, DataError> {
    Ok(classes(path, Empty::Refused)?.into_iter().map(|(name, _)| name).collect())
}

#[cfg(test)]
mod tests;
