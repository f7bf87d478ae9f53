//! Tiles of output pixels, which are counted through all images.

use std::ops::Range;

use crate::flex::convolution::product::LANES;

/// Floats of the patches of a tile: half a mebibyte.
const TILE: usize = 1 << 17;

/// Pixels of a tile, at most.
pub(super) const PIXELS: usize = 256;

/// Pixels of a tile whose patches have `rows` weights, of `pixels` in all.
pub(super) fn tile_pixels(rows: usize, pixels: usize) -> usize {
    (TILE / rows).clamp(2 * LANES, PIXELS).min(pixels).next_multiple_of(2 * LANES)
}

/// Cuts pixels into tiles of at most `step`, each of whole images or within one: where an image is cut must not
/// depend on the others in its batch.
pub(super) fn image_tiles(
    pixels: usize,
    plane: usize,
    step: usize,
) -> impl Iterator<Item = Range<usize>> {
    let whole = (step / plane * plane).max(plane);
    (0..pixels).step_by(whole).flat_map(move |start| {
        let end = pixels.min(start + whole);
        (start..end).step_by(step).map(move |start| start..end.min(start + step))
    })
}

/// Pixels that are neighbours in a plane and in a block of sixteen.
pub(super) struct PixelRun {
    pub(super) channel: usize,
    /// Where it begins among the pixels of all images, and in the tile.
    pub(super) pixel: usize,
    pub(super) start: usize,
    pub(super) len: usize,
}

/// The runs of a tile's pixels, channel by channel, in planes of `plane` pixels.
pub(super) fn pixel_runs(
    pixels: Range<usize>,
    plane: usize,
    channels: usize,
) -> impl Iterator<Item = PixelRun> {
    let mut next = (0, pixels.start);
    std::iter::from_fn(move || {
        if next.1 == pixels.end {
            next = (next.0 + 1, pixels.start);
        }
        let (channel, pixel) = next;
        let start = pixel - pixels.start;
        let len = (plane - pixel % plane).min(LANES - start % LANES).min(pixels.end - pixel);
        next.1 += len;
        (channel < channels).then_some(PixelRun { channel, pixel, start, len })
    })
}
