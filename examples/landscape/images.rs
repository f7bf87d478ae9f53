//! Adversarial images with a large budget: figure 2 of the paper.

use std::error::Error;

use burn::tensor::{Device, Tensor};
use free_at::Draws;
use free_at::attacks::AttackTask;
use free_at::prelude::*;
use free_at_examples::canvas::{Canvas, INK, LETTER, LINE, RIGHT, WRONG, pixel};

use crate::Subject;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The first images, at most so many, that all models get right.
pub(crate) fn right(subjects: &[Subject], test: &ImageDataset, most: usize) -> Outcome<Vec<usize>> {
    let mut right = Vec::new();
    for at in 0..test.len() {
        if right.len() == most {
            break;
        }
        let batch = test.subset(vec![at]).batch(&Device::default())?;
        let label = test.label(at);
        let is_right = |subject: &Subject| -> Outcome<bool> {
            let said = predictions(subject.model.logits(batch.inputs())?)?;
            Ok(said.first().copied() == label)
        };
        let answers = subjects.iter().map(is_right).collect::<Outcome<Vec<_>>>()?;
        if answers.into_iter().all(|answer| answer) {
            right.push(at);
        }
    }
    Ok(right)
}

/// The images in the first row, and a row for each model with what PGD-50 makes of them and what the model
/// then says.
pub(crate) fn draw(
    subjects: &[Subject],
    images: &ImageDataset,
    threat: &ThreatModel,
    seed: u64,
) -> Outcome<Vec<u8>> {
    const CELL: u32 = 96;
    const GAP: u32 = 12;
    const ROW: u32 = CELL + LINE + GAP;
    let batch = images.batch(&Device::default())?;
    let names = images.class_names();
    let name = |class: usize| names.get(class).map_or("?", String::as_str);
    let longest = subjects.iter().map(|subject| subject.name.len()).max().unwrap_or(0).max(5);
    let left = GAP + longest as u32 * LETTER + GAP;
    let rows = subjects.len() as u32 + 1;
    let width = left + images.len() as u32 * (CELL + GAP);
    let mut canvas = Canvas::new(width, GAP + rows * ROW);
    let side = images.shape()[1];
    let mut row = |number: usize, title: &str, pixels: Vec<f32>, says: &[(usize, bool)]| {
        let top = GAP + number as u32 * ROW;
        canvas.write((GAP, top + CELL / 2), title, INK);
        let each = pixels.len() / images.len().max(1);
        for (column, (image, (class, same))) in pixels.chunks(each.max(1)).zip(says).enumerate() {
            let at = (left + column as u32 * (CELL + GAP), top);
            canvas.paint(at, (CELL, side as u32), |at| pixel(image, side * side, at));
            let colour = if *same { RIGHT } else { WRONG };
            canvas.write((at.0, top + CELL + 4), name(*class), colour);
        }
    };
    let labels: Vec<usize> = (0..images.len()).filter_map(|at| images.label(at)).collect();
    let truth: Vec<(usize, bool)> = labels.iter().map(|label| (*label, true)).collect();
    row(0, "image", batch.inputs().try_into_vec_as()?, &truth);
    for (number, subject) in subjects.iter().enumerate() {
        let draws = Draws::new(seed, (0..batch.len() as u64).collect());
        let model = &subject.model;
        let task = AttackTask::new(model, batch.inputs(), batch.untargeted(), threat, draws)?;
        let found = Pgd::new(50).perturb(&task)?;
        let said = predictions(model.logits(found.clone())?)?;
        let says: Vec<_> = said.iter().zip(&labels).map(|(s, l)| (*s, s == l)).collect();
        row(number + 1, &subject.name, found.try_into_vec_as()?, &says);
    }
    canvas.png()
}

fn predictions(logits: Tensor<2>) -> Outcome<Vec<usize>> {
    let classes = logits.argmax(1).try_into_vec_as::<i64>()?;
    Ok(classes.into_iter().map(|class| class as usize).collect())
}
