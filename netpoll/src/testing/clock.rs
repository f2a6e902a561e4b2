//! A clock that stands still.

use std::{
    fmt, thread,
    time::{Duration, Instant},
};

use super::PATIENCE;
use crate::{
    sched::{Runtime, RuntimeBuilder},
    timer::Hand,
};

/// The clock of a runtime, which a test turns: what takes minutes is done at once.
///
/// By it go all times of the runtime's connections, dials and requests, of acceptors that pause, and of
/// its clients: deadlines of calls, how long connections may be idle and when they are asked whether they
/// are alive, how long endpoints are left out, when resolvers are asked again, dials of a mux that keeps
/// a connection. So do the deadlines of [`ServerHandle::shutdown`](crate::ServerHandle::shutdown),
/// [`Runtime::shutdown`] and [`Client::close`](crate::client::Client::close), and
/// [`sleep`](crate::sleep) and [`timeout`](crate::timeout) in handlers and spawned futures.
///
/// What waits for the machine and not for a time goes by the system's:
///
/// - the monitor's looks at turns that run long: they measure what handlers do with real threads;
/// - when threads that have nothing to do end, and give their memory back: nothing else sees it;
/// - at the end of a shutdown, the 100 ms for threads, and for connections that were cut, to go; 20 ms
///   between two tellings that a runtime ends: turns of threads take them, whatever the clock says;
/// - the second that a runtime has whose last handle is dropped: who drops it may be who turns the clock;
/// - what the system does by itself: keepalive, [`user_timeout`](crate::ConnectionOptions::user_timeout);
/// - [`settle`] and the ends of connections that tests hold, which give up after 20 s; whatever handlers
///   wait for by themselves.
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
    pub fn drive(&self, runtime: RuntimeBuilder) -> RuntimeBuilder {
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
