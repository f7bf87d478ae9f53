//! An image as corruptions see it.

/// An image: channels, height, width, values in [0, 1], row-major.
pub(super) struct Plane<'a> {
    pub(super) values: &'a [f32],
    pub(super) channels: usize,
    pub(super) height: usize,
    pub(super) width: usize,
}

impl Plane<'_> {
    pub(super) fn channel(&self, channel: usize) -> &[f32] {
        let size = self.height * self.width;
        &self.values[channel * size..(channel + 1) * size]
    }

    pub(super) fn channels(&self) -> impl Iterator<Item = &[f32]> {
        (0..self.channels).map(|channel| self.channel(channel))
    }

    /// The three channels of each pixel.
    pub(super) fn pixels(&self) -> impl Iterator<Item = [f32; 3]> {
        let of = |pixel: usize| [0, 1, 2].map(|channel| self.channel(channel)[pixel]);
        (0..self.height * self.width).map(of)
    }
}
