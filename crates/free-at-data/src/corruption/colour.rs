//! Changes of brightness and colour.

use super::plane::Plane;

/// Every channel nearer to its mean.
pub(super) fn contrast(plane: &Plane, share: f32) -> Vec<f32> {
    let flatter = plane.channels().flat_map(|channel| {
        let sum: f64 = channel.iter().map(|value| f64::from(*value)).sum();
        let mean = (sum / channel.len() as f64) as f32;
        channel.iter().map(move |value| (value - mean) * share + mean)
    });
    flatter.collect()
}

/// The largest channel of each pixel this much brighter, and the others with it; a grey pixel itself.
pub(super) fn brightness(plane: &Plane, by: f32) -> Vec<f32> {
    if plane.channels != 3 {
        return plane.values.iter().map(|value| (value + by).min(1.0)).collect();
    }
    in_hsv(plane, |[hue, saturation, value]| [hue, saturation, (value + by).clamp(0.0, 1.0)])
}

pub(super) fn saturate(plane: &Plane, (times, plus): (f32, f32)) -> Vec<f32> {
    in_hsv(plane, |[hue, saturation, value]| {
        [hue, (saturation * times + plus).clamp(0.0, 1.0), value]
    })
}

fn in_hsv(plane: &Plane, change: impl Fn([f32; 3]) -> [f32; 3]) -> Vec<f32> {
    let pixels: Vec<[f32; 3]> = plane.pixels().map(|rgb| to_rgb(change(to_hsv(rgb)))).collect();
    (0..3).flat_map(|channel| pixels.iter().map(move |pixel| pixel[channel])).collect()
}

/// Hue in turns from 0 to 1, saturation and value.
fn to_hsv([red, green, blue]: [f32; 3]) -> [f32; 3] {
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    let spread = most - least;
    if spread == 0.0 {
        return [0.0, 0.0, most];
    }
    let sixths = match most {
        most if most == blue => 4.0 + (red - green) / spread,
        most if most == green => 2.0 + (blue - red) / spread,
        _ => (green - blue) / spread,
    };
    [(sixths / 6.0).rem_euclid(1.0), spread / most, most]
}

fn to_rgb([hue, saturation, value]: [f32; 3]) -> [f32; 3] {
    let sixths = hue * 6.0;
    let (sector, share) = (sixths.floor(), sixths - sixths.floor());
    let low = value * (1.0 - saturation);
    let falling = value * (1.0 - share * saturation);
    let rising = value * (1.0 - (1.0 - share) * saturation);
    match sector as u8 % 6 {
        0 => [value, rising, low],
        1 => [falling, value, low],
        2 => [low, value, rising],
        3 => [low, falling, value],
        4 => [rising, low, value],
        _ => [value, low, falling],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_come_back_from_hsv() {
        for rgb in [[0.2, 0.5, 0.9], [0.9, 0.5, 0.2], [0.5, 0.9, 0.2], [0.9, 0.2, 0.5], [0.3; 3]] {
            let back = to_rgb(to_hsv(rgb));
            let apart = rgb.iter().zip(back).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < 1e-6, "{rgb:?}: {back:?}");
        }
    }
}
