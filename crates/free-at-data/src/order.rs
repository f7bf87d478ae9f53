//! The order of a pass over the data.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// The numbers below `n` in an order that depends on the seed and the pass alone (Fisher and Yates).
pub(crate) fn shuffled(n: usize, seed: u64, pass: u64) -> Vec<usize> {
    const APART: u64 = 0x9e37_79b9_7f4a_7c15; // neighbouring passes get seeds far from each other
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(seed ^ pass.wrapping_mul(APART));
    let mut order: Vec<usize> = (0..n).collect();
    for last in (1..n).rev() {
        let below = u128::from(generator.next_u64()) * (last as u128 + 1);
        order.swap(last, (below >> 64) as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pass_has_an_order_of_its_own() {
        let first = shuffled(100, 7, 0);
        assert_eq!(first, shuffled(100, 7, 0));
        assert_ne!(first, shuffled(100, 7, 1));
        assert_ne!(first, shuffled(100, 8, 0));
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
        assert_ne!(first, sorted);
        assert!(shuffled(0, 0, 0).is_empty());
    }

    #[test]
    fn every_number_comes_to_every_place() {
        const PASSES: u64 = 6_000;
        let mut counts = [[0; 3]; 3];
        for pass in 0..PASSES {
            shuffled(3, 1, pass).into_iter().enumerate().for_each(|(at, n)| counts[at][n] += 1);
        }
        // 2,000 expected; ten standard deviations are 365.
        assert!(counts.iter().flatten().all(|count| (1_635..2_365).contains(count)), "{counts:?}");
    }
}
