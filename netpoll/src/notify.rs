//! Words to the service manager: the protocol of systemd's sd_notify(3).
//!
//! A unit with `Type=notify` counts as started once the service says that it is ready, and with `WatchdogSec=` it is
//! restarted when it stops saying that it lives. Servers say both by themselves: [`serve`](crate::EventLoop::serve)
//! and [`serve_until`](crate::EventLoop::serve_until) send [`ready`], `serve_until` sends [`stopping`] when it begins
//! to drain, and a task on the server's runtime sends a sign of life twice in the time that `WATCHDOG_USEC` gives: a
//! runtime whose workers are all stuck sends none. A process that took over by an
//! [upgrade](crate::upgrade) says that it is the main one now, for which the unit needs `NotifyAccess=all`, and the
//! one before it is silent from then on.
//!
//! Without `NOTIFY_SOCKET` in the environment, as outside of such a unit, all of this does nothing.
//!
//! ```
//! netpoll::notify::status("the cache is warm");
//! ```

use std::{
    env, io,
    os::unix::net::UnixDatagram,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use crate::sched::{Runtime, sleep};

/// Says that the service is ready.
pub fn ready() {
    say(format!("MAINPID={}\nREADY=1", std::process::id()));
}

/// Says that the service begins to end.
pub fn stopping() {
    say("STOPPING=1".into());
}

/// Says that the service reloads its configuration; [`ready`] ends that.
pub fn reloading() {
    let now = crate::sys::monotonic();
    say(format!("RELOADING=1\nMONOTONIC_USEC={}", now.as_micros()));
}

/// Describes the state of the service in a line for `systemctl status`; line breaks become spaces.
pub fn status(line: &str) {
    say(format!("STATUS={}", line.replace(['\n', '\r'], " ")));
}

/// Says that the service is ready, and has a task of `runtime` say that it lives: once in a process.
pub(crate) fn serves(runtime: &Runtime) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        ready();
        if let Some(period) = watchdog() {
            runtime.spawn(async move {
                loop {
                    say("WATCHDOG=1".into());
                    sleep(period / 2).await;
                }
            });
        }
    });
}

/// The time after which the service manager takes this process for dead, if it looks.
fn watchdog() -> Option<Duration> {
    env::var_os("NOTIFY_SOCKET")?;
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    if number("WATCHDOG_PID").is_some_and(|process| process != u64::from(std::process::id())) {
        return None;
    }
    number("WATCHDOG_USEC").filter(|period| *period > 0).map(Duration::from_micros)
}

/// Another process is the main one now: this one is silent.
static REPLACED: AtomicBool = AtomicBool::new(false);

/// Notes that another process has taken over.
#[cfg(target_os = "linux")]
pub(crate) fn replaced() {
    REPLACED.store(true, SeqCst);
}

fn say(text: String) {
    if REPLACED.load(SeqCst) {
        return;
    }
    let Some(socket) = env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&socket, text.as_bytes()) {
        tracing::warn!(%error, ?socket, "the service manager cannot be told");
    }
}

/// Sends `text` to the socket of this path or, on Linux, of this abstract name behind `@`.
fn send(socket: &std::ffi::OsStr, text: &[u8]) -> io::Result<()> {
    let from = UnixDatagram::unbound()?;
    #[cfg(target_os = "linux")]
    if let Some(name) = std::os::unix::ffi::OsStrExt::as_bytes(socket).strip_prefix(b"@") {
        use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
        return from.send_to_addr(text, &SocketAddr::from_abstract_name(name)?).map(drop);
    }
    from.send_to(text, socket).map(drop)
}
