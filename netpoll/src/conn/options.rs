//! Options of a connection.

use std::{fmt, ops::Deref, time::Duration};

use crate::{
    sys::{self, StreamOptions},
    transport::MakeTransport,
};

/// TCP keepalive: probes of the operating system's on a silent connection.
///
/// This finds peers that vanished; it is no idle timeout, since a live peer answers the probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Silence before the first probe: whole seconds from 1 to 32,767; other values count as the nearest.
    pub idle: Duration,
    /// Time between probes: whole seconds from 1 to 32,767; other values count as the nearest.
    pub interval: Duration,
    /// Probes without an answer after which the connection is dead: from 1 to 127.
    pub count: u32,
}

impl Default for Keepalive {
    /// 60 s, then 5 probes 15 s apart.
    fn default() -> Self {
        Self { idle: Duration::from_secs(60), interval: Duration::from_secs(15), count: 5 }
    }
}

/// Timeouts, marks and socket options of connections; the defaults are what a careful operator
/// would choose. All timeouts are enforced by the poller, without a handler's help.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionOptions {
    /// Longest wait of a handler or reader that asks for bytes. Default: 30 s.
    pub read_timeout: Option<Duration>,
    /// Longest time from a frame's first byte to its last. Default: 30 s.
    pub frame_timeout: Option<Duration>,
    /// Longest time in which the peer takes no byte of pending output. Default: 30 s.
    pub write_timeout: Option<Duration>,
    /// Longest time without a byte received, while no request is handled. Default: none.
    pub idle_timeout: Option<Duration>,
    /// Pending output past which the connection reads no more requests and writers wait. Default: 1 MiB.
    pub write_high: usize,
    /// Pending output below which reading and writing go on. Default: 256 KiB.
    pub write_low: usize,
    /// Largest frame, in bytes. Default: 64 MiB.
    pub max_frame: usize,
    /// TCP_NODELAY. Default: on.
    pub nodelay: bool,
    /// TCP keepalive. Default: [`Keepalive::default`].
    pub keepalive: Option<Keepalive>,
    /// TCP_USER_TIMEOUT: longest time for which sent bytes stay unacknowledged, at most 24.8 days. Default:
    /// the system's.
    pub user_timeout: Option<Duration>,
}

impl ConnectionOptions {
    /// What the sockets are told.
    pub(crate) fn stream(&self) -> StreamOptions {
        let keepalive = self.keepalive.map(|Keepalive { idle, interval, count }| sys::Keepalive {
            idle,
            interval,
            count,
        });
        StreamOptions {
            nodelay: self.nodelay,
            keepalive,
            user_timeout: self.user_timeout,
            ..StreamOptions::default()
        }
    }
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            read_timeout: Some(Duration::from_secs(30)),
            frame_timeout: Some(Duration::from_secs(30)),
            write_timeout: Some(Duration::from_secs(30)),
            idle_timeout: None,
            write_high: 1 << 20,
            write_low: 256 << 10,
            max_frame: 64 << 20,
            nodelay: true,
            keepalive: Some(Keepalive::default()),
            user_timeout: None,
        }
    }
}

/// All that is set for the connections of one server or dialler.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    pub(crate) public: ConnectionOptions,
    pub(crate) transport: Option<MakeTransport>,
}

impl Deref for Settings {
    type Target = ConnectionOptions;
    fn deref(&self) -> &ConnectionOptions {
        &self.public
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("public", &self.public)
            .field("transport", &self.transport.is_some())
            .finish()
    }
}
