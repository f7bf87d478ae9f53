//! The patches that a kernel sees, a tile of output pixels at a time.
//!
//! The output pixels of all images are counted through. The patches of a tile lie as
//! `[pixel / 16][row][pixel % 16]`, where a row is one weight of the kernel, (channel, y, x).

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::pixels::pixel_runs;
use crate::flex::convolution::product::LANES;
use crate::flex::convolution::shape::Shape;

/// The output pixels of one image that a tile covers, and where their input is staged.
struct Run {
    image: usize,
    first_row: usize,
    rows: usize,
    staged: usize,
}

/// Output pixels that are neighbours in a row and in a block of sixteen.
struct Segment {
    staged: usize,
    pixel: usize,
    len: usize,
}

/// The columns of one place within a stride: `seen` pixels from `from` on, staged from `first` on, between zeros.
struct Place {
    first: usize,
    from: usize,
    seen: usize,
}

/// The geometry of a tile, the same for all channels.
///
/// A channel's part of the input is staged first: with its padding, and the columns sorted by their place
/// within a stride. There the pixels that a weight meets along a segment are neighbours.
pub(crate) struct Tile<'a> {
    shape: &'a Shape,
    runs: Vec<Run>,
    segments: Vec<Segment>,
    /// From where a segment is staged to the pixels that each weight meets.
    taps: Vec<usize>,
    places: Vec<Place>,
    /// Columns of one place within a stride.
    width: usize,
    staged: usize,
    pixels: Range<usize>,
}

impl<'a> Tile<'a> {
    /// The tile of some pixels.
    pub(crate) fn new(shape: &'a Shape, pixels: Range<usize>) -> Self {
        let [height, columns] = shape.size_out;
        let width = columns + (shape.kernel[1] - 1) * shape.dilation[1] / shape.stride[1];
        let line = shape.stride[1] * width;
        let tap = |y: usize, x: usize| {
            let (y, x) = (y * shape.dilation[0], x * shape.dilation[1]);
            y * line + x % shape.stride[1] * width + x / shape.stride[1]
        };
        let rows = 0..shape.kernel[0];
        let mut tile = Tile {
            shape,
            runs: Vec::new(),
            segments: Vec::new(),
            taps: rows
                .flat_map(|y| (0..shape.kernel[1]).map(move |x| (y, x)))
                .map(|(y, x)| tap(y, x))
                .collect(),
            places: (0..shape.stride[1]).map(|at| Place::new(shape, width, at)).collect(),
            width,
            staged: 0,
            pixels: pixels.clone(),
        };
        let mut pixel = pixels.start;
        while pixel < pixels.end {
            let (image, within) = (pixel / (height * columns), pixel % (height * columns));
            let (row, column) = (within / columns, within % columns);
            let start = pixel - pixels.start;
            let len = (columns - column).min(LANES - start % LANES).min(pixels.end - pixel);
            if tile.runs.last().is_none_or(|run| run.image != image) {
                tile.runs.push(Run { image, first_row: row, rows: 0, staged: tile.staged });
            }
            let run = tile.runs.last_mut().expect("a run was begun");
            run.rows = row - run.first_row + 1;
            let staged = run.staged + (row - run.first_row) * shape.stride[0] * line + column;
            tile.staged = run.staged + staged_rows(shape, run) * line;
            tile.segments.push(Segment { staged, pixel: start, len });
            pixel += len;
        }
        tile
    }

    /// Blocks of sixteen pixels.
    pub(crate) fn blocks(&self) -> usize {
        self.pixels.len().div_ceil(LANES)
    }

    /// Floats from one block of the patches to the next: one line is spare, for `gather` to run over into.
    pub(crate) fn block(&self, channels: usize) -> usize {
        (channels * self.taps.len() + 1) * LANES
    }

    /// Floats of the patches of some channels.
    pub(crate) fn patches_len(&self, channels: usize) -> usize {
        self.blocks() * self.block(channels)
    }

    /// Floats that staging takes.
    pub(crate) fn stage_len(&self) -> usize {
        self.staged + LANES
    }

    /// Gathers the patches of some channels.
    pub(crate) fn gather(
        &self,
        input: &[f32],
        channels: Range<usize>,
        stage: &mut [f32],
        patches: &mut [f32],
    ) {
        if self.shape.is_pointwise() {
            return self.copy(input, channels, patches);
        }
        let block = self.block(channels.len());
        let arch = Arch::new();
        for (index, channel) in channels.enumerate() {
            self.stage(input, channel, stage);
            let patches = &mut patches[index * self.taps.len() * LANES..];
            arch.dispatch(Gather { tile: self, stage, block, patches });
        }
    }

    /// Gathers patches that are pixels.
    fn copy(&self, input: &[f32], channels: Range<usize>, patches: &mut [f32]) {
        let (plane, block) = (self.shape.pixels_in(), self.block(channels.len()));
        let runs = pixel_runs(self.pixels.clone(), plane);
        for (index, channel) in channels.enumerate() {
            for run in &runs {
                let at = (run.image * self.shape.channels_in + channel) * plane + run.pixel;
                let to = run.start / LANES * block + index * LANES + run.start % LANES;
                match input[at..at + run.len].first_chunk::<LANES>() {
                    Some(line) => patches[to..to + LANES].copy_from_slice(line),
                    None => patches[to..to + run.len].copy_from_slice(&input[at..at + run.len]),
                }
            }
        }
    }

    /// Adds patches to the pixels that they would have been gathered from. `output` begins with channel `first`.
    pub(crate) fn scatter(
        &self,
        patches: &[f32],
        channels: Range<usize>,
        stage: &mut [f32],
        output: &mut [f32],
        first: usize,
    ) {
        let block = self.block(channels.len());
        let arch = Arch::new();
        for (index, channel) in channels.enumerate() {
            let patches = &patches[index * self.taps.len() * LANES..];
            arch.dispatch(Scatter { tile: self, patches, block, stage });
            self.unstage(stage, channel - first, output);
        }
    }

    fn stage(&self, input: &[f32], channel: usize, stage: &mut [f32]) {
        let [height, width] = self.shape.size_in;
        let line = self.shape.stride[1] * self.width;
        for run in &self.runs {
            let at = (run.image * self.shape.channels_in + channel) * height * width;
            let plane = &input[at..at + height * width];
            for row in 0..staged_rows(self.shape, run) {
                let staged = &mut stage[run.staged + row * line..][..line];
                let y =
                    (run.first_row * self.shape.stride[0] + row).checked_sub(self.shape.padding[0]);
                match y.filter(|y| *y < height) {
                    Some(y) => self.stage_line(&plane[y * width..(y + 1) * width], staged),
                    None => staged.fill(0.0),
                }
            }
        }
    }

    fn stage_line(&self, pixels: &[f32], staged: &mut [f32]) {
        let stride = self.shape.stride[1];
        for (place, staged) in self.places.iter().zip(staged.chunks_exact_mut(self.width)) {
            let (before, rest) = staged.split_at_mut(place.first);
            let (seen, after) = rest.split_at_mut(place.seen);
            before.fill(0.0);
            after.fill(0.0);
            if stride == 1 {
                seen.copy_from_slice(&pixels[place.from..][..place.seen]);
                continue;
            }
            let mut at = place.from;
            for cell in seen {
                *cell = pixels[at];
                at += stride;
            }
        }
    }

    fn unstage(&self, stage: &[f32], channel: usize, output: &mut [f32]) {
        let [height, width] = self.shape.size_in;
        let line = self.shape.stride[1] * self.width;
        for run in &self.runs {
            let at = (run.image * self.shape.channels_in + channel) * height * width;
            let plane = &mut output[at..at + height * width];
            for row in 0..staged_rows(self.shape, run) {
                let y =
                    (run.first_row * self.shape.stride[0] + row).checked_sub(self.shape.padding[0]);
                let Some(y) = y.filter(|y| *y < height) else { continue };
                let staged = &stage[run.staged + row * line..][..line];
                let pixels = &mut plane[y * width..(y + 1) * width];
                for (place, staged) in self.places.iter().zip(staged.chunks_exact(self.width)) {
                    let mut at = place.from;
                    for cell in &staged[place.first..][..place.seen] {
                        pixels[at] += cell;
                        at += self.shape.stride[1];
                    }
                }
            }
        }
    }
}

/// Copies a channel's patches from where it is staged.
struct Gather<'a> {
    tile: &'a Tile<'a>,
    stage: &'a [f32],
    block: usize,
    patches: &'a mut [f32],
}

impl WithSimd for Gather<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Tile { segments, taps, .. } = self.tile;
        let in_blocks = segments.chunk_by(|a, b| a.pixel / LANES == b.pixel / LANES);
        for (segments, patches) in in_blocks.zip(self.patches.chunks_mut(self.block)) {
            for (tap, offset) in taps.iter().enumerate() {
                for segment in segments {
                    // Sixteen pixels at once: what is too many is overwritten by what comes next.
                    let pixels: &[f32; LANES] = self.stage[segment.staged + offset..]
                        .first_chunk()
                        .expect("a line to spare");
                    let at = tap * LANES + segment.pixel % LANES;
                    patches[at..at + LANES].copy_from_slice(pixels);
                }
            }
        }
    }
}

/// Adds up a channel's patches where it is staged.
struct Scatter<'a> {
    tile: &'a Tile<'a>,
    patches: &'a [f32],
    block: usize,
    stage: &'a mut [f32],
}

impl WithSimd for Scatter<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Scatter { tile: Tile { segments, taps, .. }, patches, block, stage } = self;
        stage.fill(0.0);
        // Weight by weight, so that no sum depends on where the segments begin.
        for (tap, offset) in taps.iter().enumerate() {
            for segment in segments {
                let line = segment.pixel / LANES * block + tap * LANES;
                let cells = &patches[line + segment.pixel % LANES..][..segment.len];
                let pixels = &mut stage[segment.staged + offset..][..segment.len];
                for (pixel, cell) in pixels.iter_mut().zip(cells) {
                    *pixel += cell;
                }
            }
        }
    }
}

impl Place {
    fn new(shape: &Shape, width: usize, place: usize) -> Self {
        let (stride, padding) = (shape.stride[1], shape.padding[1]);
        let first = padding.saturating_sub(place).div_ceil(stride);
        let from = first * stride + place - padding;
        let seen = shape.size_in[1].saturating_sub(from).div_ceil(stride);
        let first = first.min(width);
        Place { first, from, seen: seen.min(width - first) }
    }
}

/// Rows of the input that a run sees.
fn staged_rows(shape: &Shape, run: &Run) -> usize {
    (run.rows - 1) * shape.stride[0] + (shape.kernel[0] - 1) * shape.dilation[0] + 1
}
