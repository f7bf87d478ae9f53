//! How sure a share of a finite sample is, exactly.

use statrs::distribution::{Beta, ContinuousCDF, Normal};

/// What a share is above with probability 1 − `failure`, of which `successes` of `n` draws were seen: the lower end of
/// the one-sided interval of Clopper and Pearson (1934). 0 for no success.
pub(super) fn lower_bound(successes: u64, n: u64, failure: f64) -> f64 {
    match (successes, Beta::new(successes as f64, (n - successes + 1) as f64)) {
        (0, _) | (_, Err(_)) => 0.0,
        (all, _) if all == n => failure.powf(1.0 / n as f64), // as the quantile is then, without a search
        (_, Ok(beta)) => beta.inverse_cdf(failure),
    }
}

/// The point of the standard normal distribution below which is this share of it, above 0 and below 1.
pub(super) fn normal_quantile(share: f64) -> f64 {
    Normal::standard().inverse_cdf(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the search for a quantile; a certificate's digits are three.
    const SEARCHED: f64 = 1e-7;

    /// `scipy.stats.beta.ppf(alpha, k, n - k + 1)`, scipy 1.17.1.
    #[test]
    fn bounds_are_scipys() {
        for (successes, n, failure, expected) in [
            (99_000, 100_000, 0.001, 0.98898934037747),
            (990, 1_000, 0.001, 0.97603618715531),
            (60, 100, 0.001, 0.44098426522129),
            (100, 100, 0.05, 0.97048695039296),
            (1, 100, 0.05, 0.00051280141626),
            (0, 100, 0.05, 0.0),
        ] {
            let found = lower_bound(successes, n, failure);
            assert!((found - expected).abs() < SEARCHED, "{successes}/{n}: {found}, {expected}");
        }
    }

    #[test]
    fn quantiles_are_scipys() {
        for (share, expected) in
            [(0.5, 0.0), (0.9, 1.281_551_565_544_8), (0.999, 3.090_232_306_167_8)]
        {
            assert!((normal_quantile(share) - expected).abs() < SEARCHED);
        }
    }
}
