//! Deadlines of calls that no thread waits for: one entry in the timer wheel for all of them.
//!
//! The wheel keeps an entry until its time; a client that made one for each call of 10 s would have
//! millions that nobody needs. So calls are listed here, and the one entry stands at the earliest
//! deadline of when it was set. When it fires, those that are late are woken, and it is set anew. Calls
//! with equal timeouts end in the order in which they begin: then it fires about once in a timeout.

use std::{
    sync::{Arc, OnceLock},
    task::Waker,
};

use parking_lot::Mutex;
use slab::Slab;

use crate::{
    poller::{Event, Token},
    sched::{
        home::Home,
        shared::Shared,
        turn::{Ready, Source},
    },
    timer::{Clock, Moment},
};

/// See the module's documentation.
pub(super) struct Alarms {
    list: Arc<List>,
}

struct List {
    runtime: Arc<Shared>,
    home: Arc<Home>,
    token: OnceLock<Token>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: Slab<(u64, Waker)>,
    /// Where the wheel's entry stands, 0 for none.
    armed: u64,
}

impl Alarms {
    pub(super) fn new(runtime: &Arc<Shared>) -> Self {
        let home = runtime.place().clone();
        let (token, state) = (OnceLock::new(), Mutex::default());
        Self { list: Arc::new(List { runtime: runtime.clone(), home, token, state }) }
    }

    /// What the deadlines go by.
    pub(super) fn clock(&self) -> Clock {
        self.list.home.clock
    }

    /// Has `waker` woken at `deadline`.
    pub(super) fn insert(&self, deadline: Moment, waker: &Waker) -> usize {
        let list = &self.list;
        let at = list.home.clock.tick_at(deadline);
        let mut state = list.state.lock();
        let key = state.entries.insert((at, waker.clone()));
        list.arm(&mut state, at);
        key
    }

    /// Has another waker woken.
    pub(super) fn change(&self, key: usize, waker: &Waker) {
        if let Some((_, known)) = self.list.state.lock().entries.get_mut(key)
            && !known.will_wake(waker)
        {
            known.clone_from(waker);
        }
    }

    pub(super) fn remove(&self, key: usize) {
        self.list.state.lock().entries.remove(key);
    }
}

impl Drop for Alarms {
    fn drop(&mut self) {
        self.list.forget();
    }
}

impl List {
    fn arm(self: &Arc<Self>, state: &mut State, at: u64) {
        if state.armed != 0 && state.armed <= at {
            return;
        }
        state.armed = at;
        let token = *self.token.get_or_init(|| self.home.poller.insert(self.clone()));
        self.home.arm(at, token);
    }

    fn forget(&self) {
        if let Some(token) = self.token.get() {
            self.runtime.remove(&self.home, *token, None);
        }
    }

    /// Wakes those whose deadline is `now` or before.
    fn wake(self: &Arc<Self>, now: u64) {
        let mut late = Vec::new();
        {
            let mut state = self.state.lock();
            if state.armed > now {
                return;
            }
            state.armed = 0;
            let mut next = None;
            for (_, (at, waker)) in &state.entries {
                if *at <= now {
                    late.push(waker.clone());
                } else {
                    next = Some(next.map_or(*at, |next: u64| next.min(*at)));
                }
            }
            if let Some(next) = next {
                self.arm(&mut state, next);
            }
        }
        late.into_iter().for_each(Waker::wake);
    }
}

impl Source for List {
    fn on_event(self: Arc<Self>, _: Event, _: &mut Ready) {}

    fn on_timer(self: Arc<Self>, now: u64, _: &mut Ready) {
        self.wake(now);
    }

    /// Calls end with their connections, which are closed too.
    fn on_shutdown(self: Arc<Self>) {
        self.forget();
    }
}
