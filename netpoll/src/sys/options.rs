//! [`StreamOptions`]: what is asked of every connection of a listener or dialler.

use std::{io, time::Duration};

use socket2::{SockRef, TcpKeepalive};

use super::os;

/// Probes on a connection that is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keepalive {
    /// Silence before the first probe; whole seconds, rounded up.
    pub(crate) idle: Duration,
    /// Time between probes; whole seconds, rounded up.
    pub(crate) interval: Duration,
    /// Probes without an answer after which the connection fails.
    pub(crate) count: u32,
}

/// Options of a connection's socket. What does not concern a Unix socket is not set there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StreamOptions {
    /// Send at once what is written (TCP).
    pub(crate) nodelay: bool,
    /// Probe silent peers (TCP).
    pub(crate) keepalive: Option<Keepalive>,
    /// How long sent data may stay unacknowledged until the connection fails (TCP, Linux).
    pub(crate) user_timeout: Option<Duration>,
    /// The system's receive buffer, in bytes; it rounds and bounds.
    pub(crate) recv_buffer: Option<usize>,
    /// The system's send buffer, in bytes; it rounds and bounds.
    pub(crate) send_buffer: Option<usize>,
}

impl Default for StreamOptions {
    /// `nodelay`, and the system's choice for the rest.
    fn default() -> Self {
        Self {
            nodelay: true,
            keepalive: None,
            user_timeout: None,
            recv_buffer: None,
            send_buffer: None,
        }
    }
}

impl StreamOptions {
    /// Sets the options on `socket`, which may be a listener whose connections inherit them.
    ///
    /// Values beyond what the system takes are its largest ones: a time that means "for ever" is one.
    ///
    /// # Errors
    /// The system refuses an option, which the error names.
    pub(super) fn apply(&self, socket: &SockRef<'_>, is_unix: bool) -> io::Result<()> {
        if let Some(bytes) = self.recv_buffer {
            let set = socket.set_recv_buffer_size(bytes.min(MOST_BYTES));
            set.map_err(naming("the receive buffer's size (SO_RCVBUF)"))?;
        }
        if let Some(bytes) = self.send_buffer {
            let set = socket.set_send_buffer_size(bytes.min(MOST_BYTES));
            set.map_err(naming("the send buffer's size (SO_SNDBUF)"))?;
        }
        if is_unix {
            return Ok(());
        }
        if self.nodelay {
            socket.set_tcp_nodelay(true).map_err(naming("nodelay (TCP_NODELAY)"))?;
        }
        if let Some(keepalive) = self.keepalive {
            let wanted = TcpKeepalive::new()
                .with_time(probe_seconds(keepalive.idle))
                .with_interval(probe_seconds(keepalive.interval))
                .with_retries(keepalive.count.clamp(1, MOST_PROBES));
            socket.set_tcp_keepalive(&wanted).map_err(naming("keepalive"))?;
        }
        if let Some(timeout) = self.user_timeout {
            os::set_user_timeout(socket, whole_millis(timeout))
                .map_err(naming("user_timeout (TCP_USER_TIMEOUT)"))?;
        }
        Ok(())
    }
}

/// The largest size of a socket's buffer that can be asked for: a C `int`.
const MOST_BYTES: usize = i32::MAX as usize;

/// The longest idle time and interval of keepalive in seconds: Linux's `MAX_TCP_KEEPIDLE`.
const MOST_SECONDS: u64 = 32_767;

/// The most probes of keepalive: Linux's `MAX_TCP_KEEPCNT`.
const MOST_PROBES: u32 = 127;

/// The system takes whole seconds, from 1 to its limit.
fn probe_seconds(time: Duration) -> Duration {
    let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    Duration::from_secs(seconds.clamp(1, MOST_SECONDS))
}

/// The system takes whole milliseconds as an `int`, 24.8 days at most; a fraction is rounded up, since
/// zero means the system's own default.
fn whole_millis(time: Duration) -> Duration {
    let millis = time.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128);
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

/// Adds to an error of the system's which option it refuses.
fn naming(option: &'static str) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("setting {option}: {error}"))
}
