//! The errors of calls that got no reply.

use std::{fmt, io, time::Duration};

use super::{
    call::Place,
    call_connection::{CallConnection, Matching},
    hub::Hub,
};
use crate::{
    conn::CloseReason,
    error::{Error, ErrorKind},
};

/// The traffic of a connection that has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traffic {
    pub(super) age: Duration,
    /// Bytes that the kernel accepted.
    pub(super) sent: u64,
    /// Bytes of whole frames.
    pub(super) received: u64,
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.age.as_millis();
        write!(f, "{millis} ms after it was made, {} bytes sent, ", self.sent)?;
        match self.received {
            0 => f.write_str("no reply received"),
            n => write!(f, "{n} received"),
        }
    }
}

/// Returns the error of a call to `address` whose connection ended by `fault`, or else for `reason`.
pub(super) fn of(
    address: &str,
    fault: Option<&Error>,
    reason: CloseReason,
    traffic: Traffic,
) -> Error {
    let context = format!("calling {address}");
    if let Some(fault) = fault {
        return fault.clone().context(context);
    }
    let kind = match reason {
        CloseReason::Reset => {
            let error = Error::io("", io::ErrorKind::ConnectionReset.into());
            return error
                .with_message(format!("{context}: connection reset by the peer ({traffic})"));
        }
        CloseReason::Eof => ErrorKind::Eof,
        CloseReason::Truncated => ErrorKind::Truncated,
        CloseReason::HandshakeFailed => ErrorKind::Handshake,
        CloseReason::FrameTimeout
        | CloseReason::HandshakeTimeout
        | CloseReason::WriteTimeout
        | CloseReason::IdleTimeout
        | CloseReason::HandlerTimeout => ErrorKind::TimedOut,
        CloseReason::FrameTooLarge => ErrorKind::FrameTooLarge,
        CloseReason::Malformed => ErrorKind::Malformed,
        CloseReason::MemoryLimit => ErrorKind::Limit,
        CloseReason::Panic => ErrorKind::Panic,
        CloseReason::Local
        | CloseReason::Shutdown
        | CloseReason::HandlerError
        | CloseReason::Detached => ErrorKind::Closed,
    };
    Error::new(kind, format!("{context}: {reason} ({traffic})"))
}

/// Returns the error of a call that cannot be sent on `connection`, which has ended.
pub(super) fn of_connection<M: Matching>(connection: &CallConnection<M>) -> Error {
    // A write has failed where there is no reason yet.
    connection.error(connection.conn.conn.reason().unwrap_or(CloseReason::Reset))
}

/// Returns the error of a call that did not end within `limit`; says what it was waiting for.
pub(super) fn too_late<M: Matching>(
    hub: &Hub<M>,
    place: &Place<CallConnection<M>>,
    limit: Duration,
) -> Error {
    let why = match place {
        Place::Connection { connection, sent: true, .. } => {
            format!("calling {}: no reply within {limit:?}", connection.endpoint.address)
        }
        Place::Connection { connection, .. } => {
            format!("calling {}: not sent within {limit:?}", connection.endpoint.address)
        }
        Place::Queue => return late(hub, "calling", limit),
        Place::Nowhere => {
            let names = hub.connections.endpoints.names();
            format!("calling {names}: not begun within {limit:?}")
        }
    };
    Error::new(ErrorKind::TimedOut, why)
}

/// Returns the error of waiting for a connection for too long.
pub(super) fn late<M: Matching>(hub: &Hub<M>, doing: &str, limit: Duration) -> Error {
    let (now, names) = (hub.connections.gauges(), hub.connections.endpoints.names());
    let why = format!(
        "{doing} {names}: no connection within {limit:?} ({} in use, {} being dialled)",
        now.connections, now.dialing
    );
    Error::new(ErrorKind::TimedOut, why)
}
