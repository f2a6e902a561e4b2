//! Shared memory where it is not supported: its protocol is for Linux.

use std::{io, path::Path, sync::Arc};

use crate::{
    addr::PeerAddress,
    error::{Error, ErrorKind, Result},
    sched::shared::Shared,
    sys::Endpoint,
};

/// Takes the streams that a peer begins.
pub(crate) type Accept = Arc<dyn Fn(Endpoint, PeerAddress) + Send + Sync>;

/// A session that is served: there is none.
pub(crate) enum Served {}

impl Served {
    pub(crate) fn is_over(&self) -> bool {
        match *self {}
    }

    pub(crate) fn retire(&self) {
        match *self {}
    }
}

fn unsupported() -> Error {
    Error::new(ErrorKind::Config, "shared memory between processes is for Linux alone")
}

/// Refuses to listen.
///
/// # Errors
/// `Config`, always.
pub(crate) fn check() -> Result<()> {
    Err(unsupported())
}

/// Refuses a session.
///
/// # Errors
/// `Config`, always.
pub(crate) fn serve(_: &Arc<Shared>, _: Endpoint, _: PeerAddress, _: Accept) -> Result<Served> {
    Err(unsupported())
}

/// Refuses a dial.
///
/// # Errors
/// `Config`, always.
pub(crate) async fn connect(
    _: &Arc<Shared>,
    _: &Path,
    _: impl Fn() -> io::Result<Endpoint>,
) -> Result<Endpoint> {
    Err(unsupported())
}
