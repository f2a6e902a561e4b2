//! Options of a connection.

use std::{fmt, ops::Deref, sync::Arc, time::Duration};

use super::handshake::Handshakes;
use crate::{
    error::{Error, ErrorKind, Result},
    sys::{self, StreamOptions},
    transport::MakeTransport,
};

/// TCP keepalive: probes of the operating system's on a silent connection.
///
/// They find peers that vanished. They are not an idle timeout, because a live peer answers them.
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
    /// Returns 60 s of silence, then 5 probes 15 s apart.
    fn default() -> Self {
        Self { idle: Duration::from_secs(60), interval: Duration::from_secs(15), count: 5 }
    }
}

/// The table of connection options: from it come the fields of [`ConnectionOptions`], and one setter for
/// each on it and on every builder that makes connections.
macro_rules! connection_options {
    ([$($then:tt)*] $(, $context:tt)*) => {
        $($then)*! {
            $($context)*
            read_timeout: Option<Duration>, impl Into<Option<Duration>>, Some(Duration::from_secs(30)),
                "longest wait of a handler or reader that asks for bytes. `None`: no limit. Default: 30 s.";
            frame_timeout: Option<Duration>, impl Into<Option<Duration>>, Some(Duration::from_secs(30)),
                "longest time from a frame's first byte to its last. `None`: no limit. Default: 30 s.";
            handshake_timeout: Option<Duration>, impl Into<Option<Duration>>, Some(Duration::from_secs(10)),
                "longest time for a transport's handshake. `None`: no limit. Default: 10 s.";
            write_timeout: Option<Duration>, impl Into<Option<Duration>>, Some(Duration::from_secs(30)),
                "longest time in which the peer takes no byte of pending output. `None`: no limit. \
                 Default: 30 s.";
            idle_timeout: Option<Duration>, impl Into<Option<Duration>>, None,
                "longest time without a byte received while no request is handled. `None`: no limit. \
                 Default: none.";
            keep_half_open: bool, bool, false,
                "treatment of a peer's half-close. On: it is an event, `on_half_close` is called after the last \
                 request is answered, and the connection stays open for sending until this side shuts down or \
                 closes it, the peer resets it, or `idle_timeout` passes. Off: the connection ends with the answer \
                 to the last request. Default: off.";
            write_high: usize, usize, 1 << 20,
                "high-water mark: with more bytes of pending output than this, the connection reads no \
                 further requests and writers wait. Default: 1 MiB.";
            write_low: usize, usize, 256 << 10,
                "low-water mark: with this many bytes of pending output or fewer, reading and writing go \
                 on. Default: 256 KiB.";
            max_frame: usize, usize, 64 << 20,
                "size of the largest frame that is accepted, in bytes. Default: 64 MiB.";
            nodelay: bool, bool, true,
                "socket option TCP_NODELAY, which sends small segments at once. Default: on.";
            keepalive: Option<$crate::Keepalive>, impl Into<Option<$crate::Keepalive>>, Some(Keepalive::default()),
                "TCP keepalive: probes of the operating system's on a silent connection. `None`: none. \
                 Default: [`Keepalive::default`](crate::Keepalive::default).";
            user_timeout: Option<Duration>, impl Into<Option<Duration>>, None,
                "longest time for which sent bytes may stay unacknowledged (TCP_USER_TIMEOUT; Linux). \
                 `None`: the system's. Default: none.";
        }
    };
}

/// Writes the setters of all connection options into an `impl` block: `$set` is an expression for
/// the place of the settings in the builder `$this`.
macro_rules! connection_setters {
    ($this:ident, $set:expr) => {
        $crate::conn::connection_options! { [$crate::conn::setters_of_builder], $this, ($set) }
    };
}

macro_rules! setters_of_builder {
    ($this:ident ($set:expr) $($name:ident: $type:ty, $takes:ty, $default:expr, $doc:expr;)*) => {
        $(
            #[doc = concat!("Sets the ", $doc)]
            pub fn $name(mut self, value: $takes) -> Self {
                let $this = &mut self;
                $set.choose(|chosen| chosen.$name = Some(value.into()));
                self
            }
        )*
    };
}

pub(crate) use {connection_options, connection_setters, setters_of_builder};

macro_rules! define {
    ($($name:ident: $type:ty, $takes:ty, $default:expr, $doc:expr;)*) => {
        /// Timeouts, marks and socket options of connections; the defaults are those of a careful operator.
        ///
        /// All timeouts are enforced by the poller, without a handler's help. The builders of servers,
        /// clients and diallers have the same setters; what they set holds whatever `options(..)` says.
        ///
        /// ```
        /// use netpoll::ConnectionOptions;
        /// use std::time::Duration;
        ///
        /// let options = ConnectionOptions::new().idle_timeout(Duration::from_secs(60)).max_frame(1 << 20);
        /// assert_eq!(options.write_timeout, Some(Duration::from_secs(30)));
        /// ```
        ///
        /// With the feature `serde` they stand in configuration files, where durations and sizes are written as
        /// people write them: `{"idle_timeout": "5m", "read_timeout": "none", "max_frame": "8MiB"}`. What a file
        /// leaves out has its default; an unknown name is an error that lists those that there are.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct ConnectionOptions {
            $(
                #[doc = concat!("The ", $doc)]
                pub $name: $type,
            )*
        }

        impl Default for ConnectionOptions {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl ConnectionOptions {
            $(
                #[doc = concat!("Sets the ", $doc)]
                #[must_use]
                pub fn $name(mut self, value: $takes) -> Self {
                    self.$name = value.into();
                    self
                }
            )*
        }

        /// The options that were set one by one; each wins over the whole set of `options(..)`.
        #[derive(Clone, Debug, Default)]
        pub(crate) struct ChosenOptions {
            $(pub(crate) $name: Option<$type>,)*
        }

        impl ChosenOptions {
            /// Writes what was set into `options`.
            fn apply(&self, options: &mut ConnectionOptions) {
                $(
                    if let Some(value) = &self.$name {
                        options.$name = value.clone();
                    }
                )*
            }

            /// Takes over what `others` set.
            fn extend(&mut self, others: Self) {
                $(
                    if let Some(value) = others.$name {
                        self.$name = Some(value);
                    }
                )*
            }
        }
    };
}

connection_options! { [define] }

impl ConnectionOptions {
    /// Creates the default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Refuses values with which no connection could work.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], naming the option.
    pub(crate) fn check(&self) -> Result<()> {
        let Self { write_high, write_low, max_frame, keepalive, .. } = self;
        let timeouts = [
            ("read_timeout", self.read_timeout),
            ("frame_timeout", self.frame_timeout),
            ("handshake_timeout", self.handshake_timeout),
            ("write_timeout", self.write_timeout),
            ("idle_timeout", self.idle_timeout),
            ("user_timeout", self.user_timeout),
        ];
        let zero = timeouts.iter().find(|(_, timeout)| *timeout == Some(Duration::ZERO));
        let fault = if let Some((name, _)) = zero {
            format!("{name} is 0: use None for no limit")
        } else if *max_frame == 0 {
            "max_frame is 0: no frame would be accepted".into()
        } else if *write_high == 0 {
            "write_high is 0: nothing could be written".into()
        } else if write_low > write_high {
            format!("write_low is {write_low}: it must not exceed write_high ({write_high})")
        } else if let Some(Keepalive { idle, interval, count }) = keepalive
            && (idle.is_zero() || interval.is_zero() || *count == 0)
        {
            "keepalive has a part that is 0: use None for no probes".into()
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::Config, fault))
    }

    /// Returns the options of the sockets.
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

/// The settings of the connections of one server or dialler.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    pub(crate) public: ConnectionOptions,
    pub(crate) transport: Option<MakeTransport>,
    /// A server's transport has nothing to say before its peer has spoken, and is made then.
    pub(crate) peer_speaks_first: bool,
    /// The bound on a server's handshakes.
    pub(crate) handshakes: Option<Arc<Handshakes>>,
    chosen: ChosenOptions,
}

impl Settings {
    /// Sets single options, which hold whatever [`replace`](Self::replace) sets before or after.
    pub(crate) fn choose(&mut self, choose: impl FnOnce(&mut ChosenOptions)) {
        choose(&mut self.chosen);
        self.chosen.apply(&mut self.public);
    }

    /// Sets all options, except for those that were chosen one by one.
    pub(crate) fn replace(&mut self, options: ConnectionOptions) {
        self.public = options;
        self.chosen.apply(&mut self.public);
    }

    /// Takes over the options that were chosen in `other`, and its transport if it has one.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.choose(|chosen| chosen.extend(other.chosen.clone()));
        if other.transport.is_some() {
            self.transport.clone_from(&other.transport);
            self.peer_speaks_first = other.peer_speaks_first;
        }
    }

    /// Has connections be plain.
    pub(crate) fn drop_transport(&mut self) {
        (self.transport, self.handshakes, self.peer_speaks_first) = (None, None, false);
    }

    /// The options that were chosen one by one.
    pub(crate) fn chosen(&self) -> &ChosenOptions {
        &self.chosen
    }
}

impl From<ConnectionOptions> for Settings {
    fn from(options: ConnectionOptions) -> Self {
        Self { public: options, ..Self::default() }
    }
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
