//! The state of one call.
//!
//! ```text
//!   Waiting(nowhere) ──▶ Waiting(queue) ──▶ Waiting(on a connection) ──▶ Done ──▶ Over
//!          │                   │                    │        complete │ poll
//!          └───────────────────┴────────────────────┴──── leave ──────┴──▶ Over
//! ```
//! Every transition happens under the call's own lock, so that exactly one of a reply, the connection's
//! end, a timeout and a cancellation ends it. Lock order: `Connections`, call connection, call.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use crate::{buf::LinkSlice, error::Result, guard, primitive::Mutex, timer::Moment};

/// Number of connections tried for a call whose connections end before a byte of it was sent.
const TRIES: u32 = 4;

/// The `listed` of a call that is not in the list of deadlines.
pub(super) const UNLISTED: usize = usize::MAX;

/// A call in progress; see the module's documentation. `L` is the connection that carries it.
pub(super) struct Call<L> {
    /// The request, if the connection sends it; empty if the caller does.
    pub(super) request: LinkSlice,
    pub(super) begun: Moment,
    pub(super) manner: Manner,
    /// Its place in the FIFO order of the client's calls. Set when it enters.
    pub(super) ticket: AtomicU64,
    /// Connections that ended before a byte of it was sent.
    pub(super) tries: AtomicU32,
    /// Its key in the list of deadlines; changed under the lock of `Connections`.
    pub(super) listed: AtomicUsize,
    state: Mutex<State<L>>,
}

/// The manner in which a call is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Manner {
    /// Once.
    #[default]
    Once,
    /// Again after its connection was lost.
    Idempotent,
    /// Once, and without a reply.
    OneWay,
}

enum State<L> {
    Waiting {
        waker: Option<Waker>,
        place: Place<L>,
        /// Its deadline has passed.
        late: bool,
    },
    Done(Result<LinkSlice>),
    Over,
}

/// The place of a call that has not ended.
pub(super) enum Place<L> {
    /// Between two places.
    Nowhere,
    /// Waiting for a connection.
    Queue,
    /// Assigned to a connection.
    Connection {
        connection: Arc<L>,
        /// The call's number there.
        number: u64,
        /// True once the request may have been sent.
        sent: bool,
    },
}

/// The result of polling a call.
pub(super) enum Found<L> {
    /// The call has ended.
    Ended(Result<LinkSlice>),
    /// The caller has to send the request, which counts as sent from now on.
    Send(Arc<L>, u64),
    /// The deadline has passed: the caller has to end the call.
    Late,
}

/// The result of a caller's leaving.
pub(super) enum Left<L> {
    /// The call had ended before.
    Done(Result<LinkSlice>),
    /// The call was there, and its holder must be told.
    At(Place<L>),
}

impl<L> Call<L> {
    /// Creates a call whose end wakes `waker`, or the waker of the last [poll](Self::poll).
    pub(super) fn new(
        request: LinkSlice,
        begun: Moment,
        manner: Manner,
        waker: Option<Waker>,
    ) -> Arc<Self> {
        let state = State::Waiting { waker, place: Place::Nowhere, late: false };
        Arc::new(Self {
            request,
            begun,
            manner,
            ticket: AtomicU64::new(0),
            tries: AtomicU32::new(0),
            listed: AtomicUsize::new(UNLISTED),
            state: Mutex::new(state),
        })
    }

    pub(super) fn ticket(&self) -> u64 {
        self.ticket.load(Relaxed)
    }

    /// Returns whether it is in the list of deadlines.
    pub(super) fn has_timer(&self) -> bool {
        self.listed.load(Relaxed) != UNLISTED
    }

    /// Counts a failed attempt; returns their number.
    pub(super) fn tried(&self) -> u32 {
        self.tries.fetch_add(1, Relaxed) + 1
    }

    /// Moves the call to the place `at`. Returns false if the call has ended. If its caller has to send,
    /// the caller of this function wakes `woken` without holding a lock.
    pub(super) fn put(&self, at: Place<L>, woken: &mut Option<Waker>) -> bool {
        let mut state = self.state.lock();
        let State::Waiting { waker, place, .. } = &mut *state else { return false };
        if matches!(at, Place::Connection { sent: false, .. }) {
            *woken = waker.take();
        }
        *place = at;
        true
    }

    /// Moves the call to a place where its caller need not send. Returns false if the call has ended.
    pub(super) fn move_to(&self, at: Place<L>) -> bool {
        self.put(at, &mut None)
    }

    /// Takes the call from a connection that has ended, if it may be repeated: its request was certainly
    /// not sent (`unsent` says so of one that its caller has passed on), or it is idempotent and there is
    /// `budget`; and another attempt is allowed.
    pub(super) fn take_back(&self, unsent: bool, budget: impl FnOnce() -> bool) -> bool {
        let mut state = self.state.lock();
        let State::Waiting { place, .. } = &mut *state else { return false };
        let Place::Connection { sent, .. } = place else { return false };
        let unsent = unsent || !*sent;
        let again = (unsent || self.manner == Manner::Idempotent)
            && self.may_try_again()
            && (unsent || budget());
        if again {
            *place = Place::Nowhere;
        }
        again
    }

    /// Counts a failed attempt; returns whether another one is allowed.
    pub(super) fn may_try_again(&self) -> bool {
        self.tried() < TRIES
    }

    /// Returns whether a queued call goes on waiting although no endpoint can be reached now. Counts an
    /// attempt.
    pub(super) fn may_wait_for_an_endpoint(&self) -> bool {
        self.manner == Manner::Idempotent && self.may_try_again()
    }

    /// Ends the call, unless it has ended. Returns whether its caller gets `result`.
    pub(super) fn complete(&self, result: Result<LinkSlice>) -> bool {
        let mut state = self.state.lock();
        if !matches!(*state, State::Waiting { .. }) {
            return false;
        }
        let before = mem::replace(&mut *state, State::Done(result));
        drop(state);
        if let State::Waiting { waker: Some(waker), .. } = before {
            guard::wake(waker);
        }
        true
    }

    /// Marks the call as late and wakes its caller, who ends it.
    pub(super) fn notify_late(&self) {
        let mut state = self.state.lock();
        let State::Waiting { waker, late, .. } = &mut *state else { return };
        *late = true;
        let waker = waker.take();
        drop(state);
        if let Some(waker) = waker {
            guard::wake(waker);
        }
    }

    /// Polls for what the caller has to do; gives the end once. While pending, every change wakes `cx`,
    /// also when the request is to be sent.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Found<L>> {
        let mut state = self.state.lock();
        if let State::Waiting { waker, place, late } = &mut *state {
            if *late {
                return Poll::Ready(Found::Late);
            }
            match waker {
                Some(known) if known.will_wake(cx.waker()) => {}
                _ => *waker = Some(cx.waker().clone()),
            }
            return match place {
                Place::Connection { connection, number, sent: sent @ false } => {
                    *sent = true;
                    Poll::Ready(Found::Send(connection.clone(), *number))
                }
                _ => Poll::Pending,
            };
        }
        match mem::replace(&mut *state, State::Over) {
            State::Done(result) => Poll::Ready(Found::Ended(result)),
            _ => panic!("a call was polled after it had ended"),
        }
    }

    /// Returns the connection that carries it, and its number there.
    pub(super) fn connection(&self) -> Option<(Arc<L>, u64)> {
        match &*self.state.lock() {
            State::Waiting { place: Place::Connection { connection, number, .. }, .. } => {
                Some((connection.clone(), *number))
            }
            _ => None,
        }
    }

    /// Ends the call on behalf of its caller, who stops waiting.
    pub(super) fn leave(&self) -> Left<L> {
        match mem::replace(&mut *self.state.lock(), State::Over) {
            State::Waiting { place, .. } => Left::At(place),
            State::Done(result) => Left::Done(result),
            State::Over => Left::At(Place::Nowhere),
        }
    }
}

#[cfg(all(test, loom))]
pub(super) mod models {
    use std::task::Wake;

    use super::*;
    use crate::{
        error::{Error, ErrorKind},
        primitive::{Condvar, thread, wait},
        timer::Clock,
    };

    /// Wakes a thread of a model.
    #[derive(Default)]
    struct Bell {
        rung: Mutex<bool>,
        ring: Condvar,
    }

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            *self.rung.lock() = true;
            self.ring.notify_one();
        }
    }

    /// A call without a request.
    pub(in crate::client) fn call<L>() -> Arc<Call<L>> {
        Call::new(LinkSlice::default(), Clock::default().now(), Manner::Once, None)
    }

    /// Waits for the end of `call`.
    pub(in crate::client) fn told<L>(call: &Call<L>) -> Result<LinkSlice> {
        match found(call) {
            Found::Ended(result) => result,
            Found::Send(..) | Found::Late => panic!("it was sent, and has no timer"),
        }
    }

    /// Waits until `call` has ended or is late, and sends it meanwhile. Were a wake-up lost it would
    /// wait for ever: loom reports that.
    fn found<L>(call: &Call<L>) -> Found<L> {
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(bell.clone());
        loop {
            match call.poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(Found::Send(..)) => {}
                Poll::Ready(found) => return found,
                Poll::Pending => {
                    let mut rung = bell.rung.lock();
                    while !*rung {
                        rung = wait(&bell.ring, rung);
                    }
                    *rung = false;
                }
            }
        }
    }

    /// A caller hears of its deadline where nothing else happens to its call.
    #[test]
    fn loom_a_late_caller_is_told() {
        loom::model(|| {
            let call = call::<()>();
            let late = call.clone();
            let timer = thread::spawn(move || late.notify_late());
            assert!(matches!(found(&call), Found::Late));
            timer.join().unwrap();
        });
    }

    /// A caller hears of its deadline or of its reply, and the call ends by one of them.
    #[test]
    fn loom_a_late_call_ends_once() {
        loom::model(|| {
            let call = call::<()>();
            let (late, replied) = (call.clone(), call.clone());
            let timer = thread::spawn(move || late.notify_late());
            let turn = thread::spawn(move || replied.complete(Ok(LinkSlice::default())));
            let has_reply = match found(&call) {
                Found::Ended(_) => true,
                Found::Late => matches!(call.leave(), Left::Done(_)),
                Found::Send(..) => panic!("no connection has it"),
            };
            assert_eq!(turn.join().unwrap(), has_reply);
            timer.join().unwrap();
        });
    }

    /// A caller that waits for a connection is woken to send, and then for its end.
    #[test]
    fn loom_a_caller_is_woken_to_send() {
        loom::model(|| {
            let call = call::<()>();
            let theirs = call.clone();
            let connection = thread::spawn(move || {
                let mut woken = None;
                let connection = Arc::new(());
                assert!(
                    theirs
                        .put(Place::Connection { connection, number: 1, sent: false }, &mut woken)
                );
                if let Some(waker) = woken {
                    waker.wake();
                }
                if theirs.take_back(false, || false) {
                    return theirs.complete(Err(Error::new(ErrorKind::Closed, "unsent")));
                }
                theirs.complete(Ok(LinkSlice::default()))
            });
            let _ = told(&call);
            assert!(connection.join().unwrap());
        });
    }
}
