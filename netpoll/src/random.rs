//! Numbers that look random: for choices and jitter, not for secrets.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Spreads consecutive numbers over 31 bits (the finaliser of SplitMix64).
pub(crate) fn scatter(n: u64) -> usize {
    let mut x = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    usize::try_from((x ^ (x >> 31)) >> 33).expect("31 bits fit")
}

/// A generator whose seed says all that it will give.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    #[cfg(any(test, all(feature = "testing", feature = "udp")))]
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `n`, which is neither zero nor above 2^31.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(1);
        scatter(self.0) % n
    }
}

/// Seeded by what the system gives each process for its hash maps.
impl Default for Random {
    fn default() -> Self {
        Self(RandomState::new().build_hasher().finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_spread_evenly_and_the_seed_says_which() {
        let mut counts = [0; 8];
        let (mut random, mut again) = (Random::seeded(7), Random::seeded(7));
        for _ in 0..8_000 {
            let n = random.below(8);
            assert_eq!(n, again.below(8));
            counts[n] += 1;
        }
        assert!(counts.iter().all(|count| (900..1_100).contains(count)), "{counts:?}");
    }
}
