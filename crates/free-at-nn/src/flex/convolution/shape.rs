//! The sizes of a convolution.

/// The sizes of a convolution. Pairs are (height, width).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) images: usize,
    pub(crate) channels_in: usize,
    pub(crate) channels_out: usize,
    pub(crate) size_in: [usize; 2],
    pub(crate) size_out: [usize; 2],
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    /// Zeros above and to the left of the input; how many are below and to the right follows from `size_out`.
    pub(crate) padding: [usize; 2],
    pub(crate) dilation: [usize; 2],
    pub(crate) groups: usize,
}

impl Shape {
    /// Weights of a kernel.
    pub(crate) fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Input channels of a group.
    pub(crate) fn group_in(&self) -> usize {
        self.channels_in / self.groups
    }

    /// Output channels of a group.
    pub(crate) fn group_out(&self) -> usize {
        self.channels_out / self.groups
    }

    pub(crate) fn pixels_in(&self) -> usize {
        self.size_in[0] * self.size_in[1]
    }

    pub(crate) fn pixels_out(&self) -> usize {
        self.size_out[0] * self.size_out[1]
    }

    /// Whether a kernel sees the one pixel that it stands on.
    pub(crate) fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.stride == [1, 1] && self.size_out == self.size_in
    }

    /// Whether there is nothing to compute.
    pub(crate) fn is_empty(&self) -> bool {
        self.images * self.channels_in * self.channels_out * self.pixels_in() * self.pixels_out()
            == 0
    }

    /// Whether it takes less than about a millisecond.
    pub(crate) fn is_small(&self) -> bool {
        const MULTIPLICATIONS: usize = 1 << 26;
        let outputs = self.images * self.channels_out * self.pixels_out();
        outputs * self.group_in() * self.taps() < MULTIPLICATIONS
    }

    /// Input pixels between the first and the last that a kernel sees.
    fn reach(&self, side: usize) -> usize {
        (self.kernel[side] - 1) * self.dilation[side]
    }

    /// The convolution that takes gradients in the output to gradients in the input, with the kernels turned
    /// by half a turn and the channels exchanged; only stride 1 has one.
    pub(crate) fn transposed(&self) -> Option<Self> {
        let padding = |side| self.reach(side).checked_sub(self.padding[side]);
        let padding = [padding(0)?, padding(1)?];
        (self.stride == [1, 1]).then_some(Self {
            channels_in: self.channels_out,
            channels_out: self.channels_in,
            size_in: self.size_out,
            size_out: self.size_in,
            padding,
            ..*self
        })
    }
}
