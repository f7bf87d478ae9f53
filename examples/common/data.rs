//! Images of one's own, from a safetensors file.

use std::path::Path;

use free_at::data::Image;
use free_at::prelude::*;
use safetensors::{Dtype, SafeTensors};

/// Images `images` `[n, c, h, w]` with their classes `labels` `[n]`.
///
/// # Errors
/// What is wrong with the file, with its name.
pub fn load(path: &Path) -> Result<ImageDataset, Box<dyn std::error::Error>> {
    let wrong = |what: String| format!("{}: {what}", path.display());
    let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| wrong(error.to_string()))?;
    let tensor =
        |name: &str| tensors.tensor(name).map_err(|_| wrong(format!("it has no tensor `{name}`")));
    let (images, labels) = (tensor("images")?, tensor("labels")?);
    let &[n, channels, height, width] = images.shape() else {
        return Err(
            wrong(format!("`images` must be [n, c, h, w], found {:?}", images.shape())).into()
        );
    };
    let pixels: Vec<f32> = match images.dtype() {
        Dtype::F32 => images.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::U8 => images.data().iter().map(|level| f32::from(*level) / 255.0).collect(),
        other => return Err(wrong(format!("`images` must be f32 or u8, found {other:?}")).into()),
    };
    let classes: Vec<i64> = match labels.dtype() {
        Dtype::I64 => labels.data().as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect(),
        Dtype::U8 => labels.data().iter().map(|label| i64::from(*label)).collect(),
        other => return Err(wrong(format!("`labels` must be i64 or u8, found {other:?}")).into()),
    };
    if classes.len() != n {
        return Err(wrong(format!("{n} images but {} labels", classes.len())).into());
    }
    let label = |class: &i64| {
        usize::try_from(*class)
            .map_err(|_| wrong(format!("a label must be 0 or more, found {class}")))
    };
    let classes = classes.iter().map(label).collect::<Result<Vec<_>, _>>()?;
    let count = classes.iter().max().map_or(0, |largest| largest + 1);
    let features = (channels * height * width).max(1);
    let images = pixels.chunks(features).zip(classes);
    let images = images.map(|(pixels, label)| Image { pixels: pixels.to_vec(), label }).collect();
    Ok(ImageDataset::new(images, [channels, height, width], count)?)
}
