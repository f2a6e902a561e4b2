//! The report of a shutdown.

use std::{fmt, time::Duration};

use crate::{addr::PeerAddress, conn::ConnectionId};

/// The outcome of a server's shutdown for its connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Connections that ended by themselves: their requests were answered and their output sent.
    pub drained: usize,
    /// Connections that were cut at the deadline.
    pub cut: Vec<Cut>,
    /// Time from the call, with the drain's delay, to the end of the last connection.
    pub took: Duration,
}

/// A connection that was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cut {
    /// The connection's number.
    pub id: ConnectionId,
    /// The address of its peer.
    pub peer: PeerAddress,
    /// Bytes of output that were not sent.
    pub pending: usize,
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { drained, cut, took } = self;
        write!(f, "{drained} connections drained, {} cut, in {took:.1?}", cut.len())?;
        for cut in cut {
            write!(
                f,
                "\n  connection {} with {}: {} bytes not sent",
                cut.id, cut.peer, cut.pending
            )?;
        }
        Ok(())
    }
}
