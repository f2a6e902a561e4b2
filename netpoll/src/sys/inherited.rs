//! Listeners that the parent process opened: systemd's socket activation.
//!
//! The protocol is that of sd_listen_fds(3): `LISTEN_PID` names the process that is meant,
//! `LISTEN_FDS` says how many descriptors it has from 3 on, `LISTEN_FDNAMES` names them, with colons
//! between.
#![allow(unsafe_code)]

use std::{
    io,
    os::fd::{FromRawFd, OwnedFd, RawFd},
    sync::atomic::{AtomicBool, Ordering::SeqCst},
};

use super::listener::{ListenOptions, Listener};
use crate::{Error, ErrorKind, Result};

/// The first inherited descriptor.
const FIRST: RawFd = 3;

/// A listener from the parent process, and the name that it has there.
#[derive(Debug)]
pub(crate) struct Inherited {
    /// The unit's `FileDescriptorName`, if names were given.
    pub(crate) name: Option<String>,
    /// The listener. Its file, if it has one, belongs to the parent and is left alone.
    pub(crate) listener: Listener,
}

/// What the environment says about inherited descriptors.
#[derive(Debug, PartialEq, Eq)]
struct Declared {
    count: RawFd,
    names: Vec<String>,
}

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes the listeners that the parent process left to this one; none if it left none, or if they
/// were taken before. The environment is not changed: children see a `LISTEN_PID` that is not
/// theirs, and the descriptors become close-on-exec.
///
/// # Errors
/// [`ErrorKind::Config`] for variables that are no numbers; [`ErrorKind::Io`] for a descriptor that
/// is not a listening stream socket, naming it.
pub(crate) fn take_inherited(options: &ListenOptions) -> Result<Vec<Inherited>> {
    let declared = declared(|name| std::env::var(name).ok(), std::process::id())?;
    if declared.count == 0 || TAKEN.swap(true, SeqCst) {
        return Ok(Vec::new());
    }
    // All of them first: if one cannot be used the others are closed too, and no client waits at a
    // listener that nobody accepts at.
    let claimed: Vec<_> = (FIRST..FIRST + declared.count).map(|fd| (fd, claim(fd))).collect();
    let names = declared.names.into_iter().map(Some).chain(std::iter::repeat(None));
    let adopted = claimed.into_iter().zip(names).map(|((number, fd), name)| {
        let listener = fd.and_then(|fd| Listener::adopt(fd, options));
        let listener =
            listener.map_err(|e| Error::io(format!("inherited descriptor {number}"), e))?;
        Ok(Inherited { name, listener })
    });
    adopted.collect()
}

/// Takes `fd` over if it is open.
fn claim(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: it takes two numbers and touches no memory of the process.
    super::call::check(unsafe { libc::fcntl(fd, libc::F_GETFD) })?;
    // SAFETY: `fd` is open; the environment says that it was left to this process, for whoever asks
    // first, and `TAKEN` lets only one caller come here.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Reads the variables by `lookup`, for the process `own_pid`.
fn declared(lookup: impl Fn(&str) -> Option<String>, own_pid: u32) -> Result<Declared> {
    let none = Declared { count: 0, names: Vec::new() };
    let number = |name: &str| -> Result<Option<u32>> {
        let Some(text) = lookup(name) else {
            return Ok(None);
        };
        let message = || format!("environment variable {name}={text:?} is not a number");
        text.parse().map(Some).map_err(|_| Error::new(ErrorKind::Config, message()))
    };
    let (Some(pid), Some(count)) = (number("LISTEN_PID")?, number("LISTEN_FDS")?) else {
        return Ok(none);
    };
    if pid != own_pid {
        return Ok(none);
    }
    let count = RawFd::try_from(count)
        .ok()
        .filter(|n| n.checked_add(FIRST).is_some())
        .ok_or_else(|| Error::new(ErrorKind::Config, format!("LISTEN_FDS={count} is too many")))?;
    let names = lookup("LISTEN_FDNAMES")
        .map(|names| names.split(':').map(str::to_owned).collect())
        .unwrap_or_default();
    Ok(Declared { count, names })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pid: &str, fds: &str, names: Option<&str>) -> Result<Declared> {
        let names = names.map(str::to_owned);
        let (pid, fds) = (pid.to_owned(), fds.to_owned());
        let lookup = move |name: &str| match name {
            "LISTEN_PID" => Some(pid.clone()),
            "LISTEN_FDS" => Some(fds.clone()),
            "LISTEN_FDNAMES" => names.clone(),
            _ => None,
        };
        declared(lookup, 42)
    }

    #[test]
    fn only_the_process_that_is_meant_has_them() {
        assert_eq!(read("42", "2", Some("a:b")).unwrap().names, ["a", "b"]);
        assert_eq!(read("42", "2", None).unwrap(), Declared { count: 2, names: vec![] });
        assert_eq!(read("41", "2", None).unwrap().count, 0);
        assert_eq!(declared(|_| None, 42).unwrap().count, 0);
    }

    #[test]
    fn what_is_no_number_is_an_error_that_names_the_variable() {
        for (pid, fds, variable) in [("42", "x", "LISTEN_FDS"), ("", "1", "LISTEN_PID")] {
            let e = read(pid, fds, None).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Config);
            assert!(e.to_string().contains(variable), "{e}");
        }
        assert!(read("42", "4294967295", None).is_err());
    }
}
