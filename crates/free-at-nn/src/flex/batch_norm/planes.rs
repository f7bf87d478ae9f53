//! Passes over images `[n, channels, plane]`, each channel's sums in an order that does not depend on the
//! number of threads.

use pulp::Arch;
use rayon::prelude::*;

use crate::activation::Activation;

/// Floats that a thread takes at a time.
const GRAIN: usize = 1 << 14;

/// Sums side by side.
const LANES: usize = 16;

/// The sizes of images.
#[derive(Clone, Copy)]
pub(super) struct Planes {
    pub(super) images: usize,
    pub(super) channels: usize,
    pub(super) plane: usize,
}

/// x · slope + shift.
#[derive(Clone, Copy)]
pub(super) struct Line {
    pub(super) slope: f32,
    pub(super) shift: f32,
}

impl Line {
    #[inline(always)]
    fn at(self, x: f32) -> f32 {
        x * self.slope + self.shift
    }
}

/// Of the gradient before the activation: its sum, and that of its products with input − mean.
#[derive(Clone, Copy)]
pub(super) struct Sums {
    pub(super) total: f32,
    pub(super) moment: f32,
}

/// What there is on the way back.
pub(super) struct Backward<'a> {
    pub(super) gradient: &'a [f32],
    pub(super) input: &'a [f32],
    pub(super) lines: &'a [Line],
    pub(super) mean: &'a [f32],
    pub(super) activation: Activation,
}

impl Backward<'_> {
    /// The sums of a plane.
    #[inline(always)]
    fn sums(&self, channel: usize, input: &[f32], gradient: &[f32]) -> Sums {
        let (line, mean) = (self.lines[channel], self.mean[channel]);
        let (mut totals, mut moments) = ([0.0; LANES], [0.0; LANES]);
        let (inputs, gradients) = (input.chunks(LANES), gradient.chunks(LANES));
        for (input, gradient) in inputs.zip(gradients) {
            let sums = totals.iter_mut().zip(&mut moments);
            for ((total, moment), (x, gradient)) in sums.zip(input.iter().zip(gradient)) {
                let gradient = self.activation.gradient(line.at(*x), *gradient);
                *total += gradient;
                *moment += gradient * (x - mean);
            }
        }
        Sums { total: totals.iter().sum(), moment: moments.iter().sum() }
    }
}

impl Planes {
    /// Whether a pass takes less than about a tenth of a millisecond.
    pub(super) fn are_small(self) -> bool {
        self.images * self.channels * self.plane < 1 << 18
    }

    /// Mean and variance of each channel.
    pub(super) fn statistics(self, input: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let count = (self.images * self.plane) as f64;
        let of_channel = self.each_channel(
            #[inline(always)]
            |channel| {
                let planes = || self.of(channel, input);
                let mean = (planes().map(sum).sum::<f64>() / count) as f32;
                let squares = planes().map(
                    #[inline(always)]
                    |plane| squares(plane, mean),
                );
                (mean, (squares.sum::<f64>() / count) as f32)
            },
        );
        of_channel.into_iter().unzip()
    }

    /// Each channel along its line, then through the activation.
    pub(super) fn along(self, input: &[f32], lines: &[Line], activation: Activation) -> Vec<f32> {
        self.each_plane(
            #[inline(always)]
            |channel, at, out| {
                let line = lines[channel];
                for (out, x) in out.iter_mut().zip(&input[at..]) {
                    *out = activation.of(line.at(*x));
                }
            },
        )
    }

    /// The gradient of `along`, which gave `output`, if lines do not depend on the input.
    pub(super) fn scaled(
        self,
        gradient: &[f32],
        output: &[f32],
        scales: &[f32],
        activation: Activation,
    ) -> Vec<f32> {
        self.each_plane(
            #[inline(always)]
            |channel, at, out| {
                let scale = scales[channel];
                for ((out, gradient), y) in out.iter_mut().zip(&gradient[at..]).zip(&output[at..]) {
                    *out = scale * activation.gradient(*y, *gradient);
                }
            },
        )
    }

    /// The sums of each channel on the way back.
    pub(super) fn sums(self, backward: &Backward) -> Vec<Sums> {
        self.each_channel(
            #[inline(always)]
            |channel| {
                let (mut total, mut moment) = (0.0, 0.0);
                let planes =
                    self.of(channel, backward.input).zip(self.of(channel, backward.gradient));
                for (input, gradient) in planes {
                    let sums = backward.sums(channel, input, gradient);
                    total += f64::from(sums.total);
                    moment += f64::from(sums.moment);
                }
                Sums { total: total as f32, moment: moment as f32 }
            },
        )
    }

    /// The gradient in the input, whose batch had these standard deviations, as one over them.
    pub(super) fn gradient(self, backward: &Backward, sums: &[Sums], inverses: &[f32]) -> Vec<f32> {
        let Backward { gradient, input, lines, mean, activation } = *backward;
        let count = (self.images * self.plane) as f32;
        self.each_plane(
            #[inline(always)]
            |channel, at, out| {
                let (line, mean, inverse) = (lines[channel], mean[channel], inverses[channel]);
                let average = sums[channel].total / count;
                let along = inverse * inverse * sums[channel].moment / count;
                let planes = out.iter_mut().zip(&input[at..]).zip(&gradient[at..]);
                for ((out, x), gradient) in planes {
                    let gradient = activation.gradient(line.at(*x), *gradient);
                    *out = line.slope * (gradient - average - (x - mean) * along);
                }
            },
        )
    }

    /// The planes of a channel, image by image.
    #[inline(always)]
    fn of(self, channel: usize, values: &[f32]) -> impl Iterator<Item = &[f32]> {
        values.chunks_exact(self.plane).skip(channel).step_by(self.channels)
    }

    fn each_channel<T: Send>(self, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
        let channels = (GRAIN / (self.images * self.plane)).max(1);
        let all = (0..self.channels).into_par_iter().with_min_len(channels);
        all.map(|channel| {
            Arch::new().dispatch(
                #[inline(always)]
                || work(channel),
            )
        })
        .collect()
    }

    /// Makes images, plane by plane: `work` gets the channel, where the plane begins, and the plane.
    fn each_plane(self, work: impl Fn(usize, usize, &mut [f32]) + Sync) -> Vec<f32> {
        let mut output = vec![0.0; self.images * self.channels * self.plane];
        let planes = (GRAIN / self.plane).max(1);
        output.par_chunks_mut(planes * self.plane).enumerate().for_each(|(task, output)| {
            Arch::new().dispatch(
                #[inline(always)]
                || {
                    for (index, plane) in output.chunks_exact_mut(self.plane).enumerate() {
                        let index = task * planes + index;
                        work(index % self.channels, index * self.plane, plane);
                    }
                },
            );
        });
        output
    }
}

/// The sum of a plane.
#[inline(always)]
fn sum(plane: &[f32]) -> f64 {
    let mut sums = [0.0; LANES];
    for line in plane.chunks(LANES) {
        sums.iter_mut().zip(line).for_each(
            #[inline(always)]
            |(sum, x)| *sum += x,
        );
    }
    f64::from(sums.iter().sum::<f32>())
}

/// The sum of the squares of x − mean.
#[inline(always)]
fn squares(plane: &[f32], mean: f32) -> f64 {
    let mut sums = [0.0; LANES];
    for line in plane.chunks(LANES) {
        for (sum, x) in sums.iter_mut().zip(line) {
            *sum += (x - mean) * (x - mean);
        }
    }
    f64::from(sums.iter().sum::<f32>())
}
