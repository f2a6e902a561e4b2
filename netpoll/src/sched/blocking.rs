//! Work of handlers that blocks its thread: [`blocking`].

use super::context;

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
    context::give_away_unless_inline();
    f()
}
