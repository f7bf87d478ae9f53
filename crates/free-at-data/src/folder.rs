//! Folders of images, a folder for each class, decoded as they are needed.

use std::fs;
use std::path::{Path, PathBuf};

use image::DynamicImage;

use crate::source::{Pixels, Raster, Source, SourceShape};
use crate::{DataError, ImageDataset, Transform};

/// Images in `train/CLASS/…` and `val/CLASS/…` of a folder, ImageNet's layout, or of any folder with a
/// folder for each class.
///
/// Files whose names end in png, jpg, jpeg, bmp or webp are images; folders inside a class's are looked
/// into. Names that begin with a dot are not. Every image becomes one of the same number of channels:
/// grey is repeated, transparency dropped, 16 bits become 8. An image that does not decode is left out, with
/// a warning, and more than 1 % of such are an error: see [`ImageDataset::skipped`]. A file that cannot be
/// read is an error.
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
}

impl ImageFolder {
    /// Colour images of 224×224.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), size: 224, channels: 3 }
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

    /// The training images in `train`, each a [random resized crop](Transform::RandomResizedCrop), flipped
    /// half of the time.
    ///
    /// # Errors
    /// [`DataError::NoFolder`], [`DataError::Classes`] for fewer than two classes, [`DataError::File`].
    pub fn train(&self) -> Result<ImageDataset, DataError> {
        let classes = classes(&self.path.join("train"))?;
        let size = self.size;
        self.of(classes, vec![Transform::RandomResizedCrop { size }, Transform::Flip])
    }

    /// The validation images in `val` (or `test`), resized and cropped to the middle: 256 and 224 pixels, or
    /// another size and as much more.
    ///
    /// # Errors
    /// Those of [`train`](Self::train), and [`DataError::UnknownClass`] for a class that is not in `train`.
    pub fn val(&self) -> Result<ImageDataset, DataError> {
        let known = class_names(&self.path.join("train"))?;
        let part = ["val", "test"].map(|name| self.path.join(name));
        let path = part.iter().find(|path| path.is_dir()).unwrap_or(&part[0]);
        let mut classes = classes(path)?;
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
        self.of(classes(&self.path)?, self.middle())
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
        ImageDataset::of(Files { files, labels, channels: self.channels }, names, transforms)
    }
}

struct Files {
    files: Vec<PathBuf>,
    labels: Vec<usize>,
    channels: usize,
}

impl Source for Files {
    fn labels(&self) -> &[usize] {
        &self.labels
    }

    fn shape(&self) -> SourceShape {
        SourceShape::Channels(self.channels)
    }

    fn raster(&self, index: usize) -> Result<Raster, DataError> {
        let path = &self.files[index];
        let undecodable =
            |reason: String| DataError::Undecodable { path: path.display().to_string(), reason };
        // A disk that fails is no fault of the image.
        let bytes = fs::read(path).map_err(|error| DataError::file(path, error))?;
        let image =
            image::load_from_memory(&bytes).map_err(|error| undecodable(error.to_string()))?;
        Ok(planes(image, self.channels))
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
            (0..channels)
                .flat_map(|channel| interleaved.iter().skip(channel).step_by(channels).copied())
                .collect()
        }
    };
    Raster { pixels: Pixels::Bytes(pixels), shape: [channels, height, width] }
}

/// The classes' names, in order.
fn class_names(path: &Path) -> Result<Vec<String>, DataError> {
    Ok(classes(path)?.into_iter().map(|(name, _)| name).collect())
}

/// The classes with their images, both in order.
fn classes(path: &Path) -> Result<Vec<(String, Vec<PathBuf>)>, DataError> {
    if !path.is_dir() {
        return Err(DataError::NoFolder { path: path.display().to_string() });
    }
    let mut classes = Vec::new();
    for entry in entries(path)? {
        if entry.is_dir() {
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mut files = Vec::new();
            images(&entry, &mut files)?;
            if !files.is_empty() {
                classes.push((name, files));
            }
        }
    }
    match classes.len() {
        found @ (0 | 1) => Err(DataError::Classes { path: path.display().to_string(), found }),
        _ => Ok(classes),
    }
}

/// The images in a folder and those inside it.
fn images(path: &Path, found: &mut Vec<PathBuf>) -> Result<(), DataError> {
    const ENDINGS: [&str; 5] = ["png", "jpg", "jpeg", "bmp", "webp"];
    for entry in entries(path)? {
        let ending = entry.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if entry.is_dir() {
            images(&entry, found)?;
        } else if ENDINGS.contains(&ending.as_str()) {
            found.push(entry);
        }
    }
    Ok(())
}

/// What is in a folder, by name; without what is hidden, such as the previews that desktops write.
fn entries(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    let entries = fs::read_dir(path).map_err(|error| DataError::file(path, error))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| DataError::file(path, error))?;
    let hidden =
        |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    paths.retain(|path| !hidden(path));
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests;
