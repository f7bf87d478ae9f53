//! Winograd's F(4×4, 3×3) for kernels of 3×3, stride 1 (Lavin & Gray 2016): a tile of 4×4 output pixels takes 36
//! multiplications in place of 144.
//!
//! Tiles, weights and gradients go through a transform that makes their convolution a product at each of 6×6
//! points. At a point, what is summed over channels or tiles is a product of matrices.

mod kernels;
mod tiles;
mod transform;

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use crate::flex::convolution::product::{LANES, Left, Out, Product, Right, blocks};
use crate::flex::convolution::shape::Shape;
use crate::flex::finite;
use crate::flex::scratch::{for_planes, with_scratch};
use kernels::{Kernels, Order};
use tiles::{Grid, Layout, Pixels, Tiles, strip_len};
use transform::{ALL_POINTS, TILE};

/// Weights to which one tile of an image is enough: with more, transforming weights costs more than it saves.
const WEIGHTS_A_TILE: usize = 1 << 15;

impl Shape {
    /// Whether this algorithm computes it. The number of images has no say: what becomes of an image must
    /// not depend on the others in its batch.
    pub(crate) fn suits_winograd(&self) -> bool {
        let tiles = self.size_out[0].div_ceil(TILE) * self.size_out[1].div_ceil(TILE);
        self.kernel == [3, 3]
            && self.stride == [1, 1]
            && self.dilation == [1, 1]
            && self.groups == 1
            && self.padding.iter().all(|padding| *padding <= 2)
            && self.channels_in.min(self.channels_out) >= LANES
            && self.channels_in * self.channels_out <= tiles * WEIGHTS_A_TILE
    }
}

/// Images, and which of them have values that are not finite.
pub(crate) struct Convolved {
    pub(crate) values: Vec<f32>,
    pub(crate) not_finite: Vec<bool>,
}

/// `input` `[n, in, h, w]` convolved with `weight` `[out, in, 3, 3]`, plus `bias` `[out]`.
pub(crate) fn forward(
    input: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    shape: &Shape,
) -> Convolved {
    convolve(input, weight, Order::AsTheyAre, bias, shape)
}

/// The gradient in the input, of `gradient` `[n, out, h, w]` in the output.
pub(crate) fn input_gradient(gradient: &[f32], weight: &[f32], shape: &Shape) -> Convolved {
    let transposed = shape.transposed().expect("stride 1 and padding of at most 2");
    convolve(gradient, weight, Order::Turned, None, &transposed)
}

fn convolve(
    input: &[f32],
    weight: &[f32],
    order: Order,
    bias: Option<&[f32]>,
    shape: &Shape,
) -> Convolved {
    let grid = Grid::new(shape.size_out);
    let plane = shape.pixels_out();
    let mut values = vec![0.0; shape.images * shape.channels_out * plane];
    let not_finite: Vec<_> = (0..shape.images).map(|_| AtomicBool::new(false)).collect();
    with_scratch(Kernels::len(shape), |scratch| {
        let kernels = Kernels::transform(weight, order, shape, scratch);
        let planes = [shape.images, shape.channels_out, plane];
        let most = grid.band_rows().div_ceil(grid.rows);
        for_planes(&mut values, planes, most, 2 * LANES, |image, first, output| {
            let input = &input[image * shape.channels_in * shape.pixels_in()..];
            Bands { input, kernels: &kernels, bias, shape, grid, first }.convolve(output);
            for (output, not_finite) in
                output.chunks(shape.channels_out * plane).zip(&not_finite[image..])
            {
                not_finite.fetch_or(!finite::all(output), Ordering::Relaxed);
            }
        });
    });
    Convolved { values, not_finite: not_finite.into_iter().map(AtomicBool::into_inner).collect() }
}

/// Whole images, or the channels from `first` on of one, a band of rows of tiles at a time.
struct Bands<'a> {
    input: &'a [f32],
    kernels: &'a Kernels<'a>,
    bias: Option<&'a [f32]>,
    shape: &'a Shape,
    grid: Grid,
    first: usize,
}

impl Bands<'_> {
    fn convolve(&self, output: &mut [f32]) {
        let (shape, grid) = (self.shape, self.grid);
        let plane = shape.pixels_out();
        let channels = shape.channels_out.min(output.len() / plane);
        let rows = output.len() / (channels * plane) * grid.rows;
        let (blocks_in, blocks_out) = (blocks(shape.channels_in), blocks(channels));
        let band = grid.band_rows().min(rows);
        let layout = Layout::new(band * grid.columns);
        let strip = strip_len(grid);
        with_scratch(strip + (blocks_in + blocks_out) * layout.block(), |scratch| {
            let (strip, scratch) = scratch.split_at_mut(strip);
            let (tiles, products) = scratch.split_at_mut(blocks_in * layout.block());
            for start in (0..rows).step_by(band) {
                let rows = start..rows.min(start + band);
                for (block, values) in tiles.chunks_exact_mut(layout.block()).enumerate() {
                    Tiles {
                        images: self.input,
                        channels: shape.channels_in,
                        block,
                        size: shape.size_in,
                        padding: shape.padding,
                        grid,
                        rows: rows.clone(),
                        layout,
                        of_gradient: false,
                    }
                    .transform(strip, values);
                }
                self.multiply(rows.len() * grid.columns, layout, tiles, products);
                for (block, values) in products.chunks_exact(layout.block()).enumerate() {
                    let bias = self.bias.map(|bias| &bias[self.first..]);
                    let size = shape.size_out;
                    Pixels {
                        values,
                        layout,
                        grid,
                        rows: rows.clone(),
                        channels,
                        block,
                        size,
                        bias,
                    }
                    .transform(strip, output);
                }
            }
        });
    }

    /// At each point: tiles `[tile, in]` times weights `[in, out]`.
    fn multiply(&self, count: usize, layout: Layout, tiles: &[f32], products: &mut [f32]) {
        let depth = self.shape.channels_in;
        for (pair, products) in products.chunks_mut(2 * layout.block()).enumerate() {
            for point in 0..ALL_POINTS {
                Product {
                    rows: count,
                    depth,
                    blocks: products.len() / layout.block(),
                    left: Left {
                        values: &tiles[layout.at(point)..],
                        row_step: LANES,
                        depth_step: 1,
                        chunk: layout.block(),
                    },
                    right: Right {
                        values: self.kernels.at(self.first / (2 * LANES) + pair, point),
                        block: depth * LANES,
                    },
                    out: Out {
                        values: &mut products[layout.at(point)..],
                        row: LANES,
                        block: layout.block(),
                        add: false,
                    },
                }
                .run();
            }
        }
    }
}

/// Floats of transformed tiles and gradients that are kept at a time: 8 MiB.
const KEPT: usize = 1 << 21;

/// The gradient in the weights, of `gradient` `[n, out, h, w]` in the output.
pub(crate) fn weight_gradient(input: &[f32], gradient: &[f32], shape: &Shape) -> Vec<f32> {
    let grid = Grid::new(shape.size_out);
    let blocks_in = blocks(shape.channels_in);
    let rows = shape.images * grid.rows;
    let band = grid.band_rows().min(rows);
    let layout = Layout::new(band * grid.columns);
    // Of a band: its tiles, then its gradients.
    let size = (blocks_in + blocks(shape.channels_out)) * layout.block();
    let kept = (KEPT / size).clamp(1, rows.div_ceil(band));
    with_scratch(Kernels::len(shape) + kept * size, |scratch| {
        let (sums, scratch) = scratch.split_at_mut(Kernels::len(shape));
        for start in (0..rows).step_by(kept * band) {
            let band_rows =
                |index: usize| start + index * band..rows.min(start + (index + 1) * band);
            let kept = &mut scratch[..(rows - start).div_ceil(band).min(kept) * size];
            kept.par_chunks_exact_mut(layout.block()).enumerate().for_each(|(task, values)| {
                let (rows, block) =
                    (band_rows(task / (size / layout.block())), task % (size / layout.block()));
                let tiles = Tiles {
                    images: input,
                    channels: shape.channels_in,
                    block,
                    size: shape.size_in,
                    padding: shape.padding,
                    grid,
                    rows,
                    layout,
                    of_gradient: false,
                };
                let tiles = match block.checked_sub(blocks_in) {
                    None => tiles,
                    Some(block) => Tiles {
                        images: gradient,
                        channels: shape.channels_out,
                        block,
                        size: shape.size_out,
                        padding: [0, 0],
                        of_gradient: true,
                        ..tiles
                    },
                };
                with_scratch(strip_len(grid), |strip| tiles.transform(strip, values));
            });
            let bands: Vec<_> = kept
                .chunks_exact(size)
                .enumerate()
                .map(|(index, kept)| {
                    (
                        band_rows(index).len() * grid.columns,
                        kept.split_at(blocks_in * layout.block()),
                    )
                })
                .collect();
            Kernels::points(sums, shape).for_each(|(pair, point, sums)| {
                for (index, (count, (tiles, gradients))) in bands.iter().enumerate() {
                    let gradients = &gradients[2 * pair * layout.block()..];
                    let add = start + index > 0;
                    add_up(*count, layout, point, tiles, gradients, shape.channels_in, add, sums);
                }
            });
        }
        kernels::transform_back(sums, shape)
    })
}

/// At a point, for two blocks of output channels: tiles `[in, tile]` times gradients `[tile, out]`.
#[expect(clippy::too_many_arguments)]
fn add_up(
    count: usize,
    layout: Layout,
    point: usize,
    tiles: &[f32],
    gradients: &[f32],
    channels: usize,
    add: bool,
    sums: &mut [f32],
) {
    for (block, tiles) in tiles.chunks_exact(layout.block()).enumerate() {
        Product {
            rows: LANES.min(channels - block * LANES),
            depth: count,
            blocks: 2.min(gradients.len() / layout.block()),
            left: Left {
                values: &tiles[layout.at(point)..],
                row_step: 1,
                depth_step: LANES,
                chunk: LANES * LANES,
            },
            right: Right { values: &gradients[layout.at(point)..], block: layout.block() },
            out: Out {
                values: &mut sums[block * LANES * LANES..],
                row: LANES,
                block: channels * LANES,
                add,
            },
        }
        .run();
    }
}
