//! Extractors: arguments of handlers that are taken from the call.

use std::ops::{Deref, DerefMut};

use super::{call::Out, notes::Notes};
use crate::{
    addr::PeerAddress,
    conn::{Cancel, CloseReason, Connection, Deadline, Reader},
    error::{Error, ErrorKind, Result},
};

/// An argument of `on_request` that is passed by value, before the frame: taken from the call.
///
/// [`Peer`], [`Local`], [`Deadline`], [`Cancel`], [`State`] and [`Out`] are such; a type of your own
/// becomes one by this trait. `'c` is for how long the call is handled, and `S` the server.
///
/// ```
/// use netpoll::{CallParts, FromCall, Result};
///
/// /// Whether the client is on this machine.
/// struct Near(bool);
///
/// impl<S> FromCall<'_, S> for Near {
///     fn from_call(parts: &mut CallParts<'_, S>) -> Result<Self> {
///         Ok(Self(parts.conn().peer().inet().is_none_or(|peer| peer.ip().is_loopback())))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no argument of a request's handler for `{S}`",
    label = "cannot be taken from the call",
    note = "`Peer`, `Local`, `Deadline`, `Cancel`, `Ext<T>`, `Out<'_>` and `State<'_, {S}>` can; implement \
            `FromCall` for types of your own",
    note = "the connection is taken by reference: `conn: &Connection`"
)]
pub trait FromCall<'c, S>: Sized {
    /// Takes the argument from the call.
    ///
    /// # Errors
    /// The argument is not available: the request is not handled, and the connection closes.
    fn from_call(parts: &mut CallParts<'c, S>) -> Result<Self>;
}

/// The parts of a call, from which [`FromCall`] takes arguments.
#[derive(Debug)]
pub struct CallParts<'c, S> {
    server: &'c S,
    conn: &'c Connection,
    deadline: Deadline,
    notes: Option<&'c Notes>,
    out: Option<Out<'c>>,
}

impl<'c, S> CallParts<'c, S> {
    /// Creates the parts of a call.
    #[inline]
    pub fn new(server: &'c S, conn: &'c Connection, deadline: Deadline, out: Out<'c>) -> Self {
        Self { server, conn, deadline, notes: out.notes(), out: Some(out) }
    }

    /// Returns the notes of the request, if layers look at it.
    pub(super) fn notes(&self) -> Option<&'c Notes> {
        self.notes
    }

    /// Returns the server.
    pub fn server(&self) -> &'c S {
        self.server
    }

    /// Returns the connection.
    pub fn conn(&self) -> &'c Connection {
        self.conn
    }

    /// Returns the time until which the request is to be answered.
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Takes the output; `None` if it was taken before.
    pub fn take_out(&mut self) -> Option<Out<'c>> {
        self.out.take()
    }
}

/// An argument of the other hooks that is passed by value: taken from the connection, or from the
/// event `E` that the hook tells of.
///
/// [`Peer`], [`Local`] and [`State`] are such for all hooks, [`CloseReason`] for `on_disconnect` and
/// `on_close`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no argument of this hook for `{S}`",
    label = "cannot be taken from the connection",
    note = "`Peer`, `Local` and `State<'_, {S}>` can, and `CloseReason` in `on_disconnect` and \
            `on_close`"
)]
pub trait FromHook<'c, S, E>: Sized {
    /// Takes the argument from the parts.
    ///
    /// # Errors
    /// The argument is not available.
    fn from_hook(parts: &HookParts<'c, S, E>) -> Result<Self>;
}

/// The parts of a hook's call, from which [`FromHook`] takes arguments.
#[derive(Debug)]
pub struct HookParts<'c, S, E> {
    server: &'c S,
    conn: &'c Connection,
    event: E,
}

impl<'c, S, E: Copy> HookParts<'c, S, E> {
    /// Creates the parts of a hook's call.
    pub fn new(server: &'c S, conn: &'c Connection, event: E) -> Self {
        Self { server, conn, event }
    }

    /// The server.
    pub fn server(&self) -> &'c S {
        self.server
    }

    /// The connection.
    pub fn conn(&self) -> &'c Connection {
        self.conn
    }

    /// Returns the event that the hook is called for.
    pub fn event(&self) -> E {
        self.event
    }
}

/// The other end's address, as an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer(pub PeerAddress);

/// This end's address, as an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local(pub PeerAddress);

/// The server, as an argument of a free function that `#[server]` names.
#[derive(Debug)]
pub struct State<'c, S>(pub &'c S);

impl<S> Clone for State<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for State<'_, S> {}

impl<S> Deref for State<'_, S> {
    type Target = S;
    fn deref(&self) -> &S {
        self.0
    }
}

/// The connection's bytes as they come, instead of a frame: a [`Reader`]. A handler of the macros takes it
/// as its last argument; a service names it as `type Request = In<'static>`.
///
/// The handler is called when bytes have come, and again as long as it consumes some. It may wait for
/// more than there is. If it consumes nothing it is called again when more has come.
#[derive(Debug)]
pub struct In<'a>(pub(super) &'a mut Reader);

impl Deref for In<'_> {
    type Target = Reader;
    fn deref(&self) -> &Reader {
        self.0
    }
}

impl DerefMut for In<'_> {
    fn deref_mut(&mut self) -> &mut Reader {
        self.0
    }
}

impl<'c, S> FromCall<'c, S> for Peer {
    fn from_call(parts: &mut CallParts<'c, S>) -> Result<Self> {
        Ok(Self(parts.conn.peer().clone()))
    }
}

impl<'c, S> FromCall<'c, S> for Local {
    fn from_call(parts: &mut CallParts<'c, S>) -> Result<Self> {
        parts.conn.local().cloned().map(Self)
    }
}

impl<S> FromCall<'_, S> for Deadline {
    fn from_call(parts: &mut CallParts<'_, S>) -> Result<Self> {
        Ok(parts.deadline)
    }
}

impl<S> FromCall<'_, S> for Cancel {
    fn from_call(parts: &mut CallParts<'_, S>) -> Result<Self> {
        Ok(parts.conn.cancel().or_at(parts.deadline))
    }
}

impl<'c, S> FromCall<'c, S> for State<'c, S> {
    fn from_call(parts: &mut CallParts<'c, S>) -> Result<Self> {
        Ok(Self(parts.server))
    }
}

impl<'c, S> FromCall<'c, S> for Out<'c> {
    fn from_call(parts: &mut CallParts<'c, S>) -> Result<Self> {
        parts.take_out().ok_or_else(|| {
            Error::new(ErrorKind::Config, "two arguments of a handler are its way out")
        })
    }
}

impl<S, E> FromHook<'_, S, E> for Peer {
    fn from_hook(parts: &HookParts<'_, S, E>) -> Result<Self> {
        Ok(Self(parts.conn.peer().clone()))
    }
}

impl<S, E> FromHook<'_, S, E> for Local {
    fn from_hook(parts: &HookParts<'_, S, E>) -> Result<Self> {
        parts.conn.local().cloned().map(Self)
    }
}

impl<'c, S, E> FromHook<'c, S, E> for State<'c, S> {
    fn from_hook(parts: &HookParts<'c, S, E>) -> Result<Self> {
        Ok(Self(parts.server))
    }
}

impl<S> FromHook<'_, S, CloseReason> for CloseReason {
    fn from_hook(parts: &HookParts<'_, S, CloseReason>) -> Result<Self> {
        Ok(parts.event)
    }
}
