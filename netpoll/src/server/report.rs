//! What a shutdown says.

use std::{fmt, time::Duration};

use crate::{addr::PeerAddress, conn::ConnectionId};

/// What became of a server's connections at its shutdown.
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
    /// Its number.
    pub id: ConnectionId,
    /// Its other end.
    pub peer: PeerAddress,
    /// Bytes that were written and not sent.
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
