//! A hash for numbers that nobody chooses to collide: one multiplication.

use std::hash::{BuildHasherDefault, Hasher};

/// Builds the hashers of a map whose keys are this crate's own numbers.
pub(super) type Spread = BuildHasherDefault<Multiply>;

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Multiply(u64);

impl Hasher for Multiply {
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
