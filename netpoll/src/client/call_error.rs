//! The errors of calls that got no reply.

use std::{io, time::Duration};

use super::{
    call::Place,
    hub::{CallConnection, Hub},
};
use crate::{
    conn::CloseReason,
    error::{Error, ErrorKind},
};

/// Returns the error of a call to `address` whose connection ended by `fault`, or else for `reason`.
pub(super) fn of(address: &str, fault: Option<&Error>, reason: CloseReason) -> Error {
    let context = format!("calling {address}");
    if let Some(fault) = fault {
        return fault.clone().context(context);
    }
    let kind = match reason {
        CloseReason::Reset => {
            return Error::io(context, io::ErrorKind::ConnectionReset.into());
        }
        CloseReason::Eof => ErrorKind::Eof,
        CloseReason::FrameTimeout
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
    Error::new(kind, format!("{context}: {reason}"))
}

/// Returns the error of a call that cannot be sent on `connection`, which has ended.
pub(super) fn of_connection<L: CallConnection>(connection: &L) -> Error {
    // A write has failed where there is no reason yet.
    let reason = connection.conn().conn.reason().unwrap_or(CloseReason::Reset);
    of(&connection.endpoint().address, None, reason)
}

/// Returns the error of a call that did not end within `limit`; says what it was waiting for.
pub(super) fn too_late<L: CallConnection>(
    hub: &Hub<L>,
    place: &Place<L>,
    limit: Duration,
) -> Error {
    let why = match place {
        Place::Connection { connection, sent: true, .. } => {
            format!("calling {}: no reply within {limit:?}", connection.endpoint().address)
        }
        Place::Connection { connection, .. } => {
            format!("calling {}: not sent within {limit:?}", connection.endpoint().address)
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
pub(super) fn late<L: CallConnection>(hub: &Hub<L>, doing: &str, limit: Duration) -> Error {
    let (now, names) = (hub.connections.gauges(), hub.connections.endpoints.names());
    let why = format!(
        "{doing} {names}: no connection within {limit:?} ({} in use, {} being dialled)",
        now.connections, now.dialing
    );
    Error::new(ErrorKind::TimedOut, why)
}
