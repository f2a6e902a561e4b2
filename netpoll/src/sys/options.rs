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
    pub(super) fn apply(&self, socket: &SockRef<'_>, is_unix: bool) -> io::Result<()> {
        if let Some(bytes) = self.recv_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        if is_unix {
            return Ok(());
        }
        if self.nodelay {
            socket.set_tcp_nodelay(true)?;
        }
        if let Some(keepalive) = self.keepalive {
            let wanted = TcpKeepalive::new()
                .with_time(whole_seconds(keepalive.idle))
                .with_interval(whole_seconds(keepalive.interval))
                .with_retries(keepalive.count);
            socket.set_tcp_keepalive(&wanted)?;
        }
        if let Some(timeout) = self.user_timeout {
            os::set_user_timeout(socket, timeout)?;
        }
        Ok(())
    }
}

/// The system takes seconds, and would drop a fraction: half a second would be none.
fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs() + u64::from(time.subsec_nanos() > 0))
}
