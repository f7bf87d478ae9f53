//! Parts of a batch that are summed apart.

use std::ops::Range;

/// Kernels of at most this many weights are summed for several parts of the batch apart: they are too few
/// to be shared out over the workers.
const FEW: usize = 1 << 15;
const PARTS: usize = 16;

/// Parts of a batch, for sums over its images of so many weights: as many for any number of threads.
pub(super) struct Parts {
    all: usize,
    each: usize,
    weights: usize,
}

impl Parts {
    pub(super) fn of(all: usize, weights: usize) -> Self {
        let each = if weights <= FEW { all.div_ceil(PARTS) } else { all };
        Self { all, each, weights }
    }

    pub(super) fn count(&self) -> usize {
        self.all.div_ceil(self.each)
    }

    pub(super) fn images(&self, part: usize) -> Range<usize> {
        part * self.each..self.all.min((part + 1) * self.each)
    }

    /// Adds the sums of all to those of the first.
    pub(super) fn total<'a>(&self, sums: &'a mut [f32]) -> &'a [f32] {
        let (total, parts) = sums.split_at_mut(self.weights);
        for part in parts.chunks_exact(self.weights) {
            total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
        }
        total
    }
}
