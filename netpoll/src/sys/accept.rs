//! What to do when an accept fails.

use std::{fs::File, io, os::fd::OwnedFd};

use super::listener::Listener;

/// What an error of [`Listener::accept`] means for the accept loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AcceptFault {
    /// None waits.
    Empty,
    /// It concerned that one connection: accept the next.
    Transient,
    /// The process or the system has no descriptors or memory left: shed load, wait, try again.
    Exhausted,
    /// The listener cannot be used any more.
    Fatal,
}

impl AcceptFault {
    /// Classifies an error of [`Listener::accept`].
    pub(crate) fn of(error: &io::Error) -> Self {
        let Some(code) = error.raw_os_error() else {
            return Self::Fatal;
        };
        match code {
            _ if error.kind() == io::ErrorKind::WouldBlock => Self::Empty,
            libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM => Self::Exhausted,
            // accept(2): errors that were pending on the new connection, or a firewall's word on it.
            libc::ECONNABORTED
            | libc::ECONNRESET
            | libc::EPROTO
            | libc::EPERM
            | libc::ENETDOWN
            | libc::ENETUNREACH
            | libc::ENOPROTOOPT
            | libc::EHOSTDOWN
            | libc::EHOSTUNREACH
            | libc::ETIMEDOUT => Self::Transient,
            _ => super::os::classify_accept(code),
        }
    }
}

/// A descriptor held back, so that a connection can be shed when there are none left.
///
/// Without it a client waits in the backlog of a listener that cannot accept, and its listener's
/// event never goes away.
#[derive(Debug)]
pub(crate) struct SpareFd(Option<OwnedFd>);

impl SpareFd {
    /// Holds one descriptor.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(Some(open()?)))
    }

    /// Accepts one connection with the descriptor held back, and closes it; gives whether there was
    /// one.
    ///
    /// Another thread may take the descriptor meanwhile. Then nothing is shed, and a later call
    /// takes it back as soon as there is one.
    pub(crate) fn shed(&mut self, listener: &Listener) -> io::Result<bool> {
        if self.0.take().is_none() {
            self.0 = open().ok();
            return Ok(false);
        }
        let shed = listener.accept();
        let found = match &shed {
            Ok(_) => Ok(true),
            Err(e) => match AcceptFault::of(e) {
                AcceptFault::Fatal => Err(io::Error::from(e.kind())),
                _ => Ok(false),
            },
        };
        drop(shed);
        self.0 = open().ok();
        found
    }
}

fn open() -> io::Result<OwnedFd> {
    File::open("/dev/null").map(OwnedFd::from)
}
