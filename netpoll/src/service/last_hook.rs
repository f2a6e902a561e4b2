//! The order of the last hooks: `on_close` never runs beside `on_disconnect`, nor before it.

use std::mem;

use super::in_flight::OnEnd;
use crate::primitive::Mutex;

/// The state of a connection's last hooks.
#[derive(Default)]
pub(super) struct LastHooks(Mutex<State>);

#[derive(Default)]
enum State {
    /// No last hook runs.
    #[default]
    Open,
    /// `on_disconnect` runs, on the poller or in the turn. The end waits for it, if it has come.
    Disconnecting(Option<OnEnd>),
    /// The end has begun: `on_disconnect` does not run any more.
    Closed,
}

impl LastHooks {
    /// Begins `on_disconnect`. Returns false if the end was first, and the hook must not run.
    pub(super) fn begin_disconnect(&self) -> bool {
        let mut state = self.0.lock();
        let begins = matches!(*state, State::Open);
        if begins {
            *state = State::Disconnecting(None);
        }
        begins
    }

    /// Ends `on_disconnect`. Returns the end if that has come meanwhile; the caller runs it.
    #[must_use]
    pub(super) fn end_disconnect(&self) -> Option<OnEnd> {
        let mut state = self.0.lock();
        match mem::take(&mut *state) {
            State::Disconnecting(Some(end)) => {
                *state = State::Closed;
                Some(end)
            }
            _ => None,
        }
    }

    /// Begins the end. Returns it if the caller is to run it; else whoever ends `on_disconnect` does.
    #[must_use]
    pub(super) fn close(&self, end: OnEnd) -> Option<OnEnd> {
        let mut state = self.0.lock();
        if let State::Disconnecting(waits) = &mut *state {
            *waits = Some(end);
            return None;
        }
        *state = State::Closed;
        Some(end)
    }
}

#[cfg(all(test, loom))]
mod models {
    use std::sync::Arc;

    use super::*;
    use crate::primitive::{
        atomic::{AtomicUsize, Ordering::SeqCst},
        thread,
    };

    /// A peer that disconnects while the turn ends the connection: the end comes once, after
    /// `on_disconnect` if that runs.
    #[test]
    fn loom_the_end_comes_once_and_after_a_disconnect() {
        loom::model(|| {
            let hooks = Arc::new(LastHooks::default());
            let (running, ends) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let poller = thread::spawn({
                let (hooks, running) = (hooks.clone(), running.clone());
                move || {
                    if hooks.begin_disconnect() {
                        running.store(1, SeqCst);
                        running.store(0, SeqCst);
                        if let Some(end) = hooks.end_disconnect() {
                            end();
                        }
                    }
                }
            });
            let end = {
                let ends = ends.clone();
                move || {
                    assert_eq!(running.load(SeqCst), 0, "the end beside on_disconnect");
                    ends.fetch_add(1, SeqCst);
                }
            };
            if let Some(end) = hooks.close(Box::new(end)) {
                end();
            }
            poller.join().unwrap();
            assert_eq!(ends.load(SeqCst), 1);
            assert!(!hooks.begin_disconnect());
        });
    }
}
