//! Random numbers that depend on what is drawn for, and on nothing else.

use burn::tensor::{DType, Device, Tensor, TensorData};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;

/// The random draws of one attack on one batch, keyed by (seed, sample, attack, restart, step).
///
/// Each sample has a generator of its own, so what is drawn for it is the same in any batch,
/// beside any neighbours and on any device. The numbers are drawn on the host, on all its cores, and
/// sent: that needs no answer from the device.
///
/// ```
/// use burn::tensor::Device;
/// use free_at_core::Draws;
///
/// let device = Device::flex();
/// let both = Draws::new(0, vec![3, 7]).uniform([2, 5], &device);
/// let alone = Draws::new(0, vec![7]).uniform([1, 5], &device);
/// assert_eq!(both.slice([1..2]).into_data(), alone.into_data());
/// ```
#[derive(Debug, Clone)]
pub struct Draws {
    seed: u64,
    stream: u64,
    restart: u64,
    step: u64,
    samples: Vec<u64>,
}

/// Tells the draws of models from those of attacks.
const OF_MODELS: u64 = 0x6d6f_6465_6c73_2e2e;

impl Draws {
    /// Draws for the samples with these indices in their data set.
    pub fn new(seed: u64, samples: Vec<u64>) -> Self {
        Self { seed, stream: 0, restart: 0, step: 0, samples }
    }

    /// The same for another attack, told apart by its position or any other number.
    #[must_use]
    pub fn for_attack(mut self, attack: u64) -> Self {
        self.stream = attack;
        self
    }

    /// The same for another restart, counted from 0.
    #[must_use]
    pub fn for_restart(&self, restart: usize) -> Self {
        Self { restart: restart as u64, ..self.clone() }
    }

    /// The same for another step of the same run, counted from 0.
    #[must_use]
    pub fn for_step(&self, step: usize) -> Self {
        Self { step: step as u64, ..self.clone() }
    }

    /// The draws of a model that was asked about each sample so often before, in the same run: other ones than an
    /// attack's, and for every call.
    #[must_use]
    pub fn of_model(&self, calls: &[u64]) -> Self {
        let key = |(&sample, &call): (&u64, &u64)| mix(mix(sample ^ OF_MODELS) ^ mix(call));
        Self { samples: self.samples.iter().zip(calls).map(key).collect(), ..self.clone() }
    }

    /// Those of a model inside a model that draws: others, for the same sample and call.
    #[must_use]
    pub fn nested(&self) -> Self {
        self.of_model(&vec![0; self.len()])
    }

    /// The samples' indices in their data set.
    pub fn samples(&self) -> &[u64] {
        &self.samples
    }

    /// The draws of some of the samples, by their positions here.
    #[must_use]
    pub fn select(&self, positions: &[usize]) -> Self {
        let samples = positions.iter().map(|&at| self.samples[at]).collect();
        Self { samples, ..self.clone() }
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Uniform numbers in [-1, 1), of shape `[samples, …]`.
    pub fn uniform<const D: usize>(&self, shape: [usize; D], device: &Device) -> Tensor<D> {
        self.fill(shape, device, |rng, row| {
            row.iter_mut().for_each(|value| *value = 2.0 * unit(rng) - 1.0);
        })
    }

    /// Standard normal numbers, of shape `[samples, …]`.
    pub fn normal<const D: usize>(&self, shape: [usize; D], device: &Device) -> Tensor<D> {
        self.fill(shape, device, |rng, row| {
            row.iter_mut().for_each(|value| *value = normal(rng));
        })
    }

    /// `count` uniform numbers in [0, 1) for each sample, on the host, sample by sample.
    pub fn units(&self, count: usize) -> Vec<Vec<f32>> {
        self.on_host(count, unit)
    }

    /// `count` standard normal numbers for each sample, on the host, sample by sample.
    pub fn normals(&self, count: usize) -> Vec<Vec<f32>> {
        self.on_host(count, normal)
    }

    fn on_host(&self, count: usize, draw: fn(&mut Xoshiro256PlusPlus) -> f32) -> Vec<Vec<f32>> {
        let of = |&sample: &u64| {
            let mut generator = self.generator(sample);
            (0..count).map(|_| draw(&mut generator)).collect()
        };
        self.samples.iter().map(of).collect()
    }

    /// A point of the unit ball for each sample, uniform in volume over the features whose
    /// entry in `changes` is above 0 (all, if there is none); the other features are zero.
    pub fn unit_ball<const D: usize>(
        &self,
        shape: [usize; D],
        changes: Option<&[f32]>,
        device: &Device,
    ) -> Tensor<D> {
        self.fill(shape, device, |rng, row| {
            row.iter_mut().for_each(|value| *value = normal(rng));
            let free = only_free(row, changes);
            let length = row.iter().map(|v| v * v).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
            let radius = unit(rng).powf(1.0 / free.max(1) as f32);
            row.iter_mut().for_each(|value| *value *= radius / length);
        })
    }

    /// The same for the cross, the unit ball of L1.
    pub fn unit_cross<const D: usize>(
        &self,
        shape: [usize; D],
        changes: Option<&[f32]>,
        device: &Device,
    ) -> Tensor<D> {
        self.fill(shape, device, |rng, row| {
            // Gaps between uniform numbers are exponential ones over their sum.
            row.iter_mut().for_each(|value| *value = -(1.0 - unit(rng)).ln());
            let free = only_free(row, changes);
            let length = row.iter().sum::<f32>().max(f32::MIN_POSITIVE);
            let radius = unit(rng).powf(1.0 / free.max(1) as f32);
            for value in row {
                let sign = if unit(rng) < 0.5 { -1.0 } else { 1.0 };
                *value *= sign * radius / length;
            }
        })
    }

    fn fill<const D: usize>(
        &self,
        shape: [usize; D],
        device: &Device,
        draw: impl Fn(&mut Xoshiro256PlusPlus, &mut [f32]) + Sync,
    ) -> Tensor<D> {
        let features: usize = shape[1..].iter().product();
        let mut values = vec![0.0; shape[0] * features];
        let rows = values.par_chunks_mut(features.max(1)).zip(&self.samples);
        rows.for_each(|(row, &sample)| draw(&mut self.generator(sample), row));
        Tensor::from_data(TensorData::new(values, shape), (device, DType::F32))
    }

    fn generator(&self, sample: u64) -> Xoshiro256PlusPlus {
        let key = [sample, self.stream, self.restart, self.step]
            .into_iter()
            .fold(mix(self.seed), |key, part| mix(key ^ mix(part)));
        Xoshiro256PlusPlus::seed_from_u64(key)
    }
}

/// Sets those values to 0 that have no change above 0, and counts the others, all if nothing is said of changes.
fn only_free(row: &mut [f32], changes: Option<&[f32]>) -> usize {
    let Some(changes) = changes else { return row.len() };
    row.iter_mut().zip(changes).for_each(|(v, &s)| *v *= f32::from(s > 0.0));
    changes.iter().filter(|s| **s > 0.0).count()
}

/// One round of SplitMix64, which spreads neighbouring keys over all 64 bits.
fn mix(key: u64) -> u64 {
    let key = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let key = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let key = (key ^ (key >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    key ^ (key >> 31)
}

// The conversions are written out because a result must not change with the version of a
// distribution crate: the field compares robust accuracies to a tenth of a per cent.

/// Uniform in [0, 1) with all 24 bits of an `f32`.
fn unit(rng: &mut Xoshiro256PlusPlus) -> f32 {
    const STEP: f32 = 1.0 / (1 << 24) as f32;
    (rng.next_u64() >> 40) as f32 * STEP
}

/// Standard normal, by Box and Muller.
fn normal(rng: &mut Xoshiro256PlusPlus) -> f32 {
    let radius = (-2.0 * (1.0 - unit(rng)).ln()).sqrt();
    radius * (std::f32::consts::TAU * unit(rng)).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(draws: &Draws) -> Vec<f32> {
        draws.uniform([1, 64], &Device::flex()).try_into_vec_as().unwrap()
    }

    #[test]
    fn every_part_of_the_key_changes_the_draw() {
        let base = Draws::new(1, vec![5]);
        let others = [
            Draws::new(2, vec![5]),
            Draws::new(1, vec![6]),
            base.clone().for_attack(1),
            base.for_restart(1),
            base.for_step(1),
            base.of_model(&[0]),
            base.of_model(&[1]),
        ];
        assert_eq!(row(&base), row(&base.clone()));
        for other in others {
            assert_ne!(row(&base), row(&other));
        }
    }

    #[test]
    fn draws_are_uniform_in_the_cube_and_in_the_ball_or_normal() {
        const SAMPLES: usize = 2000;
        const SLACK: f32 = 0.05; // over four standard errors of either mean
        const ROUNDING: f32 = 1e-6; // of a sum of four
        let draws = Draws::new(0, (0..SAMPLES as u64).collect());
        let cube = draws.uniform([SAMPLES, 4], &Device::flex());
        assert!(cube.clone().mean().into_scalar::<f32>().abs() < SLACK);
        assert!(cube.max_abs().into_scalar::<f32>() <= 1.0);
        let radii = crate::Norm::L2.of(draws.unit_ball([SAMPLES, 4], None, &Device::flex()));
        // E[r] = d / (d + 1) for a uniform point of the d-ball.
        assert!((radii.clone().mean().into_scalar::<f32>() - 0.8).abs() < SLACK);
        assert!(radii.max().into_scalar::<f32>() <= 1.0 + f32::EPSILON);
        let cross = draws.unit_cross([SAMPLES, 4], None, &Device::flex());
        assert!(cross.clone().mean().into_scalar::<f32>().abs() < SLACK);
        let radii = crate::Norm::L1.of(cross.clone());
        assert!((radii.clone().mean().into_scalar::<f32>() - 0.8).abs() < SLACK);
        assert!(radii.max().into_scalar::<f32>() <= 1.0 + ROUNDING);
        // Of |x₁| in the ball of radius r it is r / d, so here r / 4 with a mean of 0.8.
        assert!((cross.abs().mean().into_scalar::<f32>() - 0.2).abs() < SLACK / 4.0);
        let normal = draws.normal([SAMPLES, 4], &Device::flex());
        assert!(normal.clone().mean().into_scalar::<f32>().abs() < SLACK);
        assert!((normal.square().mean().into_scalar::<f32>() - 1.0).abs() < SLACK);
    }
}
