//! A clock that stands still.

use std::{
    fmt, thread,
    time::{Duration, Instant},
};

use crate::{
    sched::{Builder, Runtime},
    timer::Hand,
};

/// The clock of a runtime's timeouts, which a test turns: what takes minutes is done at once.
///
/// By it go all timeouts of the runtime's connections, dials and requests, and [`sleep`](crate::sleep)
/// and [`timeout`](crate::timeout) in handlers and spawned futures. Shutdowns, and whatever handlers
/// wait for by themselves, go by the system's.
///
/// ```
/// use std::time::Duration;
/// use netpoll::{Runtime, testing::{VirtualClock, settle}};
///
/// let clock = VirtualClock::new();
/// let runtime = clock.drive(Runtime::builder().pollers(1)).build()?;
/// let slept = runtime.spawn(async { netpoll::sleep(Duration::from_secs(3600)).await });
/// settle(&runtime);
/// clock.advance(Duration::from_secs(3600));
/// netpoll::block_on(slept)?;
/// # Ok::<(), netpoll::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct VirtualClock(&'static Hand);

impl VirtualClock {
    /// A clock at zero. Its some hundred bytes stay for the life of the process.
    pub fn new() -> Self {
        Self(Hand::new())
    }

    /// The settings of a runtime that goes by this clock.
    #[must_use]
    pub fn drive(&self, runtime: Builder) -> Builder {
        runtime.turned_by(self.0)
    }

    /// Turns the clock on. What becomes due is due at once; [`settle`] waits until it has been done.
    ///
    /// A deadline that is set because of what became due counts from the new time.
    pub fn advance(&self, by: Duration) {
        self.0.advance(by);
    }

    /// How far it was turned.
    pub fn elapsed(&self) -> Duration {
        self.0.age()
    }
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VirtualClock").field(&self.elapsed()).finish()
    }
}

/// How long a runtime may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `runtime` has done all that there is to do: what was written to its connections in memory
/// is read and handled, what its clock made due is done. A handler that waits for bytes or room rests
/// too; one that waits for something of its own does not.
///
/// # Panics
/// After 20 s without rest.
pub fn settle(runtime: &Runtime) {
    let until = Instant::now() + PATIENCE;
    let mut before = None;
    loop {
        let now = runtime.shared().at_rest();
        if now.is_some() && now == before {
            return;
        }
        assert!(Instant::now() < until, "the runtime did not settle: {:?}", runtime.stats());
        before = now;
        thread::sleep(Duration::from_micros(50));
    }
}
