//! Dialling: outgoing connections.

use std::{
    io::{
        self,
        ErrorKind::{TimedOut, WouldBlock},
    },
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

#[cfg(feature = "tls")]
use crate::tls::{self, TlsClient};
use crate::{
    addr::{Address, PeerAddress},
    conn::{Connection, ConnectionOptions, Settings, core::Conn, deadlines::Kind},
    error::{Error, ErrorKind, Result},
    sched::{Runtime, block_on, blocking, park, sleep_on, timeout_on},
    sys::{Connecting, Socket},
    timer::Moment,
    transport::{self, Transport},
};

/// A maker of outgoing connections: to `host:port`, `[ipv6]:port`, `unix:/path` or `unix:@name`.
///
/// The addresses of a name are tried in turn, each with its share of the time that is left.
///
/// ```
/// use std::time::Duration;
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let dialer = netpoll::Dialer::new().connect_timeout(Duration::from_secs(2));
/// let conn = dialer.dial(&listener.local_addr()?.to_string())?;
/// assert!(conn.is_active());
///
/// let refused = dialer.dial("127.0.0.1:1").unwrap_err();
/// assert_eq!(refused.io_kind(), Some(std::io::ErrorKind::ConnectionRefused));
/// # Ok::<(), netpoll::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Dialer {
    runtime: Option<Runtime>,
    timeout: Duration,
    settings: Arc<Settings>,
}

impl Default for Dialer {
    fn default() -> Self {
        Self::new()
    }
}

/// Pause before a Unix listener with a full accept queue is tried again; no event reports room.
const RETRY: Duration = Duration::from_millis(2);

impl Dialer {
    /// Creates a dialer on the default runtime, with a connect timeout of 10 s.
    pub fn new() -> Self {
        Self { runtime: None, timeout: Duration::from_secs(10), settings: Arc::default() }
    }

    /// Sets the runtime whose pollers serve the connections. Default: [`Runtime::global`].
    #[must_use]
    pub fn runtime(mut self, runtime: &Runtime) -> Self {
        self.runtime = Some(runtime.clone());
        self
    }

    /// Limits the time of a dial, over all addresses of a name. Default: 10 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the options of the connections.
    #[must_use]
    pub fn options(mut self, options: ConnectionOptions) -> Self {
        Arc::make_mut(&mut self.settings).public = options;
        self
    }

    /// Puts a transport between the wire and each connection.
    #[must_use]
    pub fn transport<T: Transport>(self, make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        self.try_transport(move || Ok(make()))
    }

    /// Puts a transport between the wire and each connection, where making one may fail: then the dial
    /// fails with that error.
    #[must_use]
    pub fn try_transport<T, F>(mut self, make: F) -> Self
    where
        T: Transport,
        F: Fn() -> Result<T> + Send + Sync + 'static,
    {
        Arc::make_mut(&mut self.settings).transport = Some(transport::maker(make));
        self
    }

    /// Speaks TLS on each connection; a dial returns after the handshake. The server's certificate has to be
    /// for the host that is dialled, unless `tls` names [another](crate::tls::TlsClient::with_server_name).
    ///
    /// ```no_run
    /// use netpoll::{Dialer, tls::TlsClient};
    /// let dialer = Dialer::new().tls(TlsClient::new()?);
    /// let conn = dialer.dial("example.org:443")?;
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(self, tls: TlsClient) -> Self {
        self.transport(move || tls::Session::client(&tls))
    }

    /// Connects to `address` and blocks this thread meanwhile. A worker gives its poller away.
    ///
    /// # Errors
    /// `Address` if it cannot be parsed or resolved, `TimedOut`, or `Io` with the system's error for the
    /// last address tried ([`Error::io_kind`]: `ConnectionRefused`, ..). Each names the address.
    pub fn dial(&self, address: &str) -> Result<Connection> {
        let address: Address = address.parse()?;
        let until = self.owner().shared().settings.clock.after(self.timeout);
        let peers = blocking(|| address.resolve()).map_err(|e| failed(&address, Some(e)))?;
        self.each(&address, &peers, until, |peer, until| {
            let (conn, state) = loop {
                match self.begin_before(until, peer)? {
                    Some(begun) => break begun,
                    None => block_on(sleep_on(self.owner().shared(), RETRY)),
                }
            };
            if state == Connecting::InProgress {
                let asked = conn.conn.clone();
                let waits = conn.conn.until(move |_| asked.connected());
                let told = park::wait_for(waits, Some(until));
                return finish(conn, told.unwrap_or_else(|| Err(TimedOut.into())));
            }
            finish(conn, Ok(()))
        })
    }

    /// Connects to `address` without blocking the thread, under any executor.
    ///
    /// # Errors
    /// Those of [`dial`](Self::dial).
    ///
    /// # Cancel safety
    /// Dropping the future gives the dial up and closes its socket.
    pub async fn dial_async(&self, address: &str) -> Result<Connection> {
        let address: Address = address.parse()?;
        let until = self.owner().shared().settings.clock.after(self.timeout);
        let peers = if address.needs_resolver() {
            let resolving = address.clone();
            let resolved = self.owner().spawn(async move { blocking(|| resolving.resolve()) });
            // A worker may not come free in time.
            let late = |e: Error| e.context(format_args!("resolving {address}"));
            let resolved = timeout_on(self.owner().shared(), self.timeout, resolved);
            let resolved = resolved.await.map_err(late)??;
            resolved.map_err(|e| failed(&address, Some(e)))?
        } else {
            address.resolve()?
        };
        let mut last = None;
        for (i, peer) in peers.iter().enumerate() {
            let until = share(until, peers.len() - i);
            match self.dial_one(peer, until).await {
                Ok(conn) => return Ok(conn),
                Err(error) => last = Some(error),
            }
        }
        Err(failed(&address, last))
    }

    async fn dial_one(&self, peer: &PeerAddress, until: Moment) -> Result<Connection> {
        let (conn, state) = loop {
            match self.begin_before(until, peer)? {
                Some(begun) => break begun,
                None => sleep_on(self.owner().shared(), RETRY).await,
            }
        };
        if state == Connecting::InProgress {
            let asked = conn.conn.clone();
            let waits = conn.conn.until(move |_| asked.connected());
            let told = timeout_on(self.owner().shared(), until.left(), waits).await;
            return finish(conn, told.unwrap_or_else(|_| Err(TimedOut.into())));
        }
        finish(conn, Ok(()))
    }

    fn each(
        &self,
        address: &Address,
        peers: &[PeerAddress],
        until: Moment,
        mut dial: impl FnMut(&PeerAddress, Moment) -> Result<Connection>,
    ) -> Result<Connection> {
        let mut last = None;
        for (i, peer) in peers.iter().enumerate() {
            match dial(peer, share(until, peers.len() - i)) {
                Ok(conn) => return Ok(conn),
                Err(error) => last = Some(error),
            }
        }
        Err(failed(address, last))
    }

    /// Returns a client's dialer: its connections have the idle timeout `idle`, and the user timeout
    /// `silent` unless their options set one.
    pub(crate) fn for_client(mut self, idle: Option<Duration>, silent: Duration) -> Self {
        let options = &mut Arc::make_mut(&mut self.settings).public;
        options.idle_timeout = idle;
        options.user_timeout.get_or_insert(silent);
        self
    }

    /// Returns the runtime of the connections.
    pub(crate) fn owner(&self) -> &Runtime {
        self.runtime.as_ref().unwrap_or_else(|| Runtime::global())
    }

    /// Begins to connect. Returns `None` if a Unix listener's accept queue is full and time is left to retry.
    fn begin_before(
        &self,
        until: Moment,
        peer: &PeerAddress,
    ) -> Result<Option<(Connection, Connecting)>> {
        match self.begin(peer) {
            Err(error) if error.io_kind() == Some(WouldBlock) => {
                let late = || Error::io(format!("the queue of {peer} is full"), TimedOut.into());
                if until.has_passed() { Err(late()) } else { Ok(None) }
            }
            begun => begun.map(Some),
        }
    }

    /// Begins to connect; the poller reports the end. Dropping the connection gives the dial up.
    fn begin(&self, peer: &PeerAddress) -> Result<(Connection, Connecting)> {
        let runtime = self.owner().shared();
        let (socket, state) =
            Socket::connect_start(peer, &self.settings.stream(), &runtime.settings.faults)
                .map_err(|e| Error::io(format!("connecting to {peer}"), e))?;
        let conn = Conn::open(runtime, socket, peer.clone(), self.settings.clone(), |_| None)?;
        // The dial has a deadline of its own.
        conn.deadlines.clear(Kind::Idle);
        Ok((Connection::owned(conn), state))
    }
}

/// Returns the deadline for one of `addresses` that are left.
fn share(until: Moment, addresses: usize) -> Moment {
    until.share(u32::try_from(addresses).unwrap_or(u32::MAX))
}

fn failed(address: &Address, last: Option<Error>) -> Error {
    match last {
        Some(error) => error.context(format_args!("dialling {address}")),
        None => Error::new(ErrorKind::Address, format!("dialling {address}: it has no address")),
    }
}

/// Finishes a connect that has ended as `told`.
fn finish(conn: Connection, told: io::Result<()>) -> Result<Connection> {
    match told {
        Ok(()) => {
            conn.conn.runtime.gauges.dialled.fetch_add(1, Relaxed);
            conn.conn.set_deadline(Kind::Idle, conn.conn.options.idle_timeout);
            conn.conn.arm();
            Ok(conn)
        }
        Err(error) => {
            conn.abort();
            Err(Error::io(format!("connecting to {}", conn.peer()), error))
        }
    }
}
