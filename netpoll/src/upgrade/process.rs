//! The old process's side: starts the new one and waits until it is ready.

use super::Upgrade;
use crate::error::Result;

/// See [`Upgrade::start`].
#[cfg(not(target_os = "linux"))]
pub(super) fn start(_: &Upgrade) -> Result<u32> {
    let why = "listeners are handed over on Linux alone";
    Err(crate::Error::new(crate::ErrorKind::Config, why))
}

/// See [`Upgrade::start`].
#[cfg(target_os = "linux")]
pub(super) fn start(upgrade: &Upgrade) -> Result<u32> {
    use std::os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    };

    use crate::{error::Error, sys};

    let fail = |error| Error::io("handing the listeners over", error);
    let (here, there) = UnixStream::pair().map_err(fail)?;
    let acceptors = || upgrade.servers.iter().flat_map(|server| server.acceptors());
    // All of it is in the socket before the new process begins, and so has its room.
    for acceptor in acceptors() {
        let copy: OwnedFd = acceptor.listener().share().map_err(fail)?;
        sys::send_descriptors(here.as_fd(), &[copy.as_fd()]).map_err(fail)?;
    }
    std::io::Write::write_all(&mut &here, &[sys::handed::END]).map_err(fail)?;

    let mut command = command(upgrade).map_err(fail)?;
    command.env(sys::handed::VARIABLE, std::process::id().to_string());
    // It names this process, and the new one is to be watched.
    command.env_remove("WATCHDOG_PID");
    command.stdin(OwnedFd::from(there));
    let mut child = command.spawn().map_err(|error| {
        Error::io(format!("starting {}", command.get_program().to_string_lossy()), error)
    })?;
    // It holds the other end, which is to be closed when the child ends.
    drop(command);
    tracing::info!(process = child.id(), "a new process takes the listeners over");
    match wait_ready(&here, upgrade.ready_timeout, &mut child) {
        Ok(()) => {
            crate::notify::replaced();
            acceptors().for_each(|acceptor| acceptor.listener().give_file_away());
            Ok(child.id())
        }
        Err(error) => {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
            Err(error)
        }
    }
}

#[cfg(target_os = "linux")]
fn command(upgrade: &Upgrade) -> std::io::Result<std::process::Command> {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::PathBuf};

    let program = match &upgrade.program {
        Some(program) => program.clone(),
        None => {
            let current = std::env::current_exe()?;
            // What Linux appends to the path of a program whose file was replaced.
            let path = current.as_os_str().as_bytes();
            PathBuf::from(OsStr::from_bytes(path.strip_suffix(b" (deleted)").unwrap_or(path)))
        }
    };
    let mut command = std::process::Command::new(program);
    match &upgrade.arguments {
        Some(arguments) => command.args(arguments),
        None => command.args(std::env::args_os().skip(1)),
    };
    Ok(command)
}

/// Waits until the process at the other end of `socket` says that it serves.
#[cfg(target_os = "linux")]
fn wait_ready(
    socket: &std::os::unix::net::UnixStream,
    timeout: std::time::Duration,
    child: &mut std::process::Child,
) -> Result<()> {
    use std::io::Read;

    use crate::{
        error::{Error, ErrorKind},
        sys::handed::READY,
    };

    let until = std::time::Instant::now().checked_add(timeout);
    loop {
        let left = until.map(|until| until.saturating_duration_since(std::time::Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            let why = format!("the new process was not ready within {timeout:?}, and is killed");
            return Err(Error::new(ErrorKind::TimedOut, why));
        }
        socket.set_read_timeout(left).map_err(|e| Error::io("waiting for the new process", e))?;
        let mut byte = [0];
        match { socket }.read(&mut byte) {
            Ok(1) if byte[0] == READY => return Ok(()),
            Err(e)
                if matches!(
                    e.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted
                ) => {}
            _ => {
                // Its standard input may be closed while it still runs: it will not be ready then either.
                let _ = child.kill();
                let how = child.wait().map_or_else(|e| e.to_string(), |status| status.to_string());
                let why = format!("the new process ended before it was ready: {how}");
                return Err(Error::new(ErrorKind::Closed, why));
            }
        }
    }
}
