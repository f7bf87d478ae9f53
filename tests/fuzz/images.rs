//! Folders of images: one image of each format, damaged, beside one that is whole.

use std::io::Cursor;
use std::path::Path;

use free_at::data::ImageFolder;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

use crate::inside::of_png;
use crate::limits::{Limit, MIB, PATIENCE};
use crate::target::{Files, Target, fuzz};

/// What the crate `image` allows a decoder.
const LIMIT: Limit = Limit { floor: 512 * MIB, of_each: 1 };

const FORMATS: [(&str, ImageFormat); 6] = [
    ("png", ImageFormat::Png),
    ("jpg", ImageFormat::Jpeg),
    ("bmp", ImageFormat::Bmp),
    ("webp", ImageFormat::WebP),
    ("gif", ImageFormat::Gif),
    ("tiff", ImageFormat::Tiff),
];

/// A small picture with some structure.
fn picture() -> DynamicImage {
    let pixel = |x: u32, y: u32| Rgb([(20 * x) as u8, (25 * y) as u8, (7 * x * y) as u8]);
    DynamicImage::ImageRgb8(RgbImage::from_fn(12, 9, pixel))
}

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Two classes; the first image is the one that is damaged.
fn folder(ending: &str, damaged: Vec<u8>) -> Files {
    let whole = encoded(&picture(), ImageFormat::Png);
    vec![(format!("cat/damaged.{ending}"), damaged), ("dog/whole.png".into(), whole)]
}

fn read(folder: &Path) -> Result<(), String> {
    for of in [ImageFolder::new(folder), ImageFolder::new(folder).with_size(7).grey()] {
        let set = of.all().map_err(|error| error.to_string())?;
        for at in 0..set.len() {
            set.image(at).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

#[test]
fn images() {
    fuzz(|| {
        let colour = FORMATS.map(|(ending, format)| folder(ending, encoded(&picture(), format)));
        let deep = DynamicImage::ImageLuma16(picture().to_luma16());
        let clear = DynamicImage::ImageRgba8(picture().to_rgba8());
        let others = [(deep, ImageFormat::Png), (clear, ImageFormat::WebP)];
        let others = others.map(|(picture, format)| folder("png", encoded(&picture, format)));
        Target {
            name: "images",
            inputs: 200,
            limit: LIMIT,
            patience: PATIENCE,
            seeds: colour.into_iter().chain(others).collect(),
            inside: of_png,
            read,
        }
    });
}
