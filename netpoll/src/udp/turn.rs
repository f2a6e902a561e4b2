//! A socket's turns, and the events that queue them.

use std::sync::Arc;

use super::{
    handler::Mode,
    serving::{ABORT, CLOSE, LAST, READABLE, Serving, State, WRITABLE},
};
use crate::{
    poller::{Event, Interest, Readiness},
    sched::{
        state_word::StateWord,
        turn::{About, Ready, Scratch, Source, Turn},
    },
};

impl Serving {
    /// The turn's work. True: there is more.
    fn work(self: &Arc<Self>, events: u32, state: &mut State, scratch: &mut Scratch) -> bool {
        if events & ABORT != 0 {
            self.shut(state);
        }
        let Some(endpoint) = state.endpoint.clone() else { return false };
        if events & CLOSE != 0 && state.last.is_none() {
            state.last = Some(LAST);
            state.more = true;
        }
        let writable = events & WRITABLE != 0 && state.blocked;
        let lost = state.registered.is_none() && endpoint.fd().is_some();
        if writable || lost {
            state.blocked = false;
            self.watch(state, &*endpoint, Interest::Datagrams);
        }
        if events & READABLE != 0 {
            state.more = true;
        }
        let lends = state.outbox.is_empty() && scratch.out.is_empty();
        if lends {
            state.outbox.lend_bytes(std::mem::take(&mut scratch.out));
        }
        self.send(state, &*endpoint);
        let again = state.more && self.receive(state, &*endpoint);
        self.send(state, &*endpoint);
        if state.outbox.is_empty() {
            let bytes = state.outbox.take_bytes();
            if lends {
                scratch.out = bytes;
            }
        }
        if state.last.is_some() && !again && self.is_drained(state) {
            self.shut(state);
        }
        again
    }
}

impl Turn for Serving {
    fn run(self: Arc<Self>, scratch: &mut Scratch) {
        let events = self.state_word.begin();
        let (again, closed) = {
            let state = &mut *self.state.lock();
            (self.work(events, state, scratch), state.endpoint.is_none())
        };
        if closed {
            self.announce();
        }
        if again {
            // The next turn goes on where this one stopped.
            let _queued = self.state_word.notify(READABLE);
        }
        if self.state_word.end(again) {
            let shard = self.shard.clone();
            shard.push(self);
        }
    }

    fn run_io(self: Arc<Self>) {
        if let Some(mut state) = self.state.try_lock()
            && let Some(endpoint) = state.endpoint.clone()
        {
            self.send(&mut state, &*endpoint);
        }
    }

    fn about(&self) -> About {
        About { connection: None, inline: self.mode == Mode::Inline }
    }
}

impl Source for Serving {
    fn on_event(self: Arc<Self>, event: Event, ready: &mut Ready) {
        let Event::Ready(readiness) = event;
        let mut events = 0;
        if readiness.is_readable() || readiness.contains(Readiness::HUNG_UP) {
            events |= READABLE;
        }
        if readiness.is_writable() {
            events |= WRITABLE;
        }
        if events != 0 && StateWord::must_queue(self.state_word.notify(events)) {
            ready.push(self);
        }
    }

    fn on_timer(self: Arc<Self>, _now: u64, ready: &mut Ready) {
        if StateWord::must_queue(self.state_word.notify(READABLE)) {
            ready.push(self);
        }
    }

    fn on_shutdown(self: Arc<Self>) {
        self.schedule(ABORT);
    }
}
