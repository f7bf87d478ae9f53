//! The convolution.

use super::pixels::{PIXELS, tile_pixels};
use super::tile::Tile;
use crate::flex::convolution::product::{LANES, Left, Out, Product, Right};
use crate::flex::convolution::shape::Shape;
use crate::flex::scratch::{for_planes, with_scratch};

/// `input` `[n, in, h, w]` convolved with `weight` `[out, in / groups, kh, kw]`, plus `bias` `[out]`.
pub(crate) fn forward(
    input: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    shape: &Shape,
) -> Vec<f32> {
    let depth = shape.group_in() * shape.taps();
    let weights = Left { values: weight, row_step: depth, depth_step: 1, chunk: LANES };
    convolve(input, weights, bias, shape)
}

/// The same with the weights of all groups as the left matrix of a product, whose rows are output channels.
pub(super) fn convolve(
    input: &[f32],
    weights: Left,
    bias: Option<&[f32]>,
    shape: &Shape,
) -> Vec<f32> {
    let plane = shape.pixels_out();
    let mut output = vec![0.0; shape.images * shape.channels_out * plane];
    let planes = [shape.images, shape.channels_out, plane];
    let most = PIXELS.div_ceil(plane.max(1));
    let unit = if shape.groups == 1 { 2 * LANES } else { shape.channels_out };
    for_planes(&mut output, planes, most, unit, |image, first, output| {
        let input = &input[image * shape.channels_in * shape.pixels_in()..];
        for group in 0..shape.groups {
            Group { input, weights, bias, shape, group, first }.convolve(output);
        }
    });
    output
}

/// One group of channels; `first` is the first channel of the output.
struct Group<'a> {
    input: &'a [f32],
    weights: Left<'a>,
    bias: Option<&'a [f32]>,
    shape: &'a Shape,
    group: usize,
    first: usize,
}

impl Group<'_> {
    fn convolve(&self, output: &mut [f32]) {
        let shape = self.shape;
        let plane = shape.pixels_out();
        let image = output.len().min(shape.channels_out * plane);
        let pixels = output.len() / image * plane;
        let rows = if shape.groups == 1 { image / plane } else { shape.group_out() };
        let depth = shape.group_in() * shape.taps();
        let offset = self.group * shape.group_out();
        let channels = self.group * shape.group_in()..(self.group + 1) * shape.group_in();
        let step = tile_pixels(depth, pixels);
        for start in (0..pixels).step_by(step) {
            let count = step.min(pixels - start);
            let tile = Tile::new(shape, start..start + count);
            let left = self.group * shape.group_out() * depth + self.first * self.weights.row_step;
            let left = Left { values: &self.weights.values[left..], ..self.weights };
            let columns = tile.blocks() * LANES;
            let (patches, products) = (tile.patches_len(channels.len()), rows * columns);
            with_scratch(patches + products + tile.stage_len(), |scratch| {
                let (patches, scratch) = scratch.split_at_mut(patches);
                let (products, stage) = scratch.split_at_mut(products);
                tile.gather(self.input, channels.clone(), stage, patches);
                let right = Right { values: patches, block: tile.block(channels.len()) };
                let product = |out| {
                    Product { rows, depth, blocks: tile.blocks(), left, right, out }.run();
                };
                let within_image = start % plane + count <= plane;
                if within_image && count.is_multiple_of(LANES) && self.bias.is_none() {
                    let at = start / plane * image + offset * plane + start % plane;
                    let values = &mut output[at..];
                    return product(Out { values, row: plane, block: LANES, add: false });
                }
                product(Out { values: products, row: columns, block: LANES, add: false });
                for (row, products) in products.chunks_exact(columns).enumerate() {
                    let bias = self.bias.map(|bias| bias[self.first + offset + row]);
                    let mut pixel = start;
                    while pixel < start + count {
                        let len = (plane - pixel % plane).min(start + count - pixel);
                        let at = pixel / plane * image + (offset + row) * plane + pixel % plane;
                        let pixels = &mut output[at..at + len];
                        let products = &products[pixel - start..][..len];
                        match bias {
                            None => pixels.copy_from_slice(products),
                            Some(bias) => {
                                for (pixel, sum) in pixels.iter_mut().zip(products) {
                                    *pixel = sum + bias;
                                }
                            }
                        }
                        pixel += len;
                    }
                }
            });
        }
    }
}
