//! Weights at all points.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::{ParallelSlice, ParallelSliceMut};

use super::transform::{self, ALL_POINTS, POINTS, both, register};
use crate::flex::convolution::product::{LANES, blocks};
use crate::flex::convolution::shape::Shape;

/// Weights of a kernel.
const TAPS: usize = 9;

/// How the weights are to be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// `[out, in, 3, 3]`.
    AsTheyAre,
    /// `[in, out, 3, 3]`, each kernel turned by half a turn: for the gradient in the input.
    Turned,
}

/// The weights at all points: `[pair of blocks of channels out][point][block][channel in][16]`.
pub(super) struct Kernels<'a> {
    values: &'a [f32],
    channels_in: usize,
}

/// From one point to the next; a line more than needed, or else all points fall into one set of the cache.
fn point_len(channels_in: usize) -> usize {
    2 * channels_in * LANES + LANES
}

fn pair_len(channels_in: usize) -> usize {
    ALL_POINTS * point_len(channels_in)
}

impl<'a> Kernels<'a> {
    /// Floats that they take.
    pub(super) fn len(shape: &Shape) -> usize {
        blocks(shape.channels_out).div_ceil(2) * pair_len(shape.channels_in)
    }

    /// Puts the weights at all points into `values`.
    pub(super) fn transform(
        weight: &[f32],
        order: Order,
        shape: &Shape,
        values: &'a mut [f32],
    ) -> Self {
        let (channels_in, channels_out) = (shape.channels_in, shape.channels_out);
        values.par_chunks_exact_mut(pair_len(channels_in)).enumerate().for_each(
            |(pair, values)| {
                for block in 0..2 {
                    let first = (2 * pair + block) * LANES;
                    let out = first..channels_out.min(first + LANES);
                    if !out.is_empty() {
                        Arch::new().dispatch(Transform {
                            weight,
                            order,
                            channels_in,
                            channels_out,
                            out,
                            block,
                            values,
                        });
                    }
                }
            },
        );
        Self { values, channels_in }
    }

    /// Those of a pair of blocks at a point.
    pub(super) fn at(&self, pair: usize, point: usize) -> &[f32] {
        let at = pair * pair_len(self.channels_in) + point * point_len(self.channels_in);
        &self.values[at..at + point_len(self.channels_in)]
    }

    /// All (pair, point, values), to be worked on side by side.
    pub(super) fn points<'b>(
        values: &'b mut [f32],
        shape: &Shape,
    ) -> impl ParallelIterator<Item = (usize, usize, &'b mut [f32])> {
        let points = values.par_chunks_exact_mut(point_len(shape.channels_in)).enumerate();
        points.map(|(index, values)| (index / ALL_POINTS, index % ALL_POINTS, values))
    }
}

struct Transform<'a> {
    weight: &'a [f32],
    order: Order,
    channels_in: usize,
    channels_out: usize,
    out: Range<usize>,
    block: usize,
    values: &'a mut [f32],
}

impl WithSimd for Transform<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let mut taps = [[0.0f32; LANES]; TAPS];
        for channel in 0..self.channels_in {
            for (lane, out) in self.out.clone().enumerate() {
                match self.order {
                    Order::AsTheyAre => {
                        let kernel =
                            &self.weight[(out * self.channels_in + channel) * TAPS..][..TAPS];
                        taps.iter_mut().zip(kernel).for_each(|(tap, weight)| tap[lane] = *weight);
                    }
                    Order::Turned => {
                        let kernel =
                            &self.weight[(channel * self.channels_out + out) * TAPS..][..TAPS];
                        taps.iter_mut()
                            .rev()
                            .zip(kernel)
                            .for_each(|(tap, weight)| tap[lane] = *weight);
                    }
                }
            }
            for v in 0..LANES / S::F32_LANES {
                let points = both(
                    simd,
                    #[inline(always)]
                    |y, x| register::<S>(&taps[3 * y + x], 0, v),
                    #[inline(always)]
                    |line| transform::weight(simd, line),
                );
                let first = (self.block * self.channels_in + channel) * LANES;
                for (y, points) in points.iter().enumerate() {
                    for (x, point) in points.iter().enumerate() {
                        let at = first + (POINTS * y + x) * point_len(self.channels_in);
                        S::as_mut_simd_f32s(&mut self.values[at..at + LANES]).0[v] = *point;
                    }
                }
            }
        }
    }
}

/// The gradient in the weights, `[out, in, 3, 3]`, from that in the weights at all points.
pub(super) fn transform_back(values: &[f32], shape: &Shape) -> Vec<f32> {
    let channels_in = shape.channels_in;
    let mut weight = vec![0.0; shape.channels_out * channels_in * TAPS];
    let pairs = weight.par_chunks_mut(2 * LANES * channels_in * TAPS);
    pairs.zip(values.par_chunks_exact(pair_len(channels_in))).for_each(|(weight, values)| {
        Arch::new().dispatch(TransformBack { values, channels_in, weight })
    });
    weight
}

struct TransformBack<'a> {
    values: &'a [f32],
    channels_in: usize,
    /// The weights of two blocks of output channels.
    weight: &'a mut [f32],
}

impl WithSimd for TransformBack<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let mut taps = [[0.0f32; LANES]; TAPS];
        let kernels = self.channels_in * TAPS;
        for (block, weight) in self.weight.chunks_mut(LANES * kernels).enumerate() {
            for channel in 0..self.channels_in {
                let first = (block * self.channels_in + channel) * LANES;
                for v in 0..LANES / S::F32_LANES {
                    let kernel: [[S::f32s; 3]; 3] = both(
                        simd,
                        #[inline(always)]
                        |y, x| {
                            let at = first + (POINTS * y + x) * point_len(self.channels_in);
                            register::<S>(self.values, at, v)
                        },
                        #[inline(always)]
                        |line| transform::weight_gradient(simd, line),
                    );
                    for (tap, weight) in taps.iter_mut().zip(kernel.iter().flatten()) {
                        S::as_mut_simd_f32s(tap).0[v] = *weight;
                    }
                }
                for (lane, weight) in weight.chunks_exact_mut(kernels).enumerate() {
                    let weight = &mut weight[channel * TAPS..][..TAPS];
                    weight.iter_mut().zip(&taps).for_each(|(weight, tap)| *weight = tap[lane]);
                }
            }
        }
    }
}
