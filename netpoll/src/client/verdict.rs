//! What a call is told whose connection has ended.

use std::{io, time::Duration};

use super::{
    call::Place,
    hub::{Hub, Lane},
};
use crate::{
    conn::CloseReason,
    error::{Error, ErrorKind},
};

/// The error of a call to `address`, whose connection ended by `fault`, or else for `reason`.
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

/// The error of a call that cannot be sent on `lane`, which has ended.
pub(super) fn of_lane<L: Lane>(lane: &L) -> Error {
    // A write has failed where there is no reason yet.
    let reason = lane.conn().conn.reason().unwrap_or(CloseReason::Reset);
    of(&lane.endpoint().address, None, reason)
}

/// The error of a call that was not done within `limit`, by what it was waiting for.
pub(super) fn too_late<L: Lane>(hub: &Hub<L>, place: &Place<L>, limit: Duration) -> Error {
    let why = match place {
        Place::Lane { lane, sent: true, .. } => {
            format!("calling {}: no reply within {limit:?}", lane.endpoint().address)
        }
        Place::Lane { lane, .. } => {
            format!("calling {}: not sent within {limit:?}", lane.endpoint().address)
        }
        Place::Queue => return late(hub, "calling", limit),
        Place::Nowhere => {
            let names = hub.slots.endpoints.names();
            format!("calling {names}: not begun within {limit:?}")
        }
    };
    Error::new(ErrorKind::TimedOut, why)
}

/// The error of whoever waited for a connection.
pub(super) fn late<L: Lane>(hub: &Hub<L>, doing: &str, limit: Duration) -> Error {
    let (now, names) = (hub.slots.gauges(), hub.slots.endpoints.names());
    let why = format!(
        "{doing} {names}: no connection within {limit:?} ({} in use, {} being dialled)",
        now.connections, now.dialing
    );
    Error::new(ErrorKind::TimedOut, why)
}
