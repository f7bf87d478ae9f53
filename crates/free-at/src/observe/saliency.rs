//! Where in an image the gradient is.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{FloatDType, Int, Tensor};
use free_at_core::train::{GradientObserver, Observation, Phase};
use free_at_core::{Error, files, rows};
use image::{GrayImage, ImageFormat, Luma};

use super::error::ObserverError;

/// How large the gradient is in each pixel, averaged over a pass for each class: an observer.
///
/// Each sample's |∇ₓ l| (Simonyan et al., 2014) is divided by its largest entry, so that all samples count
/// alike. After each pass `saliency-<pass>.png` has a tile for each class, from left to right, dark where the
/// loss depends on a pixel (of several channels on the one it depends on most). Those of a robust model show
/// the shape of the class; those of an ordinary one look like noise.
///
/// ```
/// use free_at::observe::SaliencyMaps;
///
/// let maps = SaliencyMaps::new().writing_to("runs/free-8/saliency");
/// ```
#[derive(Debug, Clone, Default)]
pub struct SaliencyMaps {
    shared: Arc<Mutex<Shared>>,
    folder: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct Shared {
    sample_shape: Vec<usize>,
    /// For each device the sums over samples, `[classes, features]`, and their number, `[classes, 1]`.
    sums: BTreeMap<u64, (Tensor<2>, Tensor<2>)>,
}

impl SaliencyMaps {
    /// An observer that has seen nothing yet. Clones see the same.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, which writes a PNG into `folder` after each pass over the data, if there was a step since the
    /// maps were last taken. The folder is made.
    #[must_use]
    pub fn writing_to(self, folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()), ..self }
    }

    /// The maps since the last call: for each class one number for each feature, from 0 to 1, all 0 for a
    /// class without samples. Waits for the device.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn take(&self) -> Result<Vec<Vec<f32>>, Error> {
        let sums = std::mem::take(&mut self.lock().sums);
        let mut classes: Vec<(Vec<f32>, f32)> = Vec::new();
        for (sum, count) in sums.into_values() {
            let features = sum.dims()[1];
            let sum: Vec<f32> = sum.try_into_vec_as().map_err(Error::unreadable)?;
            let count: Vec<f32> = count.try_into_vec_as().map_err(Error::unreadable)?;
            classes.resize(count.len().max(classes.len()), (vec![0.0; features], 0.0));
            let of_device = sum.chunks(features.max(1)).zip(count);
            for ((all, counted), (sum, count)) in classes.iter_mut().zip(of_device) {
                all.iter_mut().zip(sum).for_each(|(all, sum)| *all += sum);
                *counted += count;
            }
        }
        let mean = |(sum, count): (Vec<f32>, f32)| {
            sum.into_iter().map(|sum| sum / count.max(1.0)).collect()
        };
        Ok(classes.into_iter().map(mean).collect())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GradientObserver for SaliencyMaps {
    fn observe(&self, seen: &Observation<'_>) -> Result<(), Error> {
        if seen.phase() == Phase::Ascent {
            return Ok(());
        }
        if self.folder.is_some() && seen.sample_shape().len() != 3 {
            let (observer, found) = ("SaliencyMaps", seen.sample_shape().to_vec());
            return Err(ObserverError::NoImages { observer, found }.into());
        }
        let size = seen.gradient().abs();
        let largest = rows::largest(size.clone());
        let directed = largest.clone().greater_scalar(0.0);
        let size = size / largest.mask_fill(directed.bool_not(), 1.0);
        let classes = seen.logits().dims()[1];
        // Not by `one_hot`, which reads the labels back.
        let numbers = Tensor::<1, Int>::arange(0..classes as i64, &size.device());
        let members = numbers.unsqueeze_dim::<2>(1).equal(seen.labels().unsqueeze_dim(0));
        let members = members.cast(FloatDType::F32);
        let (sum, count) = (members.clone().matmul(size), members.sum_dim(1));
        let mut shared = self.lock();
        shared.sample_shape = seen.sample_shape().to_vec();
        let next = match shared.sums.remove(&seen.worker()) {
            Some((before, counted)) if before.dims() == sum.dims() => {
                (before + sum, counted + count)
            }
            _ => (sum, count), // the first, or of another shape than those before: a new beginning
        };
        shared.sums.insert(seen.worker(), next);
        Ok(())
    }

    fn end_pass(&self, pass: u64) -> Result<(), Error> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let shape = match &*self.lock() {
            nothing if nothing.sums.is_empty() => return Ok(()),
            shared => shared.sample_shape.clone(),
        };
        let [channels, height, width] = shape[..] else { return Ok(()) }; // refused before
        let png = draw(&self.take()?, [channels, height, width]);
        let path = folder.join(format!("saliency-{pass:03}.png"));
        std::fs::create_dir_all(folder).map_err(|error| files::failed(folder, error))?;
        files::write(&path, &png.map_err(|error| files::failed(&path, error))?)
    }
}

/// A tile for each class, each from white to its own darkest pixel.
fn draw(maps: &[Vec<f32>], [channels, height, width]: [usize; 3]) -> image::ImageResult<Vec<u8>> {
    const SIDE: usize = 96; // about so many pixels of the picture for a tile
    const GAP: usize = 4;
    let zoom = (SIDE / height.max(width).max(1)).max(1);
    let tile = width * zoom + GAP;
    let size = [(maps.len() * tile + GAP) as u32, (height * zoom + 2 * GAP) as u32];
    let mut picture = GrayImage::from_pixel(size[0], size[1], Luma([255]));
    for (class, map) in maps.iter().enumerate() {
        let pixel = |at: usize| {
            let channels = (0..channels).map(|channel| map[channel * height * width + at]);
            channels.fold(0.0, f32::max)
        };
        let darkest = (0..height * width).map(pixel).fold(f32::MIN_POSITIVE, f32::max);
        for (y, x) in (0..height * zoom).flat_map(|y| (0..width * zoom).map(move |x| (y, x))) {
            let dark = pixel(y / zoom * width + x / zoom) / darkest;
            let level = Luma([(255.0 * (1.0 - dark)).round() as u8]);
            picture.put_pixel((GAP + class * tile + x) as u32, (GAP + y) as u32, level);
        }
    }
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png)?;
    Ok(png.into_inner())
}
