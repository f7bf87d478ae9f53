//! Where a data set's images come from.

use std::ops::Range;

use crate::DataError;

/// Values of one or several images, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Pixels {
    /// Each `byte / white` of the source.
    Bytes(Vec<u8>),
    /// In [0, 1].
    Floats(Vec<f32>),
}

impl Pixels {
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        match self {
            Self::Bytes(bytes) => Self::Bytes(bytes[range].to_vec()),
            Self::Floats(floats) => Self::Floats(floats[range].to_vec()),
        }
    }

    pub(crate) fn into_floats(self, white: u8) -> Vec<f32> {
        match self {
            Self::Bytes(bytes) => {
                bytes.into_iter().map(|byte| f32::from(byte) / f32::from(white)).collect()
            }
            Self::Floats(floats) => floats,
        }
    }
}

/// One image: channels, height, width.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Raster {
    pub(crate) pixels: Pixels,
    pub(crate) shape: [usize; 3],
}

/// Labelled images, in memory or not. Labels are below the number of classes.
pub(crate) trait Source: Send + Sync {
    fn labels(&self) -> &[usize];

    /// The value of white where pixels are bytes.
    fn white(&self) -> u8 {
        255
    }

    /// The shape of every image, or of one where they differ: then only transforms that make
    /// one size of them will do.
    fn shape(&self) -> SourceShape;

    fn raster(&self, index: usize) -> Result<Raster, DataError>;

    /// What an image is called.
    fn name(&self, index: usize) -> String {
        format!("image {index}")
    }

    /// Whether an image costs decoding.
    fn decodes(&self) -> bool {
        false
    }
}

/// The shapes of a source's images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourceShape {
    /// Channels, height, width of all.
    All([usize; 3]),
    /// Channels; heights and widths differ.
    Channels(usize),
}

/// Images of one shape in memory.
pub(crate) struct Memory {
    pub(crate) pixels: Pixels,
    pub(crate) labels: Vec<usize>,
    pub(crate) shape: [usize; 3],
    pub(crate) white: u8,
}

impl Source for Memory {
    fn labels(&self) -> &[usize] {
        &self.labels
    }

    fn white(&self) -> u8 {
        self.white
    }

    fn shape(&self) -> SourceShape {
        SourceShape::All(self.shape)
    }

    fn raster(&self, index: usize) -> Result<Raster, DataError> {
        let size: usize = self.shape.iter().product();
        let pixels = self.pixels.slice(index * size..(index + 1) * size);
        Ok(Raster { pixels, shape: self.shape })
    }
}
