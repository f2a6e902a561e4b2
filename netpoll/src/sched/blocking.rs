//! Waits of handlers' own: [`blocking`] and [`block_on`].

use std::future::Future;

use super::{park, seat};

/// Runs `f`, which waits or computes for long, after giving this worker's poller to another worker.
///
/// Handlers may block without it: the runtime notices. With it the poller changes hands at once and
/// not after the monitor's interval. On a thread that is no worker it just runs `f`; in an `inline`
/// handler too, since those keep their poller by contract.
///
/// ```
/// let n = netpoll::blocking(|| std::fs::read_dir(".").map(Iterator::count)).unwrap();
/// assert!(n > 0);
/// ```
pub fn blocking<T>(f: impl FnOnce() -> T) -> T {
    seat::give_away();
    f()
}

/// Polls `future` to its end on this thread, which waits meanwhile; a worker gives its poller away
/// before it waits.
///
/// ```
/// assert_eq!(netpoll::block_on(async { 6 * 7 }), 42);
/// ```
pub fn block_on<F: Future>(future: F) -> F::Output {
    park::wait_for(future, None).expect("a wait without a deadline ends when the future does")
}
