//! One call: where it is, and how it ended.
//!
//! ```text
//!   Waiting(nowhere) ──▶ Waiting(queue) ──▶ Waiting(on a lane) ──▶ Done ──▶ Over
//!          │                   │                    │        complete │ poll
//!          └───────────────────┴────────────────────┴──── leave ──────┴──▶ Over
//! ```
//! Each change is made under the call's own lock, so that of a reply, a connection's end, a timeout
//! and a cancellation exactly one ends it. Locks are taken in the order slots, lane, call.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use crate::{buf::LinkSlice, error::Result, primitive::Mutex, timer::Moment};

/// How often a call is tried whose connections end before a byte of it was sent.
const TRIES: u32 = 4;

/// The place of a call that has no alarm.
pub(super) const UNLISTED: usize = usize::MAX;

/// See the module's documentation. `L` is the lane that carries it.
pub(super) struct Call<L> {
    /// What a lane that takes the call sends by itself; empty where the caller sends.
    pub(super) request: LinkSlice,
    pub(super) begun: Moment,
    /// Its place among all calls of the client, by age. Set when it enters.
    pub(super) ticket: AtomicU64,
    /// How often it was tried in vain, without a byte of it having been sent.
    pub(super) tries: AtomicU32,
    /// Its place among those that have an alarm; changed under the slots' lock.
    pub(super) listed: AtomicUsize,
    state: Mutex<State<L>>,
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

/// Where a call is that has not ended.
pub(super) enum Place<L> {
    /// On its way.
    Nowhere,
    /// It waits for a lane.
    Queue,
    /// A lane has it.
    Lane {
        lane: Arc<L>,
        /// Its number there.
        number: u64,
        /// Its request may have been sent.
        sent: bool,
    },
}

/// What a caller finds that looks.
pub(super) enum Found<L> {
    /// The call has ended.
    Ended(Result<LinkSlice>),
    /// The lane waits for the request, which counts as sent from now on.
    Send(Arc<L>, u64),
    /// The call is late: it is for its caller to end it.
    Late,
}

/// What a caller finds that leaves.
pub(super) enum Left<L> {
    /// It ended before.
    Done(Result<LinkSlice>),
    /// It was there, and whoever has it must be told.
    At(Place<L>),
}

impl<L> Call<L> {
    /// A call whose `waker` is told of its end, or once it was [polled](Self::poll) that poll's.
    pub(super) fn new(request: LinkSlice, begun: Moment, waker: Option<Waker>) -> Arc<Self> {
        let state = State::Waiting { waker, place: Place::Nowhere, late: false };
        Arc::new(Self {
            request,
            begun,
            ticket: AtomicU64::new(0),
            tries: AtomicU32::new(0),
            listed: AtomicUsize::new(UNLISTED),
            state: Mutex::new(state),
        })
    }

    pub(super) fn ticket(&self) -> u64 {
        self.ticket.load(Relaxed)
    }

    /// Whether it has an alarm.
    pub(super) fn has_alarm(&self) -> bool {
        self.listed.load(Relaxed) != UNLISTED
    }

    /// Counts a try in vain: how many there were.
    pub(super) fn tried(&self) -> u32 {
        self.tries.fetch_add(1, Relaxed) + 1
    }

    /// Notes where the call is from now on. False: it has ended. If its caller has to send, `woken` is
    /// to be woken, when no lock is held.
    pub(super) fn put(&self, at: Place<L>, woken: &mut Option<Waker>) -> bool {
        let mut state = self.state.lock();
        let State::Waiting { waker, place, .. } = &mut *state else { return false };
        if matches!(at, Place::Lane { sent: false, .. }) {
            *woken = waker.take();
        }
        *place = at;
        true
    }

    /// As [`put`](Self::put), where nobody has to send.
    pub(super) fn move_to(&self, at: Place<L>) -> bool {
        self.put(at, &mut None)
    }

    /// Takes the call from a lane that has ended, if its request was certainly not sent and there were
    /// not too many tries.
    pub(super) fn take_back(&self) -> bool {
        let mut state = self.state.lock();
        let State::Waiting { place, .. } = &mut *state else { return false };
        let again = matches!(place, Place::Lane { sent: false, .. }) && self.may_try_again();
        if again {
            *place = Place::Nowhere;
        }
        again
    }

    /// Counts a try in vain. Whether there may be another.
    pub(super) fn may_try_again(&self) -> bool {
        self.tried() < TRIES
    }

    /// Ends the call, unless it has ended. True: it is `result` that its caller gets.
    pub(super) fn complete(&self, result: Result<LinkSlice>) -> bool {
        let mut state = self.state.lock();
        if !matches!(*state, State::Waiting { .. }) {
            return false;
        }
        let before = mem::replace(&mut *state, State::Done(result));
        drop(state);
        if let State::Waiting { waker: Some(waker), .. } = before {
            waker.wake();
        }
        true
    }

    /// Its deadline has passed: its caller is woken to end it.
    pub(super) fn ring(&self) {
        let mut state = self.state.lock();
        let State::Waiting { waker, late, .. } = &mut *state else { return };
        *late = true;
        let waker = waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// What its caller has to do. Ready with its end once. Otherwise whatever happens to it from now on
    /// wakes `cx`, also where it is to be sent.
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
                Place::Lane { lane, number, sent: sent @ false } => {
                    *sent = true;
                    Poll::Ready(Found::Send(lane.clone(), *number))
                }
                _ => Poll::Pending,
            };
        }
        match mem::replace(&mut *state, State::Over) {
            State::Done(result) => Poll::Ready(Found::Ended(result)),
            _ => panic!("a call was polled after it had ended"),
        }
    }

    /// The lane that has it, and its number there.
    pub(super) fn lane(&self) -> Option<(Arc<L>, u64)> {
        match &*self.state.lock() {
            State::Waiting { place: Place::Lane { lane, number, .. }, .. } => {
                Some((lane.clone(), *number))
            }
            _ => None,
        }
    }

    /// Ends the call by its caller, who waits no more.
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
        Call::new(LinkSlice::default(), Clock::default().now(), None)
    }

    /// Waits for the end of `call`.
    pub(in crate::client) fn told<L>(call: &Call<L>) -> Result<LinkSlice> {
        match found(call) {
            Found::Ended(result) => result,
            Found::Send(..) | Found::Late => panic!("it was sent, and has no alarm"),
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
            let alarm = thread::spawn(move || late.ring());
            assert!(matches!(found(&call), Found::Late));
            alarm.join().unwrap();
        });
    }

    /// A caller hears of its deadline or of its reply, and the call ends by one of them.
    #[test]
    fn loom_a_late_call_ends_once() {
        loom::model(|| {
            let call = call::<()>();
            let (late, replied) = (call.clone(), call.clone());
            let alarm = thread::spawn(move || late.ring());
            let turn = thread::spawn(move || replied.complete(Ok(LinkSlice::default())));
            let has_reply = match found(&call) {
                Found::Ended(_) => true,
                Found::Late => matches!(call.leave(), Left::Done(_)),
                Found::Send(..) => panic!("no lane has it"),
            };
            assert_eq!(turn.join().unwrap(), has_reply);
            alarm.join().unwrap();
        });
    }

    /// A caller that waits for a lane is woken to send, and then for its end.
    #[test]
    fn loom_a_caller_is_woken_to_send() {
        loom::model(|| {
            let call = call::<()>();
            let theirs = call.clone();
            let lane = thread::spawn(move || {
                let mut woken = None;
                let lane = Arc::new(());
                assert!(theirs.put(Place::Lane { lane, number: 1, sent: false }, &mut woken));
                if let Some(waker) = woken {
                    waker.wake();
                }
                if theirs.take_back() {
                    return theirs.complete(Err(Error::new(ErrorKind::Closed, "unsent")));
                }
                theirs.complete(Ok(LinkSlice::default()))
            });
            let _ = told(&call);
            assert!(lane.join().unwrap());
        });
    }
}
