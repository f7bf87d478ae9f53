//! Common corruptions of images.

mod blur;
mod colour;
mod jpeg;
mod noise;
mod pixelate;
mod plane;

use std::fmt;
use std::str::FromStr;

use free_at_core::Draws;
use serde::{Deserialize, Serialize};

use crate::dataset::ImageDataset;
use crate::error::DataError;
use crate::source::{Memory, Pixels};
use plane::Plane;

/// A corruption that happens to images without an adversary, in five severities: those of CIFAR-10-C that are formulas.
///
/// Hendrycks, Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations", ICLR 2019,
/// [arXiv:1903.12261](https://arxiv.org/abs/1903.12261), with the parameters of the authors' `make_cifar_c.py`, which are made for images
/// of 32×32: as there, the result is stored in eight bits, rounded down. (Not here: the corruptions that need pictures or libraries of
/// their own: frost, snow, fog, spatter, motion and glass blur, elastic transforms.)
///
/// ```
/// use free_at_data::{Corruption, digits};
///
/// let noisy = digits::test().take(10).corrupted(Corruption::GaussianNoise, 3, 0)?;
/// assert_eq!(noisy.len(), 10);
/// assert_ne!(noisy.image(0)?, digits::test().image(0)?);
/// # Ok::<(), free_at_data::DataError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Corruption {
    /// Normal noise in every value.
    GaussianNoise,
    /// Poisson noise, as of few photons.
    ShotNoise,
    /// Some values black, some white.
    ImpulseNoise,
    /// Normal noise in proportion to every value.
    SpeckleNoise,
    /// A Gaussian.
    GaussianBlur,
    /// A disk, as out of focus.
    DefocusBlur,
    /// The mean of the image and of itself drawn nearer and nearer.
    ZoomBlur,
    /// Brighter, in HSV.
    Brightness,
    /// Nearer to the mean of each channel.
    Contrast,
    /// Less saturated colours, then more so, in HSV. For images of three channels.
    Saturate,
    /// Fewer pixels, and back.
    Pixelate,
    /// JPEG at a low quality. For images of one or three channels.
    Jpeg,
}

/// A severity's number.
const SEVERITIES: std::ops::RangeInclusive<u8> = 1..=5;

impl Corruption {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::GaussianNoise,
        Self::ShotNoise,
        Self::ImpulseNoise,
        Self::SpeckleNoise,
        Self::GaussianBlur,
        Self::DefocusBlur,
        Self::ZoomBlur,
        Self::Brightness,
        Self::Contrast,
        Self::Saturate,
        Self::Pixelate,
        Self::Jpeg,
    ];

    /// Whether it is defined for images with so many channels.
    pub fn takes(self, channels: usize) -> bool {
        match self {
            Self::Saturate => channels == 3,
            Self::Jpeg => matches!(channels, 1 | 3),
            _ => true,
        }
    }

    /// One image, corrupted; `draws` are those of this image alone.
    fn of(self, plane: &Plane, severity: u8, draws: &Draws) -> Result<Vec<f32>, DataError> {
        let at = usize::from(severity) - 1;
        Ok(match self {
            Self::GaussianNoise => {
                noise::gaussian(plane, [0.04, 0.06, 0.08, 0.09, 0.10][at], draws)
            }
            Self::ShotNoise => noise::shot(plane, [500.0, 250.0, 100.0, 75.0, 50.0][at], draws),
            Self::ImpulseNoise => noise::impulse(plane, [0.01, 0.02, 0.03, 0.05, 0.07][at], draws),
            Self::SpeckleNoise => noise::speckle(plane, [0.06, 0.1, 0.12, 0.16, 0.2][at], draws),
            Self::GaussianBlur => blur::gaussian(plane, [0.4, 0.6, 0.7, 0.8, 1.0][at]),
            Self::DefocusBlur => {
                let of = [(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1)][at];
                blur::defocus(plane, of)
            }
            // As many as NumPy makes of arange(1, 1.06, 0.01), of 1.11, 1.16, 1.21 and 1.26.
            Self::ZoomBlur => blur::zoom(plane, [7, 12, 16, 21, 26][at]),
            Self::Brightness => colour::brightness(plane, [0.05, 0.1, 0.15, 0.2, 0.3][at]),
            Self::Contrast => colour::contrast(plane, [0.75, 0.5, 0.4, 0.3, 0.15][at]),
            Self::Saturate => {
                let of = [(0.3, 0.0), (0.1, 0.0), (1.5, 0.0), (2.0, 0.1), (2.5, 0.2)][at];
                colour::saturate(plane, of)
            }
            Self::Pixelate => pixelate::pixelate(plane, [0.95, 0.9, 0.85, 0.75, 0.65][at]),
            Self::Jpeg => jpeg::jpeg(plane, [80, 65, 58, 50, 40][at])?,
        })
    }
}

impl ImageDataset {
    /// The images, after their transforms, corrupted: in memory, in eight bits. `severity` is from 1 to 5; what is random is keyed by
    /// the seed and the image's position.
    ///
    /// # Errors
    /// [`DataError::Corruption`] for another severity, or images that the corruption is not defined for; those of
    /// [`image`](Self::image).
    pub fn corrupted(
        &self,
        corruption: Corruption,
        severity: u8,
        seed: u64,
    ) -> Result<Self, DataError> {
        const WHITE: u8 = 255;
        let [channels, height, width] = self.shape();
        let refused =
            |reason: String| DataError::Corruption { corruption: corruption.to_string(), reason };
        if !SEVERITIES.contains(&severity) {
            return Err(refused(format!("severities are 1 to 5, found {severity}")));
        }
        if !corruption.takes(channels) {
            return Err(refused(format!("it is not defined for images of {channels} channels")));
        }
        let stream = u64::from(severity); // other numbers for each
        let mut bytes = Vec::with_capacity(self.len() * channels * height * width);
        let mut labels = Vec::with_capacity(self.len());
        for index in 0..self.len() {
            let image = self.image(index)?;
            let draws = Draws::new(seed, vec![index as u64]).for_attack(stream);
            let plane = Plane { values: &image.pixels, channels, height, width };
            let corrupted = corruption.of(&plane, severity, &draws)?;
            bytes.extend(corrupted.iter().map(|value| level(*value)));
            labels.push(image.label);
        }
        let memory =
            Memory { pixels: Pixels::Bytes(bytes), labels, shape: self.shape(), white: WHITE };
        Ok(Self::in_memory(memory, self.class_names().to_vec()))
    }
}

/// Rounded down, but for what is a whole level but for rounding: n / 255 · 255 is not always n.
fn level(value: f32) -> u8 {
    const ROUNDING: f32 = 1e-4;
    (value.clamp(0.0, 1.0) * 255.0 + ROUNDING) as u8
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GaussianNoise => "gaussian-noise",
            Self::ShotNoise => "shot-noise",
            Self::ImpulseNoise => "impulse-noise",
            Self::SpeckleNoise => "speckle-noise",
            Self::GaussianBlur => "gaussian-blur",
            Self::DefocusBlur => "defocus-blur",
            Self::ZoomBlur => "zoom-blur",
            Self::Brightness => "brightness",
            Self::Contrast => "contrast",
            Self::Saturate => "saturate",
            Self::Pixelate => "pixelate",
            Self::Jpeg => "jpeg",
        })
    }
}

impl FromStr for Corruption {
    type Err = DataError;

    /// As it is printed: `gaussian-noise`.
    fn from_str(text: &str) -> Result<Self, DataError> {
        Self::ALL.into_iter().find(|one| one.to_string() == text).ok_or_else(|| {
            let known = Self::ALL.map(|one| one.to_string()).join(", ");
            DataError::Corruption { corruption: text.into(), reason: format!("there are {known}") }
        })
    }
}
