//! Images and short texts side by side, as a PNG.

use std::io::Cursor;

use font8x8::{BASIC_FONTS, UnicodeFonts};
use image::{ImageFormat, Rgb, RgbImage};

/// The colour of a text.
pub const INK: Rgb<u8> = Rgb([40, 40, 40]);
/// Of a right answer. (Okabe and Ito's, for colour-blind readers.)
pub const RIGHT: Rgb<u8> = Rgb([0, 114, 178]);
/// Of a wrong answer.
pub const WRONG: Rgb<u8> = Rgb([213, 94, 0]);
/// The height of a line of text.
pub const LINE: u32 = 8 * TEXT + 6;
/// The width of a letter.
pub const LETTER: u32 = 8 * TEXT;

const TEXT: u32 = 2; // each font pixel is TEXT × TEXT

/// A white picture to paint on.
pub struct Canvas(RgbImage);

impl Canvas {
    /// So many pixels.
    pub fn new(width: u32, height: u32) -> Self {
        Self(RgbImage::from_pixel(width, height, Rgb([255; 3])))
    }

    /// A square of `cell` pixels from (`left`, `top`) on, with an image of `side` × `side` in it, whose
    /// pixels have these colours, row by row.
    pub fn paint(
        &mut self,
        (left, top): (u32, u32),
        (cell, side): (u32, u32),
        colour: impl Fn(usize) -> Rgb<u8>,
    ) {
        for y in 0..cell {
            for x in 0..cell {
                let at = (y * side / cell * side + x * side / cell) as usize;
                self.0.put_pixel(left + x, top + y, colour(at));
            }
        }
    }

    /// A text; what does not fit is cut off.
    pub fn write(&mut self, (left, top): (u32, u32), text: &str, colour: Rgb<u8>) {
        for (i, glyph) in text.chars().filter_map(|letter| BASIC_FONTS.get(letter)).enumerate() {
            let left = left + i as u32 * LETTER;
            for y in 0..8 * TEXT {
                for x in 0..8 * TEXT {
                    let lit = glyph[(y / TEXT) as usize] >> (x / TEXT) & 1 == 1;
                    if lit && left + x < self.0.width() {
                        self.0.put_pixel(left + x, top + y, colour);
                    }
                }
            }
        }
    }

    /// The picture's file.
    ///
    /// # Errors
    /// Those of the encoder.
    pub fn png(&self) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let mut png = Cursor::new(Vec::new());
        self.0.write_to(&mut png, ImageFormat::Png)?;
        Ok(png.into_inner())
    }
}

/// The colour of pixel `at` of an image in [0, 1], of one channel or of three, row by row.
pub fn pixel(image: &[f32], pixels: usize, at: usize) -> Rgb<u8> {
    let level = |channel: usize| {
        let value = image.get(channel * pixels + at).unwrap_or(&image[at]);
        (255.0 * value.clamp(0.0, 1.0)) as u8
    };
    Rgb([level(0), level(1), level(2)])
}

/// Blue for −1, white for 0, orange for 1.
pub fn signed(value: f64) -> Rgb<u8> {
    let Rgb(full) = if value < 0.0 { RIGHT } else { WRONG };
    let fade = |channel: u8| 255.0 - (255.0 - f64::from(channel)) * value.abs().min(1.0);
    Rgb(full.map(|channel| fade(channel) as u8))
}
