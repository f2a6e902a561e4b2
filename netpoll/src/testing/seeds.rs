//! A test for each of many seeds.

use std::{env, thread};

/// Runs `test` with each seed below `count`, and says which one failed. With `NETPOLL_SEED=n` in the
/// environment it runs with `n` alone.
///
/// ```
/// let mut sum = 0;
/// netpoll::testing::each_seed(4, |seed| sum += seed);
/// assert_eq!(sum, 0 + 1 + 2 + 3);
/// ```
///
/// # Panics
/// As `test`, after a line on standard error; and if `NETPOLL_SEED` is no number.
pub fn each_seed(count: u64, mut test: impl FnMut(u64)) {
    let only: Option<u64> =
        env::var("NETPOLL_SEED").ok().map(|seed| seed.parse().expect("NETPOLL_SEED is a number"));
    for seed in only.map_or(0..count, |seed| seed..seed + 1) {
        let says = SaysSeed(seed);
        test(seed);
        drop(says);
    }
}

/// Says, when a panic drops it, which seed failed.
struct SaysSeed(u64);

impl Drop for SaysSeed {
    fn drop(&mut self) {
        if thread::panicking() {
            let Self(seed) = self;
            eprintln!("failed with seed {seed}: NETPOLL_SEED={seed} runs this one alone");
        }
    }
}
