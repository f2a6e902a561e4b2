//! A closure as the handler of a dialled connection: `SetOnRequest` of CloudWeGo Netpoll.

use std::{any::Any, sync::Arc};

use parking_lot::Mutex;

use super::{Call, ConnectionHandler, ConnectionOwner, Flow, In, Service};
use crate::{
    conn::{Connection, Reader, state::event},
    error::{Error, ErrorKind, Result},
};

type OnRequest = dyn Fn(&Connection, &mut Reader) -> Result<()> + Send + Sync;

/// A service that is one replaceable closure.
struct Callback(Mutex<Arc<OnRequest>>);

impl Service for Callback {
    type Session = ();
    type Request = In<'static>;

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(&'a self, call: Call<'a, ()>, mut input: In<'a>) -> Result<Flow> {
        let run = self.0.lock().clone();
        run(call.conn, &mut input)?;
        Ok(Flow::Continue)
    }
}

/// The owner of a dialled connection whose user needs no notice.
struct Unowned;

impl ConnectionOwner for Unowned {
    fn refused(&self) {}

    fn drains(&self) -> bool {
        false
    }

    fn failed(&self, _: &Connection, _: &Error) {}

    fn closed(&self, _: &Connection) {}
}

impl Connection {
    /// Has `handler` called whenever bytes come, and again as long as it consumes some: for what the
    /// peer of a dialled connection sends unasked. A handler that is set later replaces it, and is
    /// called with what waits.
    ///
    /// # Errors
    /// `Config` if the connection's handler is a server's.
    pub fn set_on_request<F>(&self, handler: F) -> Result<()>
    where
        F: Fn(&Connection, &mut Reader) -> Result<()> + Send + Sync + 'static,
    {
        let handler: Arc<OnRequest> = Arc::new(handler);
        let callback = Arc::new(Callback(Mutex::new(handler.clone())));
        if self.conn.set_handler(Arc::new(ConnectionHandler::new(
            callback,
            Arc::new(Unowned),
            None,
        ))) {
            return Ok(());
        }
        let callbacks = self.conn.handler().and_then(|has| {
            let any: &dyn Any = &**has;
            any.downcast_ref::<ConnectionHandler<Callback>>()
        });
        let Some(callbacks) = callbacks else {
            let why = format!("{}: its handler is a server's", self.conn);
            return Err(Error::new(ErrorKind::Config, why));
        };
        *callbacks.service().0.lock() = handler;
        callbacks.look_again();
        self.conn.schedule(event::WAKE);
        Ok(())
    }
}
