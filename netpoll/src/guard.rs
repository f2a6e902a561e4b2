//! The guard around users' code: a panic there ends what it belongs to, and nothing else.
//!
//! Everything that a user supplies and the library calls goes through [`run`], [`poll`] or
//! [`discard`]: hooks, handlers, scanners, codecs, transports, wakers, callbacks, and the destructors
//! of what they gave. A panic is counted, logged at error level with its [`Place`], and returned as a
//! value: the caller ends the connection, call or task that the code belongs to.
//!
//! `catch_unwind` stands in this file alone; `.ci/guards` checks it, and that the test
//! `users_code_panics` provokes a panic in each place.

use std::{
    any::Any,
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use crate::{
    counters::{self, Counter},
    error::{Error, ErrorKind},
};

macro_rules! places {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A kind of users' code that the library calls. Its `Display` is the subject of "panicked".
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Place { $($(#[$doc])* $name,)* }

        impl fmt::Display for Place {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$name => $text,)* })
            }
        }
    };
}

places! {
    /// The poll of a spawned future.
    Task = "a task",
    /// The destructor of a spawned future, cancelled or done.
    TaskDrop = "the destructor of a task's future",
    /// The destructor of a result that nobody awaits any more.
    ResultDrop = "the destructor of a task's result",
    /// A waker of another executor's: its call, its clone or its destructor.
    Waker = "a waker",
    /// A handler of requests: its call, or the poll of its future.
    Handler = "a handler",
    /// The destructor of a handler's future, cancelled or done.
    HandlerDrop = "the destructor of a handler's future",
    /// `on_prepare`.
    OnPrepare = "on_prepare",
    /// `on_connect`: its call, or the poll of its future.
    OnConnect = "on_connect",
    /// `on_disconnect`.
    OnDisconnect = "on_disconnect",
    /// `on_half_close`.
    OnHalfClose = "on_half_close",
    /// `on_idle`.
    OnIdle = "on_idle",
    /// `on_error`.
    OnError = "on_error",
    /// `on_close`: its call, or the poll of its future.
    OnClose = "on_close",
    /// A callback for a connection's end.
    CloseCallback = "a callback for a connection's end",
    /// The destructor of a connection's session.
    SessionDrop = "the destructor of a session",
    /// The destructor of bytes that a user lent to a buffer.
    BytesDrop = "the destructor of lent bytes",
    /// A scanner of frames.
    Scan = "a frame's scanner",
    /// A decoder of frames.
    Decode = "a frame's decoder",
    /// An encoder of frames.
    Encode = "a frame's encoder",
    /// A codec of a service or of a client.
    Codec = "a codec",
    /// The function that makes a connection's transport.
    TransportMaker = "a transport's maker",
    /// A transport.
    Transport = "a transport",
    /// A transport's destructor.
    TransportDrop = "the destructor of a transport",
    /// A function that resolves or watches a client's endpoints.
    Resolver = "a resolver",
    /// A function that a client calls for a new connection or for its health.
    ClientHook = "a client's hook",
    /// An observer.
    Observer = "an observer",
    /// The work of a worker or a poller itself, as the last resort.
    Worker = "a worker",
}

/// A panic that was caught, counted and logged.
#[derive(Debug)]
pub(crate) struct Panicked(Error);

impl From<Panicked> for Error {
    fn from(Panicked(error): Panicked) -> Self {
        error
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Part of the panic of users' code that uses tokio's timers or I/O outside of a runtime of tokio's.
const TOKIO_IS_MISSING: &str = "must be called from the context of a Tokio";

/// Said after such a panic.
const TOKIO_HINT: &str = "workers are in no runtime of tokio's: build the runtime by \
    `Runtime::builder().tokio(handle)`, with the feature `tokio-rt` of the crate netpoll, and give it to the \
    server or client by `.runtime(..)`";

/// Calls `f`, which is or calls users' code.
///
/// # Errors
/// `f` panicked.
#[inline(always)] // the calls are as different as what they guard
pub(crate) fn run<T>(place: Place, f: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| caught(place, payload))
}

/// Polls `future`, which must not be polled again after an error.
#[inline(always)]
pub(crate) fn poll<F: Future + ?Sized>(
    place: Place,
    future: Pin<&mut F>,
    context: &mut Context<'_>,
) -> Poll<Result<F::Output, Panicked>> {
    match run(place, || future.poll(context)) {
        Ok(polled) => polled.map(Ok),
        Err(panicked) => Poll::Ready(Err(panicked)),
    }
}

/// Drops a value of a user's.
#[inline(always)]
pub(crate) fn discard<T>(place: Place, value: T) {
    // An error has been counted and logged; a destructor has no caller that could do more.
    let _ = run(place, || drop(value));
}

/// Calls a waker, which may be another executor's. Never call this under a lock.
#[inline]
pub(crate) fn wake(waker: Waker) {
    let _ = run(Place::Waker, || waker.wake());
}

#[cold]
fn caught(place: Place, payload: Box<dyn Any + Send>) -> Panicked {
    counters::add(Counter::Panics, 1);
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is no text");
    let message = format!("{place} panicked: {text}");
    // The subscriber, and the payload's destructor, may panic too. What is thrown then is forgotten:
    // its destructor could throw again for ever.
    let logged = catch_unwind(|| {
        tracing::error!("{message}");
        if message.contains(TOKIO_IS_MISSING) {
            tracing::error!("{TOKIO_HINT}");
        }
    });
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(payload)));
    for again in [logged, dropped] {
        again.unwrap_or_else(std::mem::forget);
    }
    Panicked(Error::new(ErrorKind::Panic, message))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::panic::panic_any;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("again");
        }
    }

    #[test]
    fn a_panic_is_an_error_that_names_its_place_and_its_text() {
        let error: Error = run(Place::Handler, || panic!("at {}", 7)).unwrap_err().into();
        assert_eq!(error.kind(), ErrorKind::Panic);
        assert_eq!(error.to_string(), "a handler panicked: at 7");
        assert_eq!(run(Place::Handler, || 7).unwrap(), 7);
    }

    #[test]
    fn a_payload_whose_destructor_panics_goes_no_further() {
        let panicked = run(Place::Task, || panic_any(Bomb)).unwrap_err();
        assert_eq!(panicked.to_string(), "a task panicked: a value that is no text");
    }

    #[test]
    fn a_destructor_that_panics_is_counted() {
        let group = std::sync::Arc::new(counters::Group::default());
        group.join();
        let before = group.sums()[Counter::Panics];
        discard(Place::SessionDrop, Bomb);
        assert!(group.sums()[Counter::Panics] > before);
    }
}
