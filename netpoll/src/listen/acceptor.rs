//! The acceptor: a listener registered with a poller, accepted from in turns.
//!
//! Errors that concern one client are skipped. When descriptors or memory run out, the acceptor sheds
//! a few clients with a reserved descriptor (they see an end, not a hang), then pauses: it deregisters
//! the listener, and a timer resumes it 10 ms later, at most [`LONGEST_PAUSE`] later after repeated
//! failures, so that neither a core nor the log is flooded.

use std::{
    future::poll_fn,
    io,
    sync::{Arc, OnceLock},
    task::{Poll, Waker},
    time::Duration,
};

use parking_lot::Mutex;

use crate::{
    addr::PeerAddress,
    error::{Error, Result},
    poller::{Event, Interest, Token},
    sched::{
        block_on,
        shard::Shard,
        shared::Shared,
        state_word::StateWord,
        turn::{Ready, Scratch, Source, Turn},
    },
    sys::{AcceptFault, Endpoint, Listener, SpareFd},
    throttle::Throttle,
    timer::Moment,
};

/// Connections accepted in one turn.
const BUDGET: usize = 64;
/// Clients shed before a pause.
const SHED: usize = 16;
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(320);

const CAN_ACCEPT: u32 = 1 << 2;
const RESUME: u32 = 1 << 3;
const CLOSE: u32 = 1 << 4;

/// The consumer of accepted sockets.
pub(crate) trait AcceptHandler: Send + Sync {
    /// Takes an accepted socket.
    fn accepted(&self, endpoint: Endpoint, peer: PeerAddress);

    /// Counts clients that were disconnected because no descriptor was left for them.
    fn shed(&self, clients: usize);
}

/// A listener in the poller; see the module's documentation.
pub(crate) struct Acceptor {
    state_word: StateWord,
    listener: Listener,
    runtime: Arc<Shared>,
    shard: Arc<Shard>,
    handler: Arc<dyn AcceptHandler>,
    /// The acceptor's token in the timer wheel, valid also while the listener is not registered.
    timer: OnceLock<Token>,
    state: Mutex<State>,
    log: Throttle,
}

struct State {
    /// The listener's registration; `None` during a pause.
    registered: Option<Token>,
    spare: SpareFd,
    pause: Duration,
    closed: bool,
    /// Wakers of those that wait until the listener is closed.
    waiters: Vec<Waker>,
}

impl Acceptor {
    /// Registers `listener` and starts to accept.
    ///
    /// # Errors
    /// `Closed` if the runtime shuts down, `Io` if the listener cannot be registered.
    pub(crate) fn start(
        runtime: &Arc<Shared>,
        mut listener: Listener,
        handler: Arc<dyn AcceptHandler>,
    ) -> Result<Arc<Self>> {
        runtime.check_open()?;
        listener.inject(&runtime.settings.faults);
        let spare = SpareFd::new().map_err(|e| Error::io("holding a descriptor back", e))?;
        let (pause, waiters) = (FIRST_PAUSE, Vec::new());
        let state = State { registered: None, spare, pause, closed: false, waiters };
        let acceptor = Arc::new(Self {
            state_word: StateWord::new(0),
            listener,
            runtime: runtime.clone(),
            shard: runtime.place().clone(),
            handler,
            timer: OnceLock::new(),
            state: Mutex::new(state),
            log: Throttle::every(Duration::from_secs(1)),
        });
        let token = acceptor.shard.poller.insert(acceptor.clone());
        acceptor.timer.set(token).expect("an acceptor starts once");
        let registered = acceptor.register(&mut acceptor.state.lock());
        registered.map_err(|e| {
            acceptor.schedule(CLOSE);
            Error::io(format!("registering the listener of {}", acceptor.listener.address()), e)
        })?;
        Ok(acceptor)
    }

    /// The address on which it listens.
    pub(crate) fn address(&self) -> &PeerAddress {
        self.listener.address()
    }

    /// Stops accepting and closes the listener. Waits until that is done, or until `until`.
    pub(crate) fn close(self: &Arc<Self>, until: Moment) {
        self.schedule(CLOSE);
        let closed = poll_fn(|cx| {
            let mut state = self.state.lock();
            if state.closed {
                return Poll::Ready(());
            }
            if !state.waiters.iter().any(|known| known.will_wake(cx.waker())) {
                state.waiters.push(cx.waker().clone());
            }
            Poll::Pending
        });
        block_on::wait_for(closed, Some(until));
    }

    fn schedule(self: &Arc<Self>, event: u32) {
        if StateWord::must_queue(self.state_word.notify(event)) {
            self.shard.push(self.clone());
        }
    }

    fn register(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        let fd = self.listener.fd()?;
        state.registered =
            Some(self.shard.poller.register(fd, Interest::Listener, self.clone())?);
        Ok(())
    }

    fn deregister(&self, state: &mut State) {
        if let Some(token) = state.registered.take() {
            self.runtime.remove(&self.shard, token, self.listener.fd().ok());
        }
    }

    /// Accepts a turn's budget of clients; true if more may wait.
    fn accept_some(self: &Arc<Self>, state: &mut State) -> bool {
        for _ in 0..BUDGET {
            match self.listener.accept() {
                Ok((socket, peer)) => {
                    state.pause = FIRST_PAUSE;
                    self.handler.accepted(socket.into(), peer);
                }
                Err(error) => match AcceptFault::of(&error) {
                    AcceptFault::Empty => return false,
                    AcceptFault::Transient => {}
                    AcceptFault::Exhausted => {
                        self.exhausted(state, &error);
                        return false;
                    }
                    AcceptFault::Fatal => {
                        let address = self.listener.address();
                        tracing::error!(%error, %address, "a listener failed and is closed");
                        self.shut(state);
                        return false;
                    }
                },
            }
        }
        true
    }

    fn exhausted(self: &Arc<Self>, state: &mut State, error: &io::Error) {
        let shed = (0..SHED).take_while(|_| matches!(state.spare.shed(&self.listener), Ok(true)));
        let shed = shed.count();
        self.handler.shed(shed);
        self.deregister(state);
        let pause = state.pause;
        state.pause = (pause * 2).min(LONGEST_PAUSE);
        if let Some(skipped) = self.log.admit(self.shard.clock) {
            let address = self.listener.address();
            tracing::warn!(%error, %address, shed, ?pause, skipped, "cannot accept; raise the limit of open files");
        }
        self.arm(pause);
    }

    fn arm(&self, pause: Duration) {
        let token = *self.timer.get().expect("it was set at the start");
        self.shard.arm(self.shard.clock.tick_after(pause), token);
    }

    fn shut(&self, state: &mut State) {
        self.deregister(state);
        self.listener.close();
        if let Some(token) = self.timer.get() {
            self.runtime.remove(&self.shard, *token, None);
        }
        state.closed = true;
        state.waiters.drain(..).for_each(Waker::wake);
    }
}

impl Turn for Acceptor {
    fn run_io(self: Arc<Self>) {
        let state = &mut *self.state.lock();
        if self.state_word.load() & CLOSE == 0 {
            self.wait_for_turn(state);
        } else if !state.closed {
            self.shut(state);
        }
    }

    fn is_handler(&self) -> bool {
        false
    }

    fn run(self: Arc<Self>, _scratch: &mut Scratch) {
        let events = self.state_word.begin();
        let again = {
            let state = &mut *self.state.lock();
            if state.closed {
                false
            } else if events & CLOSE != 0 {
                self.shut(state);
                false
            } else if events & RESUME != 0 && state.registered.is_none() {
                if self.register(state).is_err() {
                    // There was memory for the timer, there is none for the registration.
                    self.arm(state.pause);
                }
                false
            } else {
                state.registered.is_some() && self.accept_some(state)
            }
        };
        if self.state_word.end(again) {
            let shard = self.shard.clone();
            shard.push(self);
        }
    }
}

impl Acceptor {
    /// Deregisters the listener until the next turn: while no handler may start nobody is accepted, and
    /// the poller would report the listener again and again.
    fn wait_for_turn(&self, state: &mut State) {
        if state.registered.is_some() {
            self.deregister(state);
            let _queued = self.state_word.notify(RESUME);
        }
    }
}

impl Source for Acceptor {
    fn on_event(self: Arc<Self>, _event: Event, ready: &mut Ready) {
        if StateWord::must_queue(self.state_word.notify(CAN_ACCEPT)) {
            ready.push(self);
        }
    }

    fn on_timer(self: Arc<Self>, _now: u64, ready: &mut Ready) {
        if StateWord::must_queue(self.state_word.notify(RESUME)) {
            ready.push(self);
        }
    }

    fn on_shutdown(self: Arc<Self>) {
        self.schedule(CLOSE);
    }
}
