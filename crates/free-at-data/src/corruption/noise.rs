//! Noise, drawn for each image.

use free_at_core::Draws;

use super::plane::Plane;

pub(super) fn gaussian(plane: &Plane, deviation: f32, draws: &Draws) -> Vec<f32> {
    let noise = normals(plane, draws);
    plane.values.iter().zip(noise).map(|(value, noise)| value + deviation * noise).collect()
}

pub(super) fn speckle(plane: &Plane, deviation: f32, draws: &Draws) -> Vec<f32> {
    let noise = normals(plane, draws);
    plane.values.iter().zip(noise).map(|(value, noise)| value + value * deviation * noise).collect()
}

/// White is so many photons.
pub(super) fn shot(plane: &Plane, photons: f32, draws: &Draws) -> Vec<f32> {
    let units = units(plane, 2, draws);
    let pairs = units.as_chunks::<2>().0;
    let counts = plane.values.iter().zip(pairs).map(|(value, [coarse, fine])| {
        /// A unit has 24 bits.
        const STEP: f64 = 1.0 / (1 << 24) as f64;
        let unit = f64::from(*coarse) + STEP * f64::from(*fine);
        poisson(f64::from(value * photons), unit)
    });
    counts.map(|count| count as f32 / photons).collect()
}

/// This share of the values is black or white.
pub(super) fn impulse(plane: &Plane, share: f32, draws: &Draws) -> Vec<f32> {
    let units = units(plane, 2, draws);
    let pairs = units.as_chunks::<2>().0;
    let one = |(value, [hit, white]): (&f32, &[f32; 2])| match (*hit < share, *white < 0.5) {
        (true, true) => 1.0,
        (true, false) => 0.0,
        (false, _) => *value,
    };
    plane.values.iter().zip(pairs).map(one).collect()
}

fn units(plane: &Plane, each: usize, draws: &Draws) -> Vec<f32> {
    draws.units(each * plane.values.len()).concat()
}

fn normals(plane: &Plane, draws: &Draws) -> Vec<f32> {
    draws.normals(plane.values.len()).concat()
}

/// The count at this point of the distribution with this mean: the least whose share of all below and with it is larger.
fn poisson(mean: f64, unit: f64) -> u32 {
    let mut share = (-mean).exp();
    let mut all = share;
    let mut count = 0;
    // Beyond ten deviations nothing is left in double precision.
    let end = (mean + 10.0 * mean.sqrt() + 20.0) as u32;
    while all <= unit && count < end {
        count += 1;
        share *= mean / f64::from(count);
        all += share;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_the_distribution() {
        // P(0) = 0.1353, P(≤ 1) = 0.4060, P(≤ 2) = 0.6767 for a mean of 2.
        let counts = [0.135, 0.136, 0.405, 0.407, 0.676, 0.677].map(|unit| poisson(2.0, unit));
        assert_eq!(counts, [0, 1, 1, 2, 2, 3]);
        assert_eq!(poisson(0.0, 0.999_999), 0);
        assert_eq!(poisson(500.0, 0.5), 500);
    }
}
