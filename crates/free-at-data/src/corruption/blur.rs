//! Blurs.

use super::plane::Plane;

/// Beyond four deviations there is nothing, and beyond the image its edge goes on, as in scikit-image.
pub(super) fn gaussian(plane: &Plane, deviation: f64) -> Vec<f32> {
    const DEVIATIONS: f64 = 4.0;
    let reach = (DEVIATIONS * deviation + 0.5) as isize;
    let kernel = bell(reach, deviation);
    let nearest = |at: isize, length: usize| at.clamp(0, length as isize - 1) as usize;
    let (height, width) = (plane.height, plane.width);
    let blurred = plane.channels().flat_map(|channel| {
        let down = filtered(
            channel,
            (height, width),
            |y, x, offset| nearest(y as isize + offset, height) * width + x,
            &kernel,
        );
        filtered(
            &down,
            (height, width),
            |y, x, offset| y * width + nearest(x as isize + offset, width),
            &kernel,
        )
    });
    blurred.collect()
}

/// Each pixel's weighted sum along a line.
fn filtered(
    values: &[f32],
    (height, width): (usize, usize),
    at: impl Fn(usize, usize, isize) -> usize,
    kernel: &[f64],
) -> Vec<f32> {
    let reach = (kernel.len() / 2) as isize;
    let sum = |y: usize, x: usize| {
        let terms = kernel.iter().zip(-reach..=reach);
        terms.map(|(weight, offset)| weight * f64::from(values[at(y, x, offset)])).sum::<f64>()
    };
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
    pixels.map(|(y, x)| sum(y, x) as f32).collect()
}

/// A Gaussian's weights, which add up to 1.
fn bell(reach: isize, deviation: f64) -> Vec<f64> {
    let weight = |offset: isize| (-0.5 * (offset as f64 / deviation).powi(2)).exp();
    let weights: Vec<f64> = (-reach..=reach).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// A disk of this radius, softened at its edge; beyond the image is its mirror, the edge itself once, as in OpenCV.
pub(super) fn defocus(plane: &Plane, (radius, softness): (f64, f64)) -> Vec<f32> {
    // Beyond the disk the softened edge reaches one pixel.
    let reach = radius.ceil() as isize + 1;
    let side = (2 * reach + 1) as usize;
    let offsets = || -reach..=reach;
    let inside = |y: isize, x: isize| ((y * y + x * x) as f64 <= radius * radius) as u8;
    let area: f64 = offsets().flat_map(|y| offsets().map(move |x| f64::from(inside(y, x)))).sum();
    let edge = bell(1, softness);
    let weight = |y: isize, x: isize| -> f64 {
        let soft = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dy, dx)));
        let sum = soft.map(|(dy, dx): (isize, isize)| {
            let both = edge[(dy + 1) as usize] * edge[(dx + 1) as usize];
            both * f64::from(inside(y + dy, x + dx))
        });
        sum.sum::<f64>() / area
    };
    let kernel: Vec<f64> = offsets().flat_map(|y| offsets().map(move |x| weight(y, x))).collect();
    let (height, width) = (plane.height, plane.width);
    let blurred = plane.channels().flat_map(|channel| {
        let sum = |y: usize, x: usize| {
            let terms = kernel.iter().enumerate().map(|(at, weight)| {
                let (dy, dx) = ((at / side) as isize - reach, (at % side) as isize - reach);
                let y = mirrored(y as isize + dy, height);
                let x = mirrored(x as isize + dx, width);
                weight * f64::from(channel[y * width + x])
            });
            terms.sum::<f64>() as f32
        };
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
        pixels.map(|(y, x)| sum(y, x)).collect::<Vec<f32>>()
    });
    blurred.collect()
}

/// A position beyond the image as that of its mirror.
fn mirrored(at: isize, length: usize) -> usize {
    let period = (2 * length as isize - 2).max(1);
    let at = at.rem_euclid(period);
    at.min(period - at).clamp(0, length as isize - 1) as usize
}

/// The mean of the image and of itself drawn nearer by 0, 1, 2, … hundredths, `views` of them.
pub(super) fn zoom(plane: &Plane, views: usize) -> Vec<f32> {
    let (height, width) = (plane.height, plane.width);
    let blurred = plane.channels().flat_map(|channel| {
        let mut sum: Vec<f32> = channel.to_vec();
        for view in 0..views {
            let nearer = magnified(channel, (height, width), 1.0 + view as f64 / 100.0);
            sum.iter_mut().zip(nearer).for_each(|(sum, value)| *sum += value);
        }
        sum.into_iter().map(move |sum| sum / (views as f32 + 1.0)).collect::<Vec<f32>>()
    });
    blurred.collect()
}

/// The middle of an image, bilinear, as SciPy's `zoom` has it: first and last pixel stay where they are.
fn magnified(channel: &[f32], (height, width): (usize, usize), factor: f64) -> Vec<f32> {
    let line = |length: usize| {
        let cut = (length as f64 / factor).ceil() as usize;
        let from = (length - cut) / 2;
        let whole = (cut as f64 * factor).round() as usize;
        let trim = (whole - length.min(whole)) / 2;
        let step = if whole > 1 { (cut as f64 - 1.0) / (whole as f64 - 1.0) } else { 0.0 };
        let at = move |to: usize| {
            let place = ((to + trim) as f64 * step).min(cut as f64 - 1.0);
            let low = place.floor() as usize;
            (from + low, from + (low + 1).min(cut - 1), (place - low as f64) as f32)
        };
        (0..length).map(at).collect::<Vec<_>>()
    };
    let (rows, columns) = (line(height), line(width));
    let between = |a: f32, b: f32, share: f32| a + (b - a) * share;
    let pixel = |(y0, y1, dy): (usize, usize, f32), (x0, x1, dx): (usize, usize, f32)| {
        let row = |y: usize| between(channel[y * width + x0], channel[y * width + x1], dx);
        between(row(y0), row(y1), dy)
    };
    rows.iter().flat_map(|row| columns.iter().map(|column| pixel(*row, *column))).collect()
}
