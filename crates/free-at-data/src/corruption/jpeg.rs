//! JPEG and back.

use image::ImageFormat;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::plane::Plane;
use crate::error::DataError;

/// At this quality, colours at half the resolution, as Pillow has it.
pub(super) fn jpeg(plane: &Plane, quality: u8) -> Result<Vec<f32>, DataError> {
    let refused = |error: &dyn std::fmt::Display| DataError::Corruption {
        corruption: "jpeg".into(),
        reason: error.to_string(),
    };
    let (bytes, colour) = match plane.channels {
        3 => (coarse_colours(plane), ColorType::Ycbcr),
        _ => (plane.values.iter().map(|value| level(255.0 * value)).collect(), ColorType::Luma),
    };
    let side = |length: usize| u16::try_from(length).map_err(|error| refused(&error));
    let (height, width) = (side(plane.height)?, side(plane.width)?);
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, quality);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.encode(&bytes, width, height, colour).map_err(|error| refused(&error))?;
    let decoded = image::load_from_memory_with_format(&file, ImageFormat::Jpeg);
    let decoded = decoded.map_err(|error| refused(&error))?;
    let share = |byte: &u8| f32::from(*byte) / 255.0;
    Ok(match plane.channels {
        3 => {
            let pixels = decoded.into_rgb8().into_raw();
            let channel = |channel: usize| pixels.iter().skip(channel).step_by(3).map(share);
            (0..3).flat_map(channel).collect()
        }
        _ => decoded.into_luma8().into_raw().iter().map(share).collect(),
    })
}

fn level(value: f32) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

/// Brightness and two colours of each pixel, in which every square of four pixels has the colours of its mean: the encoder keeps
/// one of the four.
fn coarse_colours(plane: &Plane) -> Vec<u8> {
    let (height, width) = (plane.height, plane.width);
    let pixels: Vec<[u8; 3]> = plane.pixels().map(|rgb| to_ycbcr(rgb).map(level)).collect();
    let mean = |y: usize, x: usize, channel: usize| -> u8 {
        let at = |dy: usize, dx: usize| {
            let (y, x) = ((y / 2 * 2 + dy).min(height - 1), (x / 2 * 2 + dx).min(width - 1));
            u16::from(pixels[y * width + x][channel])
        };
        let sum = at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1);
        // A half goes down and up in turns, as libjpeg has it, so that colours do not drift.
        let half = if (x / 2).is_multiple_of(2) { 1 } else { 2 };
        ((sum + half) / 4) as u8
    };
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
    places.flat_map(|(y, x)| [pixels[y * width + x][0], mean(y, x, 1), mean(y, x, 2)]).collect()
}

/// As JFIF defines them, in levels.
fn to_ycbcr(rgb: [f32; 3]) -> [f32; 3] {
    let [red, green, blue] = rgb.map(|value| (255.0 * value).round());
    [
        0.299 * red + 0.587 * green + 0.114 * blue,
        -0.168_736 * red - 0.331_264 * green + 0.5 * blue + 128.0,
        0.5 * red - 0.418_688 * green - 0.081_312 * blue + 128.0,
    ]
}
