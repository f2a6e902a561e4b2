//! A hash for numbers that no peer chooses: one multiplication.

use std::hash::{BuildHasherDefault, Hasher};

/// The hasher of maps whose keys are this crate's own numbers.
pub(super) type BuildIdHasher = BuildHasherDefault<IdHasher>;

/// A multiplicative hasher.
#[derive(Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, n: u64) {
        // 2^64 divided by the golden ratio; the upper bits are the good ones, and maps use both ends.
        let x = (self.0 ^ n).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = x ^ (x >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
