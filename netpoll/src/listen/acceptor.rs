//! The acceptor: a listener registered with a poller, accepted from in turns.
//!
//! Errors that concern one client are skipped. When descriptors or memory run out, the acceptor sheds
//! a few clients with a reserved descriptor (they see an end, not a hang), then pauses: it deregisters
//! the listener, and a timer resumes it 10 ms later, at most [`LONGEST_PAUSE`] later after repeated
//! failures, so that neither a core nor the log is flooded. It pauses too when errors of single clients
//! come one after the other with no client between them: then it is `accept` that fails.
//!
//! A graceful close accepts first those clients that the system has already taken into the accept queue:
//! they may have sent a request, and closing the listener would reset them.

use std::{
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use parking_lot::Mutex;

use crate::{
    addr::PeerAddress,
    error::{Error, Result},
    poller::{Event, Interest, Token},
    sched::{
        block_on,
        completion::Completion,
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
/// Errors of single clients, one after the other, after which `accept` itself is taken to fail.
const ERRORS: usize = 16;
/// Clients that a graceful close accepts from the accept queue at most.
const LAST: usize = 65_536;
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(320);

const CAN_ACCEPT: u32 = 1 << 2;
const RESUME: u32 = 1 << 3;
/// Closes the listener.
const CLOSE: u32 = 1 << 4;
/// With [`CLOSE`]: accepts those in the accept queue before.
const ACCEPT_LAST: u32 = 1 << 5;

/// The consumer of accepted sockets.
pub(crate) trait AcceptHandler: Send + Sync {
    /// Takes an accepted socket.
    fn accepted(&self, endpoint: Endpoint, peer: PeerAddress);

    /// Learns that the listener at `address` cannot accept, and has disconnected `shed` clients: it pauses, or is
    /// closed if that is `fatal`.
    fn troubled(&self, address: &PeerAddress, error: &io::Error, shed: usize, fatal: bool);

    /// Counts clients that were disconnected because no descriptor was left for them.
    fn shed(&self, clients: usize);

    /// Learns that a listener failed for good and is closed.
    fn failed(&self, error: Error);

    /// Learns that the listener was closed.
    fn closed(&self) {}
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
    closed: Completion<()>,
    log: Throttle,
}

struct State {
    /// The listener's registration; `None` during a pause.
    registered: Option<Token>,
    spare: SpareFd,
    pause: Duration,
    /// Errors since a client was accepted last.
    errors: usize,
    /// The listener was closed.
    shut: bool,
}

impl Acceptor {
    /// Prepares an acceptor, which accepts after [`start`](Self::start).
    ///
    /// # Errors
    /// `Closed` if the runtime shuts down, `Io` if no descriptor is left.
    pub(crate) fn new(
        runtime: &Arc<Shared>,
        mut listener: Listener,
        handler: Arc<dyn AcceptHandler>,
    ) -> Result<Arc<Self>> {
        runtime.check_open()?;
        listener.inject(&runtime.settings.faults);
        let spare = SpareFd::new().map_err(|e| Error::io("holding a descriptor back", e))?;
        let state = State { registered: None, spare, pause: FIRST_PAUSE, errors: 0, shut: false };
        let acceptor = Arc::new(Self {
            state_word: StateWord::new(0),
            listener,
            runtime: runtime.clone(),
            shard: runtime.place().clone(),
            handler,
            timer: OnceLock::new(),
            state: Mutex::new(state),
            closed: Completion::default(),
            log: Throttle::every(Duration::from_secs(1)),
        });
        let token = acceptor.shard.poller.insert(acceptor.clone());
        acceptor.timer.set(token).expect("an acceptor is made once");
        Ok(acceptor)
    }

    /// Starts to accept.
    ///
    /// # Errors
    /// `Io` if the listener cannot be registered.
    pub(crate) fn start(self: &Arc<Self>) -> Result<()> {
        self.register(&mut self.state.lock()).map_err(|e| {
            Error::io(format!("registering the listener of {}", self.listener.address()), e)
        })
    }

    /// The address on which it listens.
    pub(crate) fn address(&self) -> &PeerAddress {
        self.listener.address()
    }

    /// The listener, for another process.
    pub(crate) fn listener(&self) -> &Listener {
        &self.listener
    }

    /// Stops accepting and closes the listener; with `accept_last`, after accepting the clients that are
    /// in the accept queue. Does not wait for it.
    pub(crate) fn close(self: &Arc<Self>, accept_last: bool) {
        self.schedule(if accept_last { CLOSE | ACCEPT_LAST } else { CLOSE });
    }

    /// Waits until the listener is closed, or until `until`.
    pub(crate) fn wait_closed(&self, until: Moment) {
        block_on::wait_for(self.closed.wait(), Some(until));
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

    /// Accepts a turn's budget of clients.
    fn accept_some(self: &Arc<Self>, state: &mut State) -> After {
        for _ in 0..BUDGET {
            match self.listener.accept() {
                Ok((socket, peer)) => {
                    (state.pause, state.errors) = (FIRST_PAUSE, 0);
                    self.handler.accepted(socket.into(), peer);
                }
                Err(error) => match AcceptFault::of(&error) {
                    AcceptFault::Empty => return After::Wait,
                    AcceptFault::Transient => {
                        state.errors += 1;
                        if state.errors >= ERRORS {
                            self.pause(state, &error, 0);
                            return After::Wait;
                        }
                    }
                    AcceptFault::Exhausted => {
                        let shed = (0..SHED)
                            .take_while(|_| matches!(state.spare.shed(&self.listener), Ok(true)))
                            .count();
                        self.handler.shed(shed);
                        self.pause(state, &error, shed);
                        return After::Wait;
                    }
                    AcceptFault::Fatal => {
                        self.shut(state);
                        return After::Failed(error);
                    }
                },
            }
        }
        After::Again
    }

    /// Accepts what is in the accept queue, before the listener closes.
    fn accept_last(&self) {
        let mut errors = 0;
        for _ in 0..LAST {
            match self.listener.accept() {
                Ok((socket, peer)) => self.handler.accepted(socket.into(), peer),
                Err(error) => {
                    errors += 1;
                    if errors >= ERRORS || AcceptFault::of(&error) != AcceptFault::Transient {
                        return;
                    }
                }
            }
        }
    }

    /// Stops accepting for a while that grows with each failure.
    fn pause(self: &Arc<Self>, state: &mut State, error: &io::Error, shed: usize) {
        self.deregister(state);
        self.handler.troubled(self.listener.address(), error, shed, false);
        let pause = state.pause;
        state.pause = (pause * 2).min(LONGEST_PAUSE);
        if let Some(skipped) = self.log.admit(self.shard.clock) {
            let address = self.listener.address();
            let hint = match AcceptFault::of(error) {
                AcceptFault::Exhausted => "raise the limit of open files",
                _ => "accept fails again and again; is it forbidden by a filter?",
            };
            tracing::warn!(%error, %address, shed, ?pause, skipped, "cannot accept: {hint}");
        }
        self.arm(pause);
    }

    fn arm(&self, pause: Duration) {
        let token = *self.timer.get().expect("it was set at the start");
        self.shard.arm(self.shard.clock.tick_after(pause), token);
    }

    fn shut(&self, state: &mut State) {
        state.shut = true;
        self.deregister(state);
        self.listener.close();
        if let Some(token) = self.timer.get() {
            self.runtime.remove(&self.shard, *token, None);
        }
    }

    /// Tells what a turn did, without the lock.
    fn tell(&self, after: After) -> bool {
        match after {
            After::Wait => return false,
            After::Again => return true,
            After::Closed => self.handler.closed(),
            After::Failed(error) => {
                let address = self.listener.address();
                tracing::error!(%error, %address, "a listener failed and is closed");
                self.handler.troubled(address, &error, 0, true);
                self.handler.failed(Error::io(format!("accepting at {address}"), error));
            }
        }
        self.closed.set(());
        false
    }
}

/// The outcome of a turn.
enum After {
    /// Nobody waits to be accepted, or the listener pauses.
    Wait,
    /// More clients may wait.
    Again,
    /// The listener was closed.
    Closed,
    /// The listener failed and was closed.
    Failed(io::Error),
}

impl Turn for Acceptor {
    fn run_io(self: Arc<Self>) {
        let events = self.state_word.load();
        let after = {
            let state = &mut *self.state.lock();
            if events & CLOSE != 0 {
                self.end(state, events)
            } else {
                self.wait_for_turn(state);
                After::Wait
            }
        };
        self.tell(after);
    }

    fn is_handler(&self) -> bool {
        false
    }

    fn run(self: Arc<Self>, _scratch: &mut Scratch) {
        let events = self.state_word.begin();
        let after = {
            let state = &mut *self.state.lock();
            if events & CLOSE != 0 {
                self.end(state, events)
            } else if events & RESUME != 0 && state.registered.is_none() && !state.shut {
                if self.register(state).is_err() {
                    // There was memory for the timer, there is none for the registration.
                    self.arm(state.pause);
                }
                After::Wait
            } else if state.registered.is_some() {
                self.accept_some(state)
            } else {
                After::Wait
            }
        };
        let again = self.tell(after);
        if self.state_word.end(again) {
            let shard = self.shard.clone();
            shard.push(self);
        }
    }
}

impl Acceptor {
    /// Closes the listener, unless it is closed.
    fn end(&self, state: &mut State, events: u32) -> After {
        if state.shut {
            return After::Wait;
        }
        if events & ACCEPT_LAST != 0 {
            self.accept_last();
        }
        self.shut(state);
        After::Closed
    }

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
