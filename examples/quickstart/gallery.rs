//! Images, their perturbations and the adversarial images, with what the models say, as a PNG.

use std::io::Cursor;

use font8x8::{BASIC_FONTS, UnicodeFonts};
use image::{ImageFormat, Rgb, RgbImage};

use crate::evaluate::Pictures;

const SIDE: u32 = 8;
const ZOOM: u32 = 12;
const CELL: u32 = SIDE * ZOOM;
const GAP: u32 = 12;
const TEXT: u32 = 2; // each font pixel is TEXT × TEXT
const LINE: u32 = 8 * TEXT + 6;
const ROW: u32 = CELL + LINE + GAP;
const GROUP: u32 = 2 * CELL + GAP; // perturbation and adversarial image
const HEAD: u32 = 2 * LINE + GAP;

const INK: Rgb<u8> = Rgb([40, 40, 40]);
const RIGHT: Rgb<u8> = Rgb([0, 114, 178]);
const WRONG: Rgb<u8> = Rgb([213, 94, 0]);

pub(crate) fn draw(pictures: &Pictures) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let (models, rows) = (pictures.models.len() as u32, pictures.images.len() as u32);
    let width = GAP + CELL + models * (2 * GAP + GROUP) + GAP;
    let mut canvas = RgbImage::from_pixel(width, HEAD + rows * ROW + GAP, Rgb([255; 3]));

    write(&mut canvas, GAP, GAP + LINE, "image", INK);
    for (m, model) in pictures.models.iter().enumerate() {
        write(&mut canvas, group(m), GAP, &model.method, INK);
        write(&mut canvas, group(m), GAP + LINE, "change", INK);
        write(&mut canvas, adversarial(m), GAP + LINE, "image", INK);
    }
    for (row, (image, &label)) in pictures.images.iter().zip(&pictures.labels).enumerate() {
        let top = HEAD + row as u32 * ROW;
        paint(&mut canvas, GAP, top, |at| grey(image[at]));
        write(&mut canvas, GAP, top + CELL + 4, &format!("a {label}"), INK);
        for (m, model) in pictures.models.iter().enumerate() {
            let moved = &model.adversarial[row];
            // The whole budget spans the colours, so the change is magnified by 1 / epsilon.
            let change = |at: usize| f64::from(moved[at] - image[at]) / pictures.epsilon;
            paint(&mut canvas, group(m), top, |at| signed(change(at)));
            paint(&mut canvas, adversarial(m), top, |at| grey(moved[at]));
            let (before, after) = (model.clean[row], model.predicted[row]);
            let colour = if after == label { RIGHT } else { WRONG };
            let says = format!("{before} -> {after}");
            write(&mut canvas, group(m), top + CELL + 4, &says, colour);
        }
    }
    let mut png = Cursor::new(Vec::new());
    canvas.write_to(&mut png, ImageFormat::Png)?;
    Ok(png.into_inner())
}

fn group(model: usize) -> u32 {
    GAP + CELL + 2 * GAP + model as u32 * (2 * GAP + GROUP)
}

fn adversarial(model: usize) -> u32 {
    group(model) + CELL + GAP
}

fn grey(value: f32) -> Rgb<u8> {
    Rgb([(255.0 * value.clamp(0.0, 1.0)) as u8; 3])
}

/// Blue below zero, white at zero, orange above.
fn signed(value: f64) -> Rgb<u8> {
    let Rgb(full) = if value < 0.0 { RIGHT } else { WRONG };
    let fade = |channel: u8| 255.0 - (255.0 - f64::from(channel)) * value.abs().min(1.0);
    Rgb(full.map(|channel| fade(channel) as u8))
}

fn paint(canvas: &mut RgbImage, left: u32, top: u32, colour: impl Fn(usize) -> Rgb<u8>) {
    for y in 0..CELL {
        for x in 0..CELL {
            let at = (y / ZOOM * SIDE + x / ZOOM) as usize;
            canvas.put_pixel(left + x, top + y, colour(at));
        }
    }
}

fn write(canvas: &mut RgbImage, left: u32, top: u32, text: &str, colour: Rgb<u8>) {
    for (i, glyph) in text.chars().filter_map(|letter| BASIC_FONTS.get(letter)).enumerate() {
        let left = left + i as u32 * 8 * TEXT;
        for y in 0..8 * TEXT {
            for x in 0..8 * TEXT {
                let lit = glyph[(y / TEXT) as usize] >> (x / TEXT) & 1 == 1;
                if lit && left + x < canvas.width() {
                    canvas.put_pixel(left + x, top + y, colour);
                }
            }
        }
    }
}
