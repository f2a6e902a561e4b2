//! The handler of a client's connection: finds replies and passes them to the [`CallConnection`].

use std::{
    ops::ControlFlow,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use parking_lot::Mutex;

use super::call_connection::{CallConnection, Format, Inspect, Marks, Matching, Reply, inspect};
use crate::{
    buf::LinkSlice,
    conn::{
        CloseReason, Connection,
        frames::{self, Found},
        handler::{After, Handler},
        pump::{self, Receive},
        recv::Recv,
        step::Step,
    },
    error::{Error, Result},
    frame::Frame,
    guard::{self, Place},
};

/// Reads the marks of a frame; decoders are users' code.
fn read_marks(inspect: Inspect, bytes: &LinkSlice) -> Result<Marks> {
    Ok(guard::run(Place::Decode, || inspect(bytes))??)
}

/// Receives replies of the format `F`.
pub(super) struct ReplyHandler<F: Frame, M: Matching> {
    state: Mutex<State<F, M>>,
}

struct State<F: Frame, M: Matching> {
    /// None once the connection is closed.
    connection: Option<Arc<CallConnection<M>>>,
    scan: F::Scan,
    batch: M::Batch,
}

impl<F: Frame, M: Matching> ReplyHandler<F, M> {
    pub(super) fn new(connection: Arc<CallConnection<M>>) -> Self {
        let (scan, batch) = (Default::default(), M::Batch::default());
        Self { state: Mutex::new(State { connection: Some(connection), scan, batch }) }
    }

    fn connection(&self) -> Option<Arc<CallConnection<M>>> {
        self.state.lock().connection.clone()
    }
}

impl<M: Matching> Format<M> {
    /// Replies of the format `R`, whose calls have no numbers.
    pub(super) fn of<R: Frame + 'static>() -> Self {
        Self::numbered::<R>(inspect::<R>)
    }

    /// Replies of the format `R`, whose marks `inspect` reads.
    pub(super) fn numbered<R: Frame + 'static>(inspect: Inspect) -> Self {
        Self { handler: |connection| Arc::new(ReplyHandler::<R, M>::new(connection)), inspect }
    }
}

/// The receiving side of a step.
struct Replies<'s, F: Frame, M: Matching> {
    connection: &'s Arc<CallConnection<M>>,
    scan: &'s mut F::Scan,
    batch: &'s mut M::Batch,
    max_frame: usize,
}

impl<F: Frame, M: Matching> Receive for Replies<'_, F, M> {
    fn find(&mut self, recv: &Recv) -> Result<Found> {
        guard::run(Place::Scan, || frames::find::<F>(self.scan, recv, self.max_frame))?
    }

    fn frame(&mut self, step: &mut Step<'_, '_>, n: usize) -> Result<ControlFlow<After>> {
        let Some(recv) = &mut step.recv else { return Ok(ControlFlow::Break(After::Wait)) };
        let frame = recv.input.slice(n)?;
        // The turn alone counts.
        let received = self.connection.received.load(Relaxed) + n as u64;
        self.connection.received.store(received, Relaxed);
        let hub = &self.connection.hub;
        let marks = read_marks(hub.format.inspect, &frame)?;
        if marks.goodbye {
            hub.carry_out(self.connection.goodbye());
        }
        if !marks.only_goodbye {
            let more = !recv.input.is_empty();
            let reply = Reply { bytes: frame, number: marks.number, more };
            M::received(self.connection, reply, self.batch)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn quiet(&mut self, step: &mut Step<'_, '_>) -> Result<After> {
        if step.recv.as_ref().is_some_and(|recv| !recv.input.is_empty()) {
            M::began(self.connection)?;
        }
        Ok(After::Wait)
    }
}

impl<F: Frame + 'static, M: Matching> Handler for ReplyHandler<F, M> {
    fn step(&self, step: &mut Step<'_, '_>) -> After {
        let State { connection, scan, batch } = &mut *self.state.lock();
        let Some(connection) = connection else { return After::Abort(CloseReason::Local) };
        let max_frame = step.conn.options().max_frame;
        let received = pump::run(&mut Replies::<F, M> { connection, scan, batch, max_frame }, step);
        // What came before an error is delivered all the same.
        let delivered = M::deliver(connection, batch);
        let received = received.and_then(|after| delivered.map(|()| after));
        received.unwrap_or_else(|error| {
            let reason = CloseReason::of(&error);
            connection.poison(error);
            After::Abort(reason)
        })
    }

    fn disconnected(&self, _: &Connection, _: CloseReason) {}

    fn failed(&self, _: &Connection, error: &Error) {
        if let Some(connection) = self.connection() {
            connection.give_up(error.clone());
        }
    }

    fn idle(&self, _: &Connection) -> bool {
        self.connection().is_none_or(|connection| connection.rests())
    }

    fn give_up(&self) {}

    fn closed(&self, _: &Connection, _: CloseReason) {
        // The call connection holds the connection, which holds this.
        let connection = self.state.lock().connection.take();
        drop(connection);
    }

    fn brief(&self) -> bool {
        true
    }
}
