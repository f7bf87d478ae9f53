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
    let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
    let (bytes, colour): (Vec<u8>, ColorType) = match plane.channels {
        3 => (plane.pixels().flat_map(|pixel| pixel.map(byte)).collect(), ColorType::Rgb),
        _ => (plane.values.iter().map(|value| byte(*value)).collect(), ColorType::Luma),
    };
    let side = |length: usize| u16::try_from(length).map_err(|error| refused(&error));
    let (height, width) = (side(plane.height)?, side(plane.width)?);
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, quality);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.encode(&bytes, width, height, colour).map_err(|error| refused(&error))?;
    let decoded = image::load_from_memory_with_format(&file, ImageFormat::Jpeg);
    let decoded = decoded.map_err(|error| refused(&error))?;
    let level = |byte: &u8| f32::from(*byte) / 255.0;
    Ok(match plane.channels {
        3 => {
            let pixels = decoded.into_rgb8().into_raw();
            let channel = |channel: usize| pixels.iter().skip(channel).step_by(3).map(level);
            (0..3).flat_map(channel).collect()
        }
        _ => decoded.into_luma8().into_raw().iter().map(level).collect(),
    })
}
