//! Pixels to tiles at all points, and back.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::transform::{self, ALL_POINTS, POINTS, TILE, both, register};
use crate::flex::convolution::product::LANES;

/// Tiles that are worked on together.
const BAND: usize = 64;

/// The tiles of an image. Rows of tiles are counted through all images.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl Grid {
    pub(super) fn new([height, width]: [usize; 2]) -> Self {
        Self { rows: height.div_ceil(TILE), columns: width.div_ceil(TILE) }
    }

    /// Rows of tiles that are worked on together.
    pub(super) fn band_rows(self) -> usize {
        (BAND / self.columns).max(1)
    }
}

/// How the tiles of a band lie in memory: `[block of channels][point][tile][16]`.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// From one point to the next.
    point: usize,
}

impl Layout {
    pub(super) fn new(tiles: usize) -> Self {
        // A line more than needed, or else all points fall into one set of the cache.
        Self { point: tiles * LANES + LANES }
    }

    /// Where a point begins in its block.
    pub(super) fn at(self, point: usize) -> usize {
        point * self.point
    }

    /// Floats of a block of channels.
    pub(super) fn block(self) -> usize {
        ALL_POINTS * self.point
    }
}

/// Floats of a row of tiles, with the pixels that the kernel sees around it.
pub(super) fn strip_len(grid: Grid) -> usize {
    POINTS * (TILE * grid.columns + 2) * LANES
}

/// Sixteen channels of a row of tiles: from their planes to `[row][column][16]`.
fn fill(
    strip: &mut [f32],
    columns: usize,
    planes: &[f32],
    size: [usize; 2],
    top: isize,
    left: isize,
) {
    let [height, width] = size;
    let channels = planes.len() / (height * width);
    let first = (-left).max(0) as usize;
    let last = (width as isize - left).clamp(0, columns as isize) as usize;
    for (row, line) in strip.chunks_exact_mut(columns * LANES).enumerate() {
        let y = top + row as isize;
        if channels < LANES || y < 0 || y >= height as isize || first >= last {
            line.fill(0.0);
        }
        if y < 0 || y >= height as isize || first >= last {
            continue;
        }
        line[..first * LANES].fill(0.0);
        line[last * LANES..].fill(0.0);
        let from = y as usize * width + (first as isize + left) as usize;
        for channel in 0..channels {
            let pixels = &planes[channel * height * width + from..][..last - first];
            let cells = line[first * LANES..].chunks_exact_mut(LANES);
            cells.zip(pixels).for_each(|(cell, pixel)| cell[channel] = *pixel);
        }
    }
}

/// Some rows of tiles, of one block of channels.
pub(super) struct Tiles<'a> {
    pub(super) images: &'a [f32],
    pub(super) channels: usize,
    pub(super) block: usize,
    pub(super) size: [usize; 2],
    pub(super) padding: [usize; 2],
    pub(super) grid: Grid,
    pub(super) rows: Range<usize>,
    pub(super) layout: Layout,
    /// Whether these are gradients in the output, of which a tile has 4×4, and not inputs, 6×6.
    pub(super) of_gradient: bool,
}

impl Tiles<'_> {
    /// Puts them at all points into `values`.
    pub(super) fn transform(self, strip: &mut [f32], values: &mut [f32]) {
        Arch::new().dispatch(ToPoints { tiles: self, strip, values });
    }
}

struct ToPoints<'a> {
    tiles: Tiles<'a>,
    strip: &'a mut [f32],
    values: &'a mut [f32],
}

impl WithSimd for ToPoints<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Tiles { images, channels, block, size, padding, grid, rows, layout, of_gradient } =
            self.tiles;
        let plane = size[0] * size[1];
        let columns = TILE * grid.columns + 2;
        let lines = if of_gradient { TILE } else { POINTS };
        let strip = &mut self.strip[..lines * columns * LANES];
        let first = block * LANES;
        let here = LANES.min(channels - first);
        for (index, tile_row) in rows.enumerate() {
            let (image, row) = (tile_row / grid.rows, tile_row % grid.rows);
            let planes = &images[(image * channels + first) * plane..][..here * plane];
            let top = (TILE * row) as isize - padding[0] as isize;
            fill(strip, columns, planes, size, top, -(padding[1] as isize));
            for column in 0..grid.columns {
                let first = (index * grid.columns + column) * LANES;
                for v in 0..LANES / S::F32_LANES {
                    let at = (TILE * column) * LANES;
                    let cells = |y: usize, x: usize| at + (y * columns + x) * LANES;
                    let points = if of_gradient {
                        both(
                            simd,
                            #[inline(always)]
                            |y, x| register::<S>(strip, cells(y, x), v),
                            #[inline(always)]
                            |line| transform::gradient(simd, line),
                        )
                    } else {
                        both(
                            simd,
                            #[inline(always)]
                            |y, x| register::<S>(strip, cells(y, x), v),
                            #[inline(always)]
                            |line| transform::input(simd, line),
                        )
                    };
                    for (y, points) in points.iter().enumerate() {
                        for (x, point) in points.iter().enumerate() {
                            let at = first + layout.at(POINTS * y + x);
                            S::as_mut_simd_f32s(&mut self.values[at..at + LANES]).0[v] = *point;
                        }
                    }
                }
            }
        }
    }
}

/// Some rows of tiles at all points, of one block of channels.
pub(super) struct Pixels<'a> {
    pub(super) values: &'a [f32],
    pub(super) layout: Layout,
    pub(super) grid: Grid,
    pub(super) rows: Range<usize>,
    pub(super) channels: usize,
    pub(super) block: usize,
    pub(super) size: [usize; 2],
    pub(super) bias: Option<&'a [f32]>,
}

impl Pixels<'_> {
    /// Puts their pixels into `output`, `[n, channels, h, w]`.
    pub(super) fn transform(self, strip: &mut [f32], output: &mut [f32]) {
        Arch::new().dispatch(FromPoints { pixels: self, strip, output });
    }
}

struct FromPoints<'a> {
    pixels: Pixels<'a>,
    strip: &'a mut [f32],
    output: &'a mut [f32],
}

impl WithSimd for FromPoints<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Pixels { values, layout, grid, rows, channels, block, size, bias } = self.pixels;
        let [height, width] = size;
        let columns = TILE * grid.columns;
        let first = block * LANES;
        let here = LANES.min(channels - first);
        for (index, tile_row) in rows.enumerate() {
            let (image, row) = (tile_row / grid.rows, tile_row % grid.rows);
            for column in 0..grid.columns {
                let first = (index * grid.columns + column) * LANES;
                for v in 0..LANES / S::F32_LANES {
                    let pixels: [[S::f32s; TILE]; TILE] = both(
                        simd,
                        #[inline(always)]
                        |y, x| register::<S>(values, first + layout.at(POINTS * y + x), v),
                        #[inline(always)]
                        |line| transform::output(simd, line),
                    );
                    for (y, pixels) in pixels.iter().enumerate() {
                        for (x, pixel) in pixels.iter().enumerate() {
                            let at = (y * columns + TILE * column + x) * LANES;
                            S::as_mut_simd_f32s(&mut self.strip[at..at + LANES]).0[v] = *pixel;
                        }
                    }
                }
            }
            for y in 0..TILE.min(height - TILE * row) {
                let line = &self.strip[y * columns * LANES..][..width * LANES];
                for channel in 0..here {
                    let bias = bias.map_or(0.0, |bias| bias[first + channel]);
                    let at =
                        ((image * channels + first + channel) * height + TILE * row + y) * width;
                    let cells = line.chunks_exact(LANES);
                    let pixels = self.output[at..at + width].iter_mut();
                    pixels.zip(cells).for_each(|(pixel, cell)| *pixel = cell[channel] + bias);
                }
            }
        }
    }
}
