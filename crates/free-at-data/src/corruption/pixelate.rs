//! Fewer pixels, and back.

use super::plane::Plane;

/// Resized to this share of its sides and back, by Pillow's box filter, in eight bits.
pub(super) fn pixelate(plane: &Plane, share: f64) -> Vec<f32> {
    let (height, width) = (plane.height, plane.width);
    let fewer = |length: usize| ((length as f64 * share) as usize).max(1);
    let small = (fewer(height), fewer(width));
    let pixelated = plane.channels().flat_map(|channel| {
        let bytes: Vec<f32> = channel.iter().map(|value| (value * 255.0).round()).collect();
        let shrunk = resized(&bytes, (height, width), small);
        let back = resized(&shrunk, small, (height, width));
        back.into_iter().map(|byte| byte / 255.0)
    });
    pixelated.collect()
}

/// Across, then down; rounded to whole levels after each, as eight bits are.
fn resized(
    values: &[f32],
    (height, width): (usize, usize),
    (to_height, to_width): (usize, usize),
) -> Vec<f32> {
    let (columns, rows) = (boxes(width, to_width), boxes(height, to_height));
    let across: Vec<f32> = (0..height)
        .flat_map(|y| {
            columns.iter().map(move |(from, to)| mean((*from..*to).map(|x| values[y * width + x])))
        })
        .collect();
    rows.iter()
        .flat_map(|(from, to)| {
            let across = &across;
            (0..to_width).map(move |x| mean((*from..*to).map(|y| across[y * to_width + x])))
        })
        .collect()
}

fn mean(values: impl ExactSizeIterator<Item = f32>) -> f32 {
    let n = values.len() as f32;
    (values.sum::<f32>() / n).round()
}

/// Which pixels each new one is the mean of: those whose middle is in its box.
fn boxes(length: usize, to: usize) -> Vec<(usize, usize)> {
    let scale = length as f64 / to as f64;
    let half = 0.5 * scale.max(1.0);
    let within = |at: usize| {
        let middle = (at as f64 + 0.5) * scale;
        let from = ((middle - half + 0.5) as usize).min(length - 1);
        let end = ((middle + half + 0.5) as usize).clamp(from + 1, length);
        (from, end)
    };
    (0..to).map(within).collect()
}
