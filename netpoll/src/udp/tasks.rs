//! Datagrams whose handlers are futures: each is tried in the turn or begins as a task, and its replies are sent by a
//! later turn.

use std::{
    sync::{Arc, atomic::Ordering::AcqRel},
    task::{Context, Poll, Waker},
};

use super::{
    datagram::{Datagram, Held},
    handler::{Fault, Handled},
    outbox::Outbox,
    serving::{REPLIED, Serving, State},
};

impl Serving {
    /// Has the turn send what is in `outbox`.
    pub(crate) fn send_later(self: &Arc<Self>, outbox: Outbox) {
        self.finish(outbox);
        self.schedule(REPLIED);
    }

    /// Begins to handle `datagram` as a future. It goes on as a task only if it is not ready at once.
    pub(super) fn launch(
        self: &Arc<Self>,
        state: &mut State,
        datagram: &Datagram<'_>,
        at_once: bool,
    ) -> Handled {
        let held = match Held::copy(datagram) {
            Ok(held) => held,
            Err(error) => return Err(Fault::Failed(error)),
        };
        let peer = datagram.peer();
        let mut future = self.handler.start(held, self.options.max_waiting);
        let tried = match at_once {
            true => future.as_mut().poll(&mut Context::from_waker(Waker::noop())),
            false => Poll::Pending,
        };
        match tried {
            Poll::Ready((outbox, handled)) => {
                state.outbox.append(outbox);
                handled
            }
            Poll::Pending => {
                self.running.fetch_add(1, AcqRel);
                let place = Place(self.clone());
                self.runtime.spawn_at(
                    &self.shard,
                    Box::pin(async move {
                        let (outbox, handled) = future.await;
                        place.0.finish(outbox);
                        if let Err(fault) = handled {
                            place.0.count(peer, fault);
                        }
                        drop(place);
                    }),
                );
                Ok(())
            }
        }
    }

    /// A future is done.
    pub(super) fn finish(&self, outbox: Outbox) {
        let mut replied = self.replied.lock();
        replied.append(outbox);
        replied.bound(self.options.max_waiting);
    }
}

/// A future's place among those that run: also one that is dropped leaves it.
struct Place(Arc<Serving>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, AcqRel);
        self.0.schedule(REPLIED);
    }
}
