//! Images, their perturbations and the adversarial images, with what the models say, as a PNG.

use free_at_examples::canvas::{Canvas, INK, LINE, RIGHT, WRONG, pixel, signed};

use crate::evaluate::Pictures;

const SIDE: u32 = 8;
const ZOOM: u32 = 12;
const CELL: u32 = SIDE * ZOOM;
const GAP: u32 = 12;
const ROW: u32 = CELL + LINE + GAP;
const GROUP: u32 = 2 * CELL + GAP; // perturbation and adversarial image
const HEAD: u32 = 2 * LINE + GAP;

pub(crate) fn draw(pictures: &Pictures) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let (models, rows) = (pictures.models.len() as u32, pictures.images.len() as u32);
    let width = GAP + CELL + models * (2 * GAP + GROUP) + GAP;
    let mut canvas = Canvas::new(width, HEAD + rows * ROW + GAP);

    canvas.write((GAP, GAP + LINE), "image", INK);
    for (m, model) in pictures.models.iter().enumerate() {
        canvas.write((group(m), GAP), &model.method, INK);
        canvas.write((group(m), GAP + LINE), "change", INK);
        canvas.write((adversarial(m), GAP + LINE), "image", INK);
    }
    let size = (CELL, SIDE);
    let grey = |image: &[f32], at| pixel(image, (SIDE * SIDE) as usize, at);
    for (row, (image, &label)) in pictures.images.iter().zip(&pictures.labels).enumerate() {
        let top = HEAD + row as u32 * ROW;
        canvas.paint((GAP, top), size, |at| grey(image, at));
        canvas.write((GAP, top + CELL + 4), &format!("a {label}"), INK);
        for (m, model) in pictures.models.iter().enumerate() {
            let moved = &model.adversarial[row];
            // The whole budget spans the colours, so the change is magnified by 1 / epsilon.
            let change = |at: usize| f64::from(moved[at] - image[at]) / pictures.epsilon;
            canvas.paint((group(m), top), size, |at| signed(change(at)));
            canvas.paint((adversarial(m), top), size, |at| grey(moved, at));
            let (before, after) = (model.clean[row], model.predicted[row]);
            let colour = if after == label { RIGHT } else { WRONG };
            canvas.write((group(m), top + CELL + 4), &format!("{before} -> {after}"), colour);
        }
    }
    canvas.png()
}

fn group(model: usize) -> u32 {
    GAP + CELL + 2 * GAP + model as u32 * (2 * GAP + GROUP)
}

fn adversarial(model: usize) -> u32 {
    group(model) + CELL + GAP
}
