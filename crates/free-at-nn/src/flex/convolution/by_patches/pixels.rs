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
    pub(super) image: usize,
    /// Where it begins in its plane, and in the tile.
    pub(super) pixel: usize,
    pub(super) start: usize,
    pub(super) len: usize,
}

/// The runs of a tile's pixels, in planes of `plane` pixels.
pub(super) fn pixel_runs(pixels: Range<usize>, plane: usize) -> Vec<PixelRun> {
    let mut runs = Vec::new();
    let mut next = pixels.start;
    while next < pixels.end {
        let (start, pixel) = (next - pixels.start, next % plane);
        let len = (plane - pixel).min(LANES - start % LANES).min(pixels.end - next);
        runs.push(PixelRun { image: next / plane, pixel, start, len });
        next += len;
    }
    runs
}
