//! Listeners that an older process of the same service hands to this one.
//!
//! ```text
//!   old                                   new, whose standard input is the other end
//!    ├─ descriptors, an end mark ───────────▶ taken at the first look, before it binds
//!    │                                        binds: an address that was handed over is not bound anew
//!    ◀─────────────────────────── ready ─────┤ serves
//!    └─ stops accepting, and drains
//! ```
//! All descriptors lie in the socket before the new process begins. [`VARIABLE`] names the process that handed
//! them over, so that a child of the new one does not take its standard input for such a socket.

use std::{
    env, io,
    io::Write,
    mem,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{net::UnixStream, process::parent_id},
    },
    sync::{Arc, OnceLock},
};

use parking_lot::Mutex;
use socket2::SockRef;

use super::{receive_descriptors, sockaddr::from_system, socket_file::SocketFile};
use crate::{
    PeerAddress,
    error::{Error, Result},
};

/// The environment variable that says which process hands its listeners over.
pub(crate) const VARIABLE: &str = "NETPOLL_UPGRADE";

/// The byte that ends the descriptors.
pub(crate) const END: u8 = 1;
/// The byte by which the new process says that it serves.
pub(crate) const READY: u8 = b'R';

/// What was handed to this process.
struct Handed {
    /// Those that were not taken yet.
    listeners: Mutex<Vec<(PeerAddress, OwnedFd)>>,
    /// The files of those that were taken: this process's own once it is ready.
    files: Mutex<Vec<Arc<SocketFile>>>,
    /// Starts to accept, which wait until this process is ready: before that it may still fail, and would take the
    /// clients that it has accepted with it.
    starts: Mutex<Vec<Start>>,
    /// To the old process, until this one is ready.
    old: Mutex<Option<UnixStream>>,
}

type Start = Box<dyn FnOnce() -> Result<()> + Send>;

fn handed() -> Option<&'static Handed> {
    static HANDED: OnceLock<Option<Handed>> = OnceLock::new();
    let receive = || {
        let from: u32 = env::var(VARIABLE).ok()?.parse().ok()?;
        if from != parent_id() {
            return None;
        }
        receive().map_err(|error| tracing::error!(%error, "no listeners were handed over")).ok()
    };
    HANDED.get_or_init(receive).as_ref()
}

fn receive() -> io::Result<Handed> {
    let old = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut listeners = Vec::new();
    loop {
        let mut mark = [0];
        let (n, fds) = receive_descriptors(old.as_fd(), &mut mark)?;
        for fd in fds {
            let address = from_system(&SockRef::from(&fd).local_addr()?);
            listeners.push((address, fd));
        }
        match (n, mark) {
            (1, [0]) => {}
            (1, [END]) => break,
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
    Ok(Handed {
        listeners: Mutex::new(listeners),
        files: Mutex::default(),
        starts: Mutex::default(),
        old: Mutex::new(Some(old)),
    })
}

/// Returns true if an older process hands its listeners to this one, or did so.
pub(crate) fn is_handed_over() -> bool {
    handed().is_some()
}

/// Takes the listener of `address`, if it was handed over; a port of 0 stands for any port.
pub(super) fn take(address: &PeerAddress) -> Option<OwnedFd> {
    let mut listeners = handed()?.listeners.lock();
    let at = listeners.iter().position(|(known, _)| match address.inet() {
        Some(wanted) if wanted.port() == 0 => known.ip() == Some(wanted.ip()),
        _ => known == address,
    })?;
    Some(listeners.swap_remove(at).1)
}

/// Makes `file` this process's own once it is ready.
pub(super) fn keep(file: &Arc<SocketFile>) {
    if let Some(handed) = handed() {
        handed.files.lock().push(file.clone());
    }
}

/// Takes all listeners that were handed over and not taken.
pub(crate) fn take_rest() -> Vec<OwnedFd> {
    let Some(handed) = handed() else { return Vec::new() };
    handed.listeners.lock().drain(..).map(|(_, fd)| fd).collect()
}

/// Runs `start` at once, or when this process is [`ready`] if an older one waits for that.
///
/// # Errors
/// Those of `start`, if it ran.
pub(crate) fn when_ready(start: impl FnOnce() -> Result<()> + Send + 'static) -> Result<()> {
    if let Some(handed) = handed() {
        let old = handed.old.lock();
        if old.is_some() {
            handed.starts.lock().push(Box::new(start));
            return Ok(());
        }
    }
    start()
}

/// Starts to accept and tells the old process, if there is one, that this one serves; the first call counts.
/// Listeners that nobody took are closed.
///
/// # Errors
/// Those of a start that fails: the old process goes on then.
pub(crate) fn ready() -> Result<()> {
    let Some(handed) = handed() else { return Ok(()) };
    let Some(mut old) = handed.old.lock().take() else { return Ok(()) };
    let starts = mem::take(&mut *handed.starts.lock());
    starts.into_iter().try_for_each(|start| start())?;
    for (address, _) in handed.listeners.lock().drain(..) {
        tracing::warn!(%address, "a listener was handed over, and nothing listens on it any more");
    }
    handed.files.lock().drain(..).for_each(|file| file.own());
    // The old process may have given up; this one serves all the same.
    if let Err(error) = old.write_all(&[READY]) {
        let error = Error::io("telling the old process", error);
        tracing::warn!(%error, "the process before this one does not wait any more");
    }
    Ok(())
}
