//! The gradient in the input.

use rayon::prelude::*;

use super::forward::{convolve, forward};
use super::pixels::{PIXELS, image_tiles, pixel_runs, tile_pixels};
use super::tile::Tile;
use crate::flex::convolution::product::{LANES, Left, Out, Product, Right};
use crate::flex::convolution::shape::Shape;
use crate::flex::scratch::{for_planes, with_scratch};

/// The gradient in the input, of `gradient` `[n, out, h, w]` in the output.
pub(crate) fn input_gradient(gradient: &[f32], weight: &[f32], shape: &Shape) -> Vec<f32> {
    if let Some(transposed) = shape.transposed() {
        if shape.taps() == 1 {
            let step = shape.group_in();
            let weights =
                Left { values: weight, row_step: 1, depth_step: step, chunk: step * LANES };
            return convolve(gradient, weights, None, &transposed);
        }
        return forward(gradient, &turned(weight, shape), None, &transposed);
    }
    let plane = shape.pixels_in();
    let mut output = vec![0.0; shape.images * shape.channels_in * plane];
    let planes = [shape.images, shape.channels_in, plane];
    let most = PIXELS.div_ceil(shape.pixels_out().max(1));
    let unit = if shape.groups == 1 { 1 } else { shape.channels_in };
    for_planes(&mut output, planes, most, unit, |image, first, output| {
        let gradient = &gradient[image * shape.channels_out * shape.pixels_out()..];
        for group in 0..shape.groups {
            Group { gradient, weight, shape, group, first }.scatter(output);
        }
    });
    output
}

/// The kernels turned by half a turn, `[in, out / groups, kh, kw]`.
fn turned(weight: &[f32], shape: &Shape) -> Vec<f32> {
    let (taps, inputs, outputs) = (shape.taps(), shape.group_in(), shape.group_out());
    let mut turned = vec![0.0; weight.len()];
    turned.par_chunks_exact_mut(outputs * taps).enumerate().for_each(|(channel, turned)| {
        let (group, channel) = (channel / inputs, channel % inputs);
        for (out, turned) in turned.chunks_exact_mut(taps).enumerate() {
            let kernel = &weight[((group * outputs + out) * inputs + channel) * taps..][..taps];
            turned.iter_mut().zip(kernel.iter().rev()).for_each(|(to, from)| *to = *from);
        }
    });
    turned
}

/// One group of channels; `first` is the first channel of what is computed.
struct Group<'a> {
    gradient: &'a [f32],
    weight: &'a [f32],
    shape: &'a Shape,
    group: usize,
    first: usize,
}

impl Group<'_> {
    fn scatter(&self, output: &mut [f32]) {
        let shape = self.shape;
        let plane = shape.pixels_out();
        let image = output.len().min(shape.channels_in * shape.pixels_in());
        let pixels = output.len() / image * plane;
        let (depth, weights) = (shape.group_out(), shape.group_in() * shape.taps());
        let channels = if shape.groups == 1 { image / shape.pixels_in() } else { shape.group_in() };
        let first = self.first + self.group * shape.group_in();
        let rows = channels * shape.taps();
        let step = tile_pixels(weights, pixels);
        for pixels in image_tiles(pixels, plane, step) {
            let tile = Tile::new(shape, pixels.clone());
            let (gradients, patches) = (tile.blocks() * LANES * depth, tile.patches_len(channels));
            with_scratch(gradients + patches + tile.stage_len(), |scratch| {
                let (gradients, scratch) = scratch.split_at_mut(gradients);
                let (patches, stage) = scratch.split_at_mut(patches);
                let runs = pixel_runs(pixels.clone(), plane);
                for channel in 0..depth {
                    let planes = self.group * depth + channel;
                    for run in &runs {
                        let at = (run.image * shape.channels_out + planes) * plane + run.pixel;
                        let to = (run.start / LANES * depth + channel) * LANES + run.start % LANES;
                        gradients[to..to + run.len]
                            .copy_from_slice(&self.gradient[at..at + run.len]);
                    }
                }
                Product {
                    rows,
                    depth,
                    blocks: tile.blocks(),
                    left: Left {
                        values: &self.weight
                            [self.group * depth * weights + self.first * shape.taps()..],
                        row_step: 1,
                        depth_step: weights,
                        chunk: LANES * weights,
                    },
                    right: Right { values: gradients, block: depth * LANES },
                    out: Out {
                        values: patches,
                        row: LANES,
                        block: tile.block(channels),
                        add: false,
                    },
                }
                .run();
                tile.scatter(patches, first..first + channels, stage, output, self.first);
            });
        }
    }
}
