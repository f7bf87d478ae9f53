//! How far a share of a finite sample can be trusted.

/// The 95% confidence interval of a share, `successes` of `n`, by Wilson's score: within [0, 1], and
/// honest near 0 and 1, where the normal approximation has width zero.
///
/// ```
/// use free_at_attacks::wilson_interval;
///
/// let [low, high] = wilson_interval(45, 100);
/// assert!((low - 0.3561).abs() < 1e-4 && (high - 0.5476).abs() < 1e-4);
/// assert_eq!(wilson_interval(0, 0), [0.0, 1.0]); // nothing is known
/// ```
pub fn wilson_interval(successes: usize, n: usize) -> [f64; 2] {
    /// The 97.5% point of the standard normal distribution.
    const Z: f64 = 1.959_963_984_540_054;
    if n == 0 {
        return [0.0, 1.0];
    }
    let (n, z2) = (n as f64, Z * Z);
    let share = successes as f64 / n;
    let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    [(centre - half).max(0.0), (centre + half).min(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_published_values() {
        // Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I.
        let published = [
            (81, 263, [0.2553, 0.3662]),
            (15, 148, [0.0624, 0.1605]),
            (0, 20, [0.0, 0.1611]),
            (1, 29, [0.0061, 0.1718]),
        ];
        for (successes, n, expected) in published {
            let found = wilson_interval(successes, n);
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 5e-5, "{successes}/{n}: {found}, {expected}");
            }
        }
        assert_eq!(wilson_interval(20, 20)[1], 1.0);
    }
}
