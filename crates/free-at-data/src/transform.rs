//! What is done to an image before it is part of a minibatch.

use std::fmt;

use free_at_core::Draws;
use image::imageops::{self, FilterType};
use image::{GrayImage, ImageBuffer, Luma};
use serde::{Deserialize, Serialize};

use crate::DataError;
use crate::source::{Pixels, Raster, SourceShape};

/// A step from a stored image to one that a network is trained or tested on.
///
/// Random ones draw from a generator keyed by (seed, pass over the data, the image's index), so what
/// happens to an image depends neither on the number of worker threads nor on the batch it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// Pads with black on all sides, then crops the old size at random.
    PadCrop {
        /// Pixels on each side.
        pad: usize,
    },
    /// Mirrors left and right, with probability 1/2.
    Flip,
    /// A rectangle of 8 to 100% of the area and an aspect of 3/4 to 4/3 at random, resized (bilinear,
    /// antialiased): torchvision's `RandomResizedCrop`.
    RandomResizedCrop {
        /// The side of the result, in pixels.
        size: usize,
    },
    /// Resizes to this length of the shorter side (bilinear, antialiased).
    Resize {
        /// Pixels.
        shorter: usize,
    },
    /// The middle.
    CentreCrop {
        /// The side of the result, in pixels.
        size: usize,
    },
}

impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PadCrop { pad } => write!(f, "pad {pad} and crop"),
            Self::Flip => write!(f, "flip"),
            Self::RandomResizedCrop { size } => write!(f, "random resized crop {size}"),
            Self::Resize { shorter } => write!(f, "resize {shorter}"),
            Self::CentreCrop { size } => write!(f, "centre crop {size}"),
        }
    }
}

/// Uniform numbers in [0, 1) for one transform of one image.
pub(crate) const DRAWS: usize = 44;

/// The draws of one image in one pass, `DRAWS` for each transform.
pub(crate) fn draws(seed: u64, pass: u64, index: usize, transforms: usize) -> Vec<f32> {
    let draws = Draws::new(seed, vec![index as u64]).for_attack(pass);
    draws.units(DRAWS * transforms).swap_remove(0)
}

impl Transform {
    /// The shape of what it makes of images of this shape.
    pub(crate) fn shape(self, of: SourceShape) -> Result<SourceShape, DataError> {
        let refused = |found: String, reason| {
            Err(DataError::Transform { transform: self.to_string(), found, reason })
        };
        let size = match self {
            Self::PadCrop { pad: size }
            | Self::RandomResizedCrop { size }
            | Self::Resize { shorter: size }
            | Self::CentreCrop { size } => size,
            Self::Flip => 1,
        };
        if size == 0 {
            return refused("any image".into(), "its size must be at least 1");
        }
        match (self, of) {
            (Self::RandomResizedCrop { size }, SourceShape::All([channels, ..]))
            | (Self::RandomResizedCrop { size }, SourceShape::Channels(channels)) => {
                Ok(SourceShape::All([channels, size, size]))
            }
            (Self::CentreCrop { size }, SourceShape::All([channels, height, width])) => {
                match size <= height && size <= width {
                    true => Ok(SourceShape::All([channels, size, size])),
                    false => refused(format!("{height}×{width}"), "the image is smaller"),
                }
            }
            // After a resize every image is large enough, or `apply` says that one is not.
            (Self::CentreCrop { size }, SourceShape::Channels(channels)) => {
                Ok(SourceShape::All([channels, size, size]))
            }
            (Self::Resize { shorter }, SourceShape::All([channels, height, width])) => {
                let (height, width) = resized(shorter, height, width);
                Ok(SourceShape::All([channels, height, width]))
            }
            (_, of) => Ok(of),
        }
    }

    /// The image after it; `draws` are its random numbers, none for the middle of what they could be.
    pub(crate) fn apply(self, image: Raster, draws: Option<&[f32]>) -> Result<Raster, DataError> {
        let [_, height, width] = image.shape;
        let draw = |at: usize| draws.map_or(0.5, |draws| draws[at]);
        match self {
            Self::Flip if draws.is_some() && draw(0) < 0.5 => {
                Ok(image.map([height, width], |y, x| Some((y, width - 1 - x))))
            }
            Self::Flip => Ok(image),
            Self::PadCrop { .. } if draws.is_none() => Ok(image),
            Self::PadCrop { pad } => {
                let offset = |draw: f32| (draw * (2 * pad + 1) as f32) as usize;
                let (down, right) = (offset(draw(0)), offset(draw(1)));
                Ok(image.map([height, width], |y, x| {
                    let inside =
                        |at: usize, length: usize| at.checked_sub(pad).filter(|at| *at < length);
                    Some((inside(y + down, height)?, inside(x + right, width)?))
                }))
            }
            Self::CentreCrop { size } => {
                if size > height || size > width {
                    return Err(DataError::Transform {
                        transform: self.to_string(),
                        found: format!("{height}×{width}"),
                        reason: "the image is smaller: resize it first",
                    });
                }
                let (top, left) = ((height - size) / 2, (width - size) / 2);
                Ok(image.map([size, size], |y, x| Some((y + top, x + left))))
            }
            Self::Resize { shorter } => {
                let (to_height, to_width) = resized(shorter, height, width);
                self.resize(image, [0, 0, height, width], [to_height, to_width])
            }
            Self::RandomResizedCrop { size } => {
                self.resize(image, rectangle(height, width, draws), [size, size])
            }
        }
    }

    /// The rectangle (top, left, height, width) of the image, resized.
    fn resize(
        self,
        image: Raster,
        [top, left, height, width]: [usize; 4],
        [to_height, to_width]: [usize; 2],
    ) -> Result<Raster, DataError> {
        let [channels, from_height, from_width] = image.shape;
        let refused = |reason| DataError::Transform {
            transform: self.to_string(),
            found: format!("{from_height}×{from_width}"),
            reason,
        };
        let Pixels::Bytes(bytes) = image.pixels else {
            return Err(refused("images of floats are not resized, only images of bytes"));
        };
        if height == 0 || width == 0 {
            return Err(refused("the image is empty"));
        }
        if to_height.saturating_mul(to_width) > MOST_PIXELS {
            return Err(refused(TOO_LARGE));
        }
        let mut pixels = Vec::with_capacity(channels * to_height * to_width);
        for plane in bytes.chunks(from_height * from_width) {
            let plane: ImageBuffer<Luma<u8>, &[u8]> =
                ImageBuffer::from_raw(from_width as u32, from_height as u32, plane)
                    .ok_or_else(|| refused("it has fewer pixels than its size says"))?;
            let part =
                imageops::crop_imm(&plane, left as u32, top as u32, width as u32, height as u32);
            let resized: GrayImage =
                imageops::resize(&*part, to_width as u32, to_height as u32, FilterType::Triangle);
            pixels.extend(resized.into_raw());
        }
        Ok(Raster { pixels: Pixels::Bytes(pixels), shape: [channels, to_height, to_width] })
    }
}

/// Why an image is refused that is many times as long as broad.
pub(crate) const TOO_LARGE: &str =
    "it would become far too large, since it is many times as long as broad";

/// Of a resized image: 8,192 × 8,192.
const MOST_PIXELS: usize = 1 << 26;

/// Height and width with this shorter side.
fn resized(shorter: usize, height: usize, width: usize) -> (usize, usize) {
    let longer = |long: usize, short: usize| shorter.saturating_mul(long) / short.max(1);
    match height <= width {
        true => (shorter, longer(width, height)),
        false => (longer(height, width), shorter),
    }
}

/// Top, left, height and width of torchvision's random rectangle.
fn rectangle(height: usize, width: usize, draws: Option<&[f32]>) -> [usize; 4] {
    const TRIES: usize = 10;
    const AREA: (f64, f64) = (0.08, 1.0);
    const ASPECT: (f64, f64) = (3.0 / 4.0, 4.0 / 3.0);
    let between = |(low, high): (f64, f64), draw: f32| low + (high - low) * f64::from(draw);
    for draws in draws.into_iter().flat_map(|draws| draws.chunks_exact(4)).take(TRIES) {
        let area = (height * width) as f64 * between(AREA, draws[0]);
        let aspect = between((ASPECT.0.ln(), ASPECT.1.ln()), draws[1]).exp();
        let wide = (area * aspect).sqrt().round() as usize;
        let high = (area / aspect).sqrt().round() as usize;
        if (1..=width).contains(&wide) && (1..=height).contains(&high) {
            let offset = |draw: f32, room: usize| (draw * (room + 1) as f32) as usize;
            let (top, left) = (offset(draws[2], height - high), offset(draws[3], width - wide));
            return [top.min(height - high), left.min(width - wide), high, wide];
        }
    }
    // The middle, as large as the aspect allows.
    let aspect = width as f64 / height.max(1) as f64;
    let (high, wide) = match aspect {
        aspect if aspect < ASPECT.0 => ((width as f64 / ASPECT.0).round() as usize, width),
        aspect if aspect > ASPECT.1 => (height, (height as f64 * ASPECT.1).round() as usize),
        _ => (height, width),
    };
    [
        (height - high.min(height)) / 2,
        (width - wide.min(width)) / 2,
        high.min(height),
        wide.min(width),
    ]
}

impl Raster {
    /// The image whose pixel (y, x) is another one of this, or black.
    fn map(
        &self,
        [height, width]: [usize; 2],
        from: impl Fn(usize, usize) -> Option<(usize, usize)>,
    ) -> Self {
        fn pick<T: Copy + Default>(
            values: &[T],
            of: [usize; 3],
            [height, width]: [usize; 2],
            from: impl Fn(usize, usize) -> Option<(usize, usize)>,
        ) -> Vec<T> {
            let mut picked = Vec::with_capacity(of[0] * height * width);
            for plane in values.chunks(of[1] * of[2]) {
                for y in 0..height {
                    picked.extend(
                        (0..width).map(|x| {
                            from(y, x).map_or(T::default(), |(y, x)| plane[y * of[2] + x])
                        }),
                    );
                }
            }
            picked
        }
        let to = [height, width];
        let pixels = match &self.pixels {
            Pixels::Bytes(bytes) => Pixels::Bytes(pick(bytes, self.shape, to, from)),
            Pixels::Floats(floats) => Pixels::Floats(pick(floats, self.shape, to, from)),
        };
        Self { pixels, shape: [self.shape[0], height, width] }
    }
}

#[cfg(test)]
mod tests;
