//! From the bytes of a file to an image.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::error::{LimitError, LimitErrorKind};
use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, ImageResult, Limits,
};

use super::complete::is_complete;
use super::kind::Kind;
use crate::DataError;

/// In three channels and their planes, 400 MiB: no more than the decoder may take.
const MOST_PIXELS: u64 = 1 << 26;

/// The image in a file, of animations and of files with several the first; turned as its EXIF orientation
/// says, if it is to be `upright`.
pub(super) fn decode(path: &Path, upright: bool) -> Result<DynamicImage, DataError> {
    let undecodable =
        |reason: String| DataError::Undecodable { path: path.display().to_string(), reason };
    if let Kind::Foreign(format) = Kind::of(path) {
        return Err(undecodable(not_read(format)));
    }
    // A disk that fails is no fault of the image.
    let bytes = fs::read(path).map_err(|error| DataError::file(path, error))?;
    image_in(&bytes, upright).map_err(undecodable)
}

/// The image, or why it is none.
fn image_in(bytes: &[u8], upright: bool) -> Result<DynamicImage, String> {
    let format = format(bytes)?;
    if !is_complete(format, bytes) {
        return Err("it is cut short or damaged: copy it again".into());
    }
    let image = pixels(format, bytes, upright).map_err(|error| error.to_string())?;
    match image.width().min(image.height()) {
        0 => Err("it has no pixel".into()),
        _ => Ok(image),
    }
}

fn not_read(format: &str) -> String {
    format!("its format, {format}, is not read: convert it to PNG or JPEG")
}

/// The format by the first bytes: names lie.
fn format(bytes: &[u8]) -> Result<ImageFormat, String> {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    if bytes.is_empty() {
        return Err("it is empty: copy it again".into());
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return Err(not_read("HEIF or AVIF"));
    }
    if bytes.starts_with(b"II+\0") || bytes.starts_with(b"MM\0+") {
        return Ok(Tiff); // BigTIFF, which `guess_format` does not know
    }
    match image::guess_format(bytes) {
        Ok(format @ (Bmp | Gif | Jpeg | Png | Tiff | WebP)) => Ok(format),
        Ok(other) => Err(not_read(&format!("{other:?}"))),
        Err(_) => Err("it does not begin as an image of any format that is read".into()),
    }
}

fn pixels(format: ImageFormat, bytes: &[u8], upright: bool) -> ImageResult<DynamicImage> {
    let mut decoder = ImageReader::with_format(Cursor::new(bytes), format).into_decoder()?;
    // The decoder holds itself to these limits, but for the image that it gives.
    let mut limits = Limits::default();
    limits.reserve(decoder.total_bytes())?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(ImageError::Limits(LimitError::from_kind(LimitErrorKind::DimensionError)));
    }
    match upright {
        false => DynamicImage::from_decoder(decoder),
        true => {
            let orientation = decoder.orientation()?;
            let mut image = DynamicImage::from_decoder(decoder)?;
            image.apply_orientation(orientation);
            Ok(image)
        }
    }
}

#[cfg(test)]
mod tests;
