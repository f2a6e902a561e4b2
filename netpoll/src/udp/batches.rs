//! Receiving in a turn: batches, each handled datagram by datagram and answered, within the turn's budget.

use std::sync::{Arc, atomic::Ordering::Acquire};

use super::{
    datagram::Datagram,
    endpoint::Endpoint,
    handler::Mode,
    outbox::{Outlet, Relief},
    receive::{Batch, Limits, Received, receive},
    serving::{BUDGET, FAILURES, Serving, State},
};
use crate::{
    error::{Error, ErrorKind},
    sys::udp::BATCH,
};

impl Serving {
    /// Receives and handles, within the turn's budget. True: more may wait.
    pub(super) fn receive(self: &Arc<Self>, state: &mut State, endpoint: &dyn Endpoint) -> bool {
        let (mut spent, mut failures) = (0, 0);
        loop {
            let free = match self.mode {
                Mode::Tasks { max, .. } => max.saturating_sub(self.running.load(Acquire)),
                Mode::Turn | Mode::Inline => BATCH,
            };
            if free == 0 || state.last == Some(0) {
                // A future's end schedules the turn.
                return false;
            }
            let limits = Limits { max_datagram: self.options.max_datagram, messages: free };
            match receive(endpoint, limits, &mut state.appetite) {
                Ok(Received::Batch(batch)) => {
                    spent += self.handle(state, endpoint, &batch);
                    self.send(state, endpoint);
                    if !batch.full {
                        state.more = false;
                        return false;
                    }
                }
                Ok(Received::Nothing) => {
                    state.more = false;
                    return false;
                }
                Ok(Received::Failed(error)) => {
                    failures += 1;
                    self.tell(None, || {
                        Error::io(format!("receiving from udp://{}", self.local), error)
                    });
                }
                Err(error) => {
                    failures = FAILURES;
                    self.tell(None, || error);
                }
            }
            if failures >= FAILURES {
                self.arm();
                return false;
            }
            if spent >= BUDGET {
                return true;
            }
        }
    }

    /// Handles the datagrams of `batch`; gives how many they were.
    fn handle(
        self: &Arc<Self>,
        state: &mut State,
        endpoint: &dyn Endpoint,
        batch: &Batch,
    ) -> usize {
        let max = self.options.max_datagram;
        let (mut n, mut truncated) = (0, 0);
        for datagram in batch.datagrams(self.local) {
            n += 1;
            if datagram.len() > max {
                truncated += 1;
                self.tell(Some(datagram.peer()), || too_long(&datagram, max));
                continue;
            }
            let handled = match self.mode {
                Mode::Turn | Mode::Inline => {
                    let (tally, blocked) = (&self.tally, state.blocked);
                    let relief = Relief { endpoint, tally, blocked };
                    let out =
                        Outlet::new(&mut state.outbox, self.options.max_waiting, Some(relief));
                    self.handler.handle(datagram, out)
                }
                Mode::Tasks { at_once, .. } => self.launch(state, &datagram, at_once),
            };
            if let Err(fault) = handled {
                self.count(datagram.peer(), fault);
            }
        }
        self.tally.received(n);
        self.tally.truncated(truncated);
        if let Some(last) = &mut state.last {
            *last = last.saturating_sub(n as usize);
        }
        n as usize
    }
}

#[cold]
fn too_long(datagram: &Datagram<'_>, max: usize) -> Error {
    let peer = datagram.peer();
    let why = format!("a datagram from {peer} exceeds max_datagram ({max}) and was dropped");
    Error::new(ErrorKind::FrameTooLarge, why)
}
