//! The gradient in the weights.

use std::ops::Range;

use rayon::prelude::*;

use super::parts::Parts;
use super::pixel_weights;
use super::pixels::{pixel_runs, tile_pixels};
use super::tile::Tile;
use crate::flex::convolution::product::{LANES, Left, Out, Product, Right};
use crate::flex::convolution::shape::Shape;
use crate::flex::scratch::with_scratch;

/// The gradient in the weights, of `gradient` `[n, out, h, w]` in the output.
pub(crate) fn weight_gradient(input: &[f32], gradient: &[f32], shape: &Shape) -> Vec<f32> {
    if pixel_weights::suits(shape) {
        return pixel_weights::weight_gradient(input, gradient, shape);
    }
    let (inputs, outputs, taps) = (shape.group_in(), shape.group_out(), shape.taps());
    let columns = outputs.next_multiple_of(LANES);
    let size = inputs * taps * columns;
    let parts = Parts::of(shape.images, size);
    let workers = if parts.count() > 1 { 1 } else { rayon::current_num_threads() };
    let channels = inputs.div_ceil(workers);
    let mut result = vec![0.0; shape.channels_out * inputs * taps];
    with_scratch(parts.count() * size, |sums| {
        for (group, result) in result.chunks_exact_mut(outputs * inputs * taps).enumerate() {
            sums.par_chunks_exact_mut(size).enumerate().for_each(|(part, sums)| {
                let tasks = sums.par_chunks_mut(channels * taps * columns).enumerate();
                tasks.for_each(|(task, sums)| {
                    let first = group * inputs + task * channels;
                    Sums { input, gradient, shape, group, first, images: parts.images(part) }
                        .add_up(sums);
                });
            });
            transpose(parts.total(sums), columns, result);
        }
    });
    result
}

/// `[rows, columns]` to `[out, rows]`, of which the columns may be more.
fn transpose(sums: &[f32], columns: usize, result: &mut [f32]) {
    let rows = sums.len() / columns;
    result.par_chunks_mut(LANES * rows).enumerate().for_each(|(block, result)| {
        for (row, sums) in sums.chunks_exact(columns).enumerate() {
            for (out, sum) in result.chunks_exact_mut(rows).zip(&sums[block * LANES..]) {
                out[row] = *sum;
            }
        }
    });
}

/// Sums over some images, for the channels of a group from `first` on.
struct Sums<'a> {
    input: &'a [f32],
    gradient: &'a [f32],
    shape: &'a Shape,
    group: usize,
    first: usize,
    images: Range<usize>,
}

impl Sums<'_> {
    /// Patches times gradients, `[(channel, tap), out]`.
    fn add_up(&self, sums: &mut [f32]) {
        let shape = self.shape;
        let (plane, outputs) = (shape.pixels_out(), shape.group_out());
        let columns = outputs.next_multiple_of(LANES);
        let rows = sums.len() / columns;
        let channels = self.first..self.first + rows / shape.taps();
        let pixels = self.images.len() * plane;
        let input = &self.input[self.images.start * shape.channels_in * shape.pixels_in()..];
        let gradient = &self.gradient[self.images.start * shape.channels_out * plane..];
        // Of all channels: where sums are cut must not depend on how these are shared out.
        let step = tile_pixels(shape.group_in() * shape.taps(), pixels);
        for start in (0..pixels).step_by(step) {
            let count = step.min(pixels - start);
            let tile = Tile::new(shape, start..start + count);
            let patches = tile.patches_len(channels.len());
            with_scratch(patches + columns * count + tile.stage_len(), |scratch| {
                let (patches, scratch) = scratch.split_at_mut(patches);
                let (gradients, stage) = scratch.split_at_mut(columns * count);
                tile.gather(input, channels.clone(), stage, patches);
                if outputs < columns {
                    gradients.fill(0.0);
                }
                let runs = pixel_runs(start..start + count, plane);
                for channel in 0..outputs {
                    let lane = channel % LANES;
                    let planes = self.group * outputs + channel;
                    for run in &runs {
                        let at = (run.image * shape.channels_out + planes) * plane + run.pixel;
                        let to = (channel / LANES * count + run.start) * LANES;
                        let cells = gradients[to..].chunks_exact_mut(LANES);
                        for (cell, value) in cells.zip(&gradient[at..at + run.len]) {
                            cell[lane] = *value;
                        }
                    }
                }
                Product {
                    rows,
                    depth: count,
                    blocks: columns / LANES,
                    left: Left {
                        values: patches,
                        row_step: LANES,
                        depth_step: 1,
                        chunk: tile.block(channels.len()),
                    },
                    right: Right { values: gradients, block: count * LANES },
                    out: Out { values: sums, row: columns, block: LANES, add: start > 0 },
                }
                .run();
            });
        }
    }
}
