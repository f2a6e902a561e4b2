//! Pollers: a selector, the sources registered with it, and the wake-up of whoever waits on it.
//!
//! A poller knows its sources as tokens and as whatever `S` their owner registered, never as
//! connections. It has no thread of its own and no tie to one: whoever drives it at the moment
//! calls [`Poller::poll`], and every other method may be called from any thread.

mod event;
mod parking;
mod registry;

#[cfg(all(test, not(loom)))]
mod tests;

use std::{io, os::fd::BorrowedFd, time::Duration};

pub use event::{Event, Events};
pub use registry::Token;

pub use crate::sys::{Interest, Readiness};

use crate::{
    counters::{self, Counter},
    primitive::{
        Mutex,
        atomic::{
            AtomicBool,
            Ordering::{AcqRel, Acquire, Release},
        },
    },
    sys::{Selector, Waker},
};
pub(crate) use parking::Parking;
use registry::Registry;

/// The token of the wake-up: a registry never gives it.
const WAKE: u64 = u64::MAX;

/// How many events before its own a source is told of: by then its memory is there.
const AHEAD: usize = 4;

/// A selector and its sources, each known by an `S`.
///
/// ```
/// use std::{io::Write, net::{TcpListener, TcpStream}, os::fd::AsFd};
/// use netpoll::poller::{Event, Events, Interest, Poller};
///
/// let poller = Poller::new()?;
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let token = poller.register(listener.as_fd(), Interest::Listener, "the listener")?;
///
/// let client = TcpStream::connect(listener.local_addr()?)?;
/// let mut events = Events::with_capacity(16);
/// poller.poll(&mut events, None)?;
/// let (source, event) = events.drain().next().expect("a connection waits");
/// assert_eq!(source, "the listener");
/// assert!(matches!(event, Event::Ready(r) if r.is_readable()));
///
/// assert_eq!(poller.deregister(token, listener.as_fd())?, Some("the listener"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Poller<S> {
    selector: Selector,
    waker: Waker,
    parking: Parking,
    registry: Mutex<Registry<S>>,
    /// Events that no selector tells.
    posted: Mutex<Vec<(Token, Event)>>,
    /// There are some; set after they were put there, taken before they are taken out.
    any_posted: AtomicBool,
}

impl<S: Clone> Poller<S> {
    /// A poller without sources.
    ///
    /// # Errors
    /// What the system reports, for want of descriptors as a rule.
    pub fn new() -> io::Result<Self> {
        let selector = Selector::new()?;
        let waker = Waker::new(&selector, WAKE)?;
        let registry = Mutex::new(Registry::default());
        let posted = Mutex::new(Vec::new());
        let any_posted = AtomicBool::new(false);
        Ok(Self { selector, waker, parking: Parking::new(), registry, posted, any_posted })
    }

    /// Registers `fd`: its events come with a clone of `source`.
    ///
    /// # Errors
    /// What the system reports; nothing is registered then.
    pub fn register(&self, fd: BorrowedFd<'_>, interest: Interest, source: S) -> io::Result<Token> {
        self.register_with(fd, interest, |_| source)
    }

    /// Registers a source that must know its token: events may come, to
    /// another thread, before this call returns, but not before `make` did.
    ///
    /// `make` runs under the registry's lock and must not call this poller.
    ///
    /// # Errors
    /// What the system reports; nothing is registered then.
    pub fn register_with(
        &self,
        fd: BorrowedFd<'_>,
        interest: Interest,
        make: impl FnOnce(Token) -> S,
    ) -> io::Result<Token> {
        let token = self.registry.lock().insert_with(make);
        self.selector.add(fd, token.into(), interest).inspect_err(|_| {
            let source = self.registry.lock().remove(token);
            drop(source);
        })?;
        Ok(token)
    }

    /// Adds a source without a descriptor: its events are [posted](Self::post), its timers are its token's.
    pub fn insert(&self, source: S) -> Token {
        self.insert_with(|_| source)
    }

    /// Adds a source without a descriptor that must know its token. `make` runs under the registry's lock
    /// and must not call this poller.
    pub(crate) fn insert_with(&self, make: impl FnOnce(Token) -> S) -> Token {
        self.registry.lock().insert_with(make)
    }

    /// The source that `token` stands for, if it still does.
    pub fn source(&self, token: Token) -> Option<S> {
        self.registry.lock().get(token).cloned()
    }

    /// Returns true if `token` still stands for a source.
    pub fn is_registered(&self, token: Token) -> bool {
        self.registry.lock().get(token).is_some()
    }

    /// All sources.
    pub fn sources(&self) -> Vec<S> {
        self.registry.lock().iter().cloned().collect()
    }

    /// Ends a registration and gives its source back; `None` if it had ended before.
    ///
    /// When this returns, no later [`poll`](Self::poll) gives an event of it. What an earlier one
    /// gave may still be in its [`Events`].
    ///
    /// # Errors
    /// What the system reports. The registration has ended nevertheless.
    pub fn deregister(&self, token: Token, fd: BorrowedFd<'_>) -> io::Result<Option<S>> {
        let source = self.forget(token);
        if source.is_some() {
            self.selector.remove(fd)?;
        }
        Ok(source)
    }

    /// Deregisters without a system call, for a descriptor that is closed
    /// next, which the system forgets by itself.
    pub fn forget(&self, token: Token) -> Option<S> {
        self.registry.lock().remove(token)
    }

    /// The number of registrations.
    pub fn len(&self) -> usize {
        self.registry.lock().len()
    }

    /// Returns true if there are no registrations.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits for events until `timeout` (for ever if `None`, rounded up to a millisecond), or until
    /// somebody [wakes](Self::wake) it or a signal comes. Replaces what `events` holds, and gives
    /// how many there are; a wake-up is not one.
    ///
    /// One thread at a time calls this.
    ///
    /// # Errors
    /// What the system reports: the poller is of no use then.
    pub fn poll(&self, events: &mut Events<S>, timeout: Option<Duration>) -> io::Result<usize> {
        // Who posts from here on wakes it.
        self.parking.begin();
        let polled = self.poll_ahead(events, timeout, |_| {});
        self.parking.end();
        polled
    }

    /// Polls as [`poll`](Self::poll) does, for a driver that announces its waits itself. Tells `soon` of each
    /// source some time before it is cloned.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub(crate) fn poll_ahead(
        &self,
        events: &mut Events<S>,
        timeout: Option<Duration>,
        soon: impl Fn(&S),
    ) -> io::Result<usize> {
        events.ready.clear();
        let timeout = if self.has_posted() { Some(Duration::ZERO) } else { timeout };
        if self.selector.wait(&mut events.raw, timeout)? == 0 {
            return Ok(self.poll_posted(events));
        }
        let (mut seen, mut stale) = (0, 0);
        let registry = self.registry.lock();
        let mut ahead = events.raw.iter().skip(AHEAD);
        for raw in events.raw.iter() {
            ahead.next().and_then(|raw| registry.get(raw.token.into())).map(&soon);
            if raw.token == WAKE {
                continue;
            }
            seen += 1;
            match registry.get(raw.token.into()) {
                Some(source) => events.ready.push((source.clone(), Event::Ready(raw.readiness))),
                None => stale += 1,
            }
        }
        drop((registry, ahead));
        counters::add(Counter::Events, seen);
        if stale != 0 {
            counters::add(Counter::StaleEvents, stale);
        }
        Ok(self.poll_posted(events))
    }

    /// Adds the events that were [posted](Self::post) to `events`, without a look at the selector. Returns
    /// how many events there are now.
    pub(crate) fn poll_posted(&self, events: &mut Events<S>) -> usize {
        if self.has_posted() && self.any_posted.swap(false, AcqRel) {
            let registry = self.registry.lock();
            let (mut seen, mut stale) = (0, 0);
            for (token, event) in self.posted.lock().drain(..) {
                seen += 1;
                match registry.get(token) {
                    Some(source) => events.ready.push((source.clone(), event)),
                    None => stale += 1,
                }
            }
            drop(registry);
            counters::add(Counter::Events, seen);
            if stale != 0 {
                counters::add(Counter::StaleEvents, stale);
            }
        }
        events.ready.len()
    }

    fn has_posted(&self) -> bool {
        self.any_posted.load(Acquire)
    }

    /// Queues `event`; the next [`poll`](Self::poll) returns it for the source registered as `token`, if it
    /// still is: for what a selector does not know. Wakes the driver if it waits.
    ///
    /// ```
    /// use netpoll::poller::{Event, Events, Poller, Readiness};
    /// let poller = Poller::new()?;
    /// let token = poller.insert("a source without a descriptor");
    /// poller.post(token, Event::Ready(Readiness::READABLE));
    /// let mut events = Events::with_capacity(16);
    /// assert_eq!(poller.poll(&mut events, None)?, 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn post(&self, token: Token, event: Event) {
        self.posted.lock().push((token, event));
        self.any_posted.store(true, Release);
        self.wake_if_parked();
    }

    /// Returns true if events wait to be polled at this moment. Costs a system call as a rule.
    pub fn has_events(&self) -> bool {
        self.has_posted() || self.selector.is_ready()
    }

    /// Ends the present [`poll`](Self::poll), or the next one if none runs. Costs a system call;
    /// [`wake_if_parked`](Self::wake_if_parked) saves it where the driver is not waiting.
    pub fn wake(&self) {
        counters::add(Counter::WakeUps, 1);
        // A full counter, the one error an open waker has, means that a wake-up is on its way.
        let _ = self.waker.wake();
    }

    /// The driver is about to wait. It must then look at all that others may push for it, and call
    /// [`poll`](Self::poll) without a wait if it finds anything.
    pub fn park_begin(&self) {
        self.parking.begin();
    }

    /// The driver has waited.
    pub fn park_end(&self) {
        self.parking.end();
    }

    /// Wakes the driver if it is parked, and gives whether it did: call it after a push. Of many
    /// callers, one pays for the wake-up.
    pub fn wake_if_parked(&self) -> bool {
        let mine = self.parking.claim();
        if mine {
            self.wake();
        }
        mine
    }

    /// Returns true if the driver is parked and no wake-up is on its way.
    pub fn is_parked(&self) -> bool {
        self.parking.is_parked()
    }
}
