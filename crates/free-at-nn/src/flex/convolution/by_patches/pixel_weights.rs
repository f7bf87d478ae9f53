//! The gradient in the weights of a convolution of single pixels: gradients as they lie, times pixels turned.

use std::ops::Range;

use rayon::prelude::*;

use super::parts::Parts;
use super::pixels::PIXELS;
use crate::flex::convolution::product::{LANES, Left, Out, Product, Right};
use crate::flex::convolution::shape::Shape;
use crate::flex::scratch::with_scratch;

/// Rows that the product takes at a time.
const ROWS: usize = 8;

/// Whether it is one whose pixels and channels fill lines of sixteen.
pub(super) fn suits(shape: &Shape) -> bool {
    let lines = shape.channels_in.is_multiple_of(LANES) && shape.pixels_in() >= LANES;
    shape.is_pointwise() && shape.groups == 1 && lines
}

/// The gradient in the weights, of `gradient` `[n, out, h, w]` in the output.
pub(super) fn weight_gradient(input: &[f32], gradient: &[f32], shape: &Shape) -> Vec<f32> {
    let size = shape.channels_out * shape.channels_in;
    let mut result = vec![0.0; size];
    with_scratch(shape.images * shape.pixels_in() * shape.channels_in, |turned| {
        turn(input, shape, turned);
        let sums = Sums { turned, gradient, shape };
        let parts = Parts::of(shape.images, size);
        if parts.count() == 1 {
            let rows = shape.channels_out.div_ceil(rayon::current_num_threads());
            let rows = rows.next_multiple_of(ROWS);
            let tasks = result.par_chunks_mut(rows * shape.channels_in).enumerate();
            tasks.for_each(|(task, result)| sums.add_up(0..shape.images, task * rows, result));
        } else {
            with_scratch(parts.count() * size, |scratch| {
                let tasks = scratch.par_chunks_exact_mut(size).enumerate();
                tasks.for_each(|(part, scratch)| sums.add_up(parts.images(part), 0, scratch));
                result.copy_from_slice(parts.total(scratch));
            });
        }
    });
    result
}

/// `[n, in, pixel]` to `[in / 16, n, pixel, in % 16]`.
fn turn(input: &[f32], shape: &Shape, turned: &mut [f32]) {
    let plane = shape.pixels_in();
    turned.par_chunks_exact_mut(plane * LANES).enumerate().for_each(|(index, turned)| {
        let (block, image) = (index / shape.images, index % shape.images);
        let channels = &input[(image * shape.channels_in + block * LANES) * plane..];
        let turned = turned.chunks_mut(LANES * LANES).enumerate();
        for (line, turned) in turned {
            for lane in 0..LANES {
                let pixels = &channels[lane * plane + line * LANES..];
                for (cells, pixel) in turned.chunks_exact_mut(LANES).zip(pixels) {
                    cells[lane] = *pixel;
                }
            }
        }
    });
}

struct Sums<'a> {
    turned: &'a [f32],
    gradient: &'a [f32],
    shape: &'a Shape,
}

impl Sums<'_> {
    /// Over some images, for the channels of the output from `first` on: `[out, in]`.
    fn add_up(&self, images: Range<usize>, first: usize, sums: &mut [f32]) {
        let (inputs, plane) = (self.shape.channels_in, self.shape.pixels_in());
        // Planes of sixteen pixels are chunks of a depth that goes on from image to image.
        let (at_once, chunk) = match plane {
            LANES => (PIXELS / LANES, self.shape.channels_out * LANES),
            _ => (1, LANES),
        };
        let mut add = false;
        for image in images.clone().step_by(at_once) {
            let depth = at_once.min(images.end - image) * plane;
            for start in (0..depth).step_by(PIXELS) {
                Product {
                    rows: sums.len() / inputs,
                    depth: PIXELS.min(depth - start),
                    blocks: inputs / LANES,
                    left: Left {
                        values: &self.gradient
                            [(image * self.shape.channels_out + first) * plane + start..],
                        row_step: plane,
                        depth_step: 1,
                        chunk,
                    },
                    right: Right {
                        values: &self.turned[(image * plane + start) * LANES..],
                        block: self.shape.images * plane * LANES,
                    },
                    out: Out { values: &mut *sums, row: inputs, block: LANES, add },
                }
                .run();
                add = true;
            }
        }
    }
}
