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

/// Floats that are turned at a time, if one image has not more: four mebibytes.
const TURNED: usize = 1 << 20;

/// Whether it is one whose pixels and channels fill lines of sixteen.
pub(super) fn suits(shape: &Shape) -> bool {
    let lines = shape.channels_in.is_multiple_of(LANES) && shape.pixels_in() >= LANES;
    shape.is_pointwise() && shape.groups == 1 && lines
}

/// The gradient in the weights, of `gradient` `[n, out, h, w]` in the output.
pub(super) fn weight_gradient(input: &[f32], gradient: &[f32], shape: &Shape) -> Vec<f32> {
    let (inputs, outputs) = (shape.channels_in, shape.channels_out);
    let size = outputs * inputs;
    let parts = Parts::of(shape.images, size);
    let mut result = vec![0.0; size];
    if parts.count() == 1 {
        let rows = outputs.div_ceil(rayon::current_num_threads()).next_multiple_of(ROWS);
        for images in some_at_a_time(0..shape.images, shape) {
            with_turned(input, gradient, shape, images, |sums| {
                let tasks = result.par_chunks_mut(rows * inputs).enumerate();
                tasks.for_each(|(task, result)| sums.add_to(result, task * rows));
            });
        }
    } else {
        with_scratch(parts.count() * size, |scratch| {
            scratch.par_chunks_exact_mut(size).enumerate().for_each(|(part, scratch)| {
                scratch.fill(0.0);
                for images in some_at_a_time(parts.images(part), shape) {
                    with_turned(input, gradient, shape, images, |sums| sums.add_to(scratch, 0));
                }
            });
            result.copy_from_slice(parts.total(scratch));
        });
    }
    result
}

/// Cuts images into ranges that are turned at a time.
fn some_at_a_time(images: Range<usize>, shape: &Shape) -> impl Iterator<Item = Range<usize>> {
    let some = (TURNED / (shape.channels_in * shape.pixels_in())).max(1);
    images.clone().step_by(some).map(move |start| start..images.end.min(start + some))
}

/// Lends the sums over some images.
fn with_turned(
    input: &[f32],
    gradient: &[f32],
    shape: &Shape,
    images: Range<usize>,
    work: impl FnOnce(&Sums),
) {
    with_scratch(images.len() * shape.channels_in * shape.pixels_in(), |turned| {
        turn(
            &input[images.start * shape.channels_in * shape.pixels_in()..],
            shape,
            images.len(),
            turned,
        );
        work(&Sums { turned, gradient, shape, images });
    });
}

/// `[n, in, pixel]` to `[in / 16, n, pixel, in % 16]`.
fn turn(input: &[f32], shape: &Shape, images: usize, turned: &mut [f32]) {
    let plane = shape.pixels_in();
    turned.par_chunks_exact_mut(plane * LANES).enumerate().for_each(|(index, turned)| {
        let (block, image) = (index / images, index % images);
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

/// Sums over some images, whose input is turned.
struct Sums<'a> {
    turned: &'a [f32],
    gradient: &'a [f32],
    shape: &'a Shape,
    images: Range<usize>,
}

impl Sums<'_> {
    /// Adds them to `[out, in]`, for the channels of the output from `first` on.
    fn add_to(&self, sums: &mut [f32], first: usize) {
        let (inputs, plane) = (self.shape.channels_in, self.shape.pixels_in());
        // Planes of sixteen pixels are chunks of a depth that goes on from image to image.
        let (at_once, chunk) = match plane {
            LANES => (PIXELS / LANES, self.shape.channels_out * LANES),
            _ => (1, LANES),
        };
        for image in (0..self.images.len()).step_by(at_once) {
            let depth = at_once.min(self.images.len() - image) * plane;
            let planes = (self.images.start + image) * self.shape.channels_out + first;
            for start in (0..depth).step_by(PIXELS) {
                Product {
                    rows: sums.len() / inputs,
                    depth: PIXELS.min(depth - start),
                    blocks: inputs / LANES,
                    left: Left {
                        values: &self.gradient[planes * plane + start..],
                        row_step: plane,
                        depth_step: 1,
                        chunk,
                    },
                    right: Right {
                        values: &self.turned[(image * plane + start) * LANES..],
                        block: self.images.len() * plane * LANES,
                    },
                    out: Out { values: &mut *sums, row: inputs, block: LANES, add: true },
                }
                .run();
            }
        }
    }
}
