//! Dialling: outgoing connections.

mod asking;
mod lookup;

use std::{
    fmt,
    future::{Future, poll_fn},
    io::{
        self,
        ErrorKind::{TimedOut, WouldBlock},
    },
    os::fd::OwnedFd,
    path::Path,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

pub(crate) use asking::ask;
pub(crate) use lookup::look_up;

#[cfg(feature = "tls")]
use crate::tls::{self, TlsClient};
use crate::{
    addr::{Address, PeerAddress, ToAddress},
    conn::{
        ChosenOptions, Connection, ConnectionOptions, Settings, connection_setters, core::Conn,
        wait::News,
    },
    error::{Error, ErrorKind, Result},
    sched::{Runtime, block_on, shard::Shard, shared::Shared, sleep_on},
    shm,
    sys::{Connecting, Endpoint, Socket},
    timer::Moment,
    transport::{self, Role, Transport},
};

/// A maker of outgoing connections: to `host:port`, `[ipv6]:port`, `unix:/path` or `unix:@name`.
///
/// The addresses of a name are tried in turn, each with its share of the time that is left.
///
/// ```
/// use std::time::Duration;
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let dialer = netpoll::Dialer::new().connect_timeout(Duration::from_secs(2));
/// let conn = dialer.dial(listener.local_addr()?)?;
/// assert!(conn.is_active());
///
/// let refused = dialer.dial("127.0.0.1:1").unwrap_err();
/// assert_eq!(refused.io_kind(), Some(std::io::ErrorKind::ConnectionRefused));
/// # Ok::<(), netpoll::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Dialer {
    runtime: Option<Runtime>,
    timeout: Option<Duration>,
    server_name: Option<String>,
    beside: Option<Beside>,
    settings: Arc<Settings>,
}

/// The shard of a connection, at which dialled ones are put.
#[derive(Clone)]
struct Beside(Arc<Shard>);

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Beside").field(&self.0.index).finish()
    }
}

impl Default for Dialer {
    fn default() -> Self {
        Self::new()
    }
}

/// Pause before a Unix listener with a full accept queue is tried again; no event reports room.
const RETRY: Duration = Duration::from_millis(2);

/// Longest time for a dial, unless another is set.
const TIMEOUT: Duration = Duration::from_secs(10);

impl Dialer {
    /// Creates a dialer on the default runtime, with a connect timeout of 10 s.
    pub fn new() -> Self {
        Self {
            runtime: None,
            timeout: None,
            server_name: None,
            beside: None,
            settings: Arc::default(),
        }
    }

    connection_setters! { this, this }

    /// Puts the connections on the poller of `connection`, and so on its runtime: two connections that talk to
    /// each other then wake no thread to do so. For a proxy, a gateway, or a handler that asks another server.
    ///
    /// ```
    /// use netpoll::{Dialer, Listener};
    /// # let backend = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let listener = Listener::bind("127.0.0.1:0")?;
    /// # let client = std::net::TcpStream::connect(listener.addresses()[0].inet().unwrap())?;
    /// let client = listener.accept()?;
    /// let server = Dialer::new().beside(&client).dial(backend.local_addr()?)?;
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    pub fn beside(mut self, connection: &Connection) -> Self {
        self.runtime = Some(Runtime::of(connection.conn.runtime().clone()));
        self.beside = Some(Beside(connection.conn.shard().clone()));
        self
    }

    /// Puts the connections at `shard`, which is one of the dialler's runtime's.
    pub(crate) fn at(mut self, shard: Arc<Shard>) -> Self {
        self.beside = Some(Beside(shard));
        self
    }

    /// Sets the runtime whose pollers serve the connections. Default: [`Runtime::global`].
    pub fn runtime(mut self, runtime: &Runtime) -> Self {
        self.beside = None;
        self.runtime = Some(runtime.clone());
        self
    }

    /// Limits the time of a dial, over all addresses of a name. Default: 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets all options of the connections, except for those that this dialler's own setters set before or
    /// after.
    pub fn options(mut self, options: ConnectionOptions) -> Self {
        Arc::make_mut(&mut self.settings).replace(options);
        self
    }

    /// Puts a transport between the wire and each connection.
    pub fn transport<T: Transport>(self, make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        self.try_transport(move || Ok(make()))
    }

    /// Puts a transport between the wire and each connection, where making one may fail: then the dial
    /// fails with that error.
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
    pub fn tls(self, tls: TlsClient) -> Self {
        self.transport(move || tls::Session::client(&tls))
    }

    /// Sets the name by which a transport knows the server. Default: the host of the address.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Connects to `address` and blocks this thread meanwhile. A worker gives its poller away.
    ///
    /// # Errors
    /// `Address` if it cannot be parsed or resolved, `TimedOut`, or `Io` with the system's error for the
    /// last address tried ([`Error::io_kind`]: `ConnectionRefused`, ..). Each names the address.
    pub fn dial(&self, address: impl ToAddress) -> Result<Connection> {
        let address = address.to_address()?;
        self.check()?;
        address.check_stream()?;
        let until = self.deadline();
        block_on::wait_for(self.connect(&address, until), Some(until))
            .unwrap_or_else(|| Err(dialling(&address, None, self.late("no connection"))))
    }

    /// Connects to `address` without blocking the thread, under any executor.
    ///
    /// # Errors
    /// Those of [`dial`](Self::dial).
    ///
    /// # Cancel safety
    /// Dropping the future gives the dial up and closes its socket.
    pub async fn dial_async(&self, address: impl ToAddress) -> Result<Connection> {
        let address = address.to_address()?;
        self.check()?;
        address.check_stream()?;
        self.connect(&address, self.deadline()).await
    }

    fn late(&self, what: &str) -> Error {
        let why = format!("{what} within {:?}", self.timeout());
        Error::new(ErrorKind::TimedOut, why).with_source(io::Error::from(TimedOut))
    }

    fn deadline(&self) -> Moment {
        self.owner().shared().settings.clock.after(self.timeout())
    }

    /// Looks the address up and tries what it finds, one after the other.
    async fn connect(&self, address: &Address, until: Moment) -> Result<Connection> {
        if let Address::SharedMemory(path) = address {
            let connected = self.connect_shared(path, until).await;
            return connected.map_err(|error| dialling(address, None, error));
        }
        let peers = if address.needs_resolver() {
            let found = self.within(until, look_up(address)).await;
            let late = || self.late("the name was not resolved");
            found.unwrap_or_else(|| Err(late()))
        } else {
            address.resolve()
        };
        let peers = peers.map_err(|error| dialling(address, None, error))?;
        let mut last = None;
        for (i, peer) in peers.iter().enumerate() {
            let name = self.server_name.as_deref().or_else(|| address.host());
            match self.connect_to(peer, name, share(until, peers.len() - i)).await {
                Ok(conn) => return Ok(conn),
                Err(error) => last = Some(dialling(address, Some(peer), error)),
            }
        }
        Err(last.unwrap_or_else(|| {
            dialling(address, None, Error::new(ErrorKind::Address, "it has no address"))
        }))
    }

    /// Opens a stream in shared memory.
    async fn connect_shared(&self, path: &Path, until: Moment) -> Result<Connection> {
        let owner = self.owner();
        let runtime = owner.shared();
        let peer = PeerAddress::Path(path.to_owned());
        let begin = || {
            let (stream, faults) = (self.settings.stream(), &runtime.settings.faults);
            Endpoint::connect_start(&peer, &stream, faults).map(|(endpoint, _)| endpoint)
        };
        let session = self.within(until, shm::connect(runtime, path, begin)).await;
        let endpoint = session.unwrap_or_else(|| Err(self.late("no session")))?;
        let conn = self.open(runtime, endpoint, peer.clone())?;
        self.shake(Connection::owned(conn), None, until).await
    }

    async fn connect_to(
        &self,
        peer: &PeerAddress,
        server_name: Option<&str>,
        until: Moment,
    ) -> Result<Connection> {
        let (conn, state) = loop {
            match self.begin_before(until, peer)? {
                Some(begun) => break begun,
                None => sleep_on(self.owner().shared(), RETRY).await,
            }
        };
        if state == Connecting::InProgress {
            let asked = conn.conn.clone();
            let waits = conn.conn.until(News::Setup, move |_| asked.connected());
            let told = self.within(until, waits).await;
            if let Err(error) = told.unwrap_or_else(|| Err(TimedOut.into())) {
                conn.abort();
                return Err(plain(error));
            }
        }
        self.shake(conn, server_name, until).await
    }

    /// Has the transport of a connection that is made shake hands, if it has one.
    async fn shake(
        &self,
        conn: Connection,
        server_name: Option<&str>,
        until: Moment,
    ) -> Result<Connection> {
        conn.conn.begin_handshake(server_name);
        let shaken = self.within(until, conn.conn.until(News::Setup, Conn::shaken)).await;
        if let Err(error) = shaken.unwrap_or_else(|| Err(self.late("no handshake"))) {
            conn.abort();
            return Err(error);
        }
        conn.conn.dialled();
        Ok(conn)
    }

    /// Waits for `future` until a deadline. Unlike a bare timer this works on a runtime that shuts down
    /// too, for a thread that watches the deadline itself.
    pub(crate) async fn within<F: Future>(&self, until: Moment, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut sleep = pin!(sleep_on(self.owner().shared(), until.left()));
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            let over = until.has_passed() || sleep.as_mut().poll(cx).is_ready();
            if over { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }

    /// Returns this dialler with the settings of `own`, which win.
    pub(crate) fn overlaid(mut self, own: &Self) -> Self {
        self.runtime = own.runtime.clone().or(self.runtime);
        self.timeout = own.timeout.or(self.timeout);
        self.server_name = own.server_name.clone().or(self.server_name);
        self.beside = own.beside.clone().or(self.beside);
        Arc::make_mut(&mut self.settings).extend(&own.settings);
        self
    }

    /// Returns a client's dialler: its connections have the idle timeout `idle`, unless one was set alone,
    /// and the user timeout `silent`, unless their options have one.
    pub(crate) fn for_client(mut self, idle: Option<Duration>, silent: Duration) -> Self {
        let settings = Arc::make_mut(&mut self.settings);
        let chosen = settings.chosen();
        let (choose_idle, choose_user) =
            (chosen.idle_timeout.is_none(), chosen.user_timeout.is_none());
        if choose_idle {
            settings.public.idle_timeout = idle;
        }
        if choose_user {
            settings.public.user_timeout.get_or_insert(silent);
        }
        // A client's connections are made by many threads, and belong to one runtime.
        self.runtime.get_or_insert_with(Runtime::current);
        self
    }

    /// Sets single options of the connections.
    pub(crate) fn choose(&mut self, choose: impl FnOnce(&mut ChosenOptions)) {
        Arc::make_mut(&mut self.settings).choose(choose);
    }

    /// Refuses options with which no connection could work.
    pub(crate) fn check(&self) -> Result<()> {
        self.settings.check()
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT)
    }

    /// Returns the runtime of the connections.
    pub(crate) fn owner(&self) -> Runtime {
        self.runtime.clone().unwrap_or_else(Runtime::current)
    }

    /// Begins to connect. Returns `None` if a Unix listener's accept queue is full and time is left to retry.
    fn begin_before(
        &self,
        until: Moment,
        peer: &PeerAddress,
    ) -> Result<Option<(Connection, Connecting)>> {
        match self.begin(peer) {
            Err(error) if error.io_kind() == Some(WouldBlock) => {
                let late = || Error::io("the accept queue is full", TimedOut.into());
                if until.has_passed() { Err(late()) } else { Ok(None) }
            }
            begun => begun.map(Some),
        }
    }

    /// Makes a connection of an endpoint.
    fn open(
        &self,
        runtime: &Arc<Shared>,
        endpoint: Endpoint,
        peer: PeerAddress,
    ) -> Result<Arc<Conn>> {
        let shard =
            self.beside.as_ref().map_or_else(|| runtime.place(), |beside| &beside.0).clone();
        let settings = self.settings.clone();
        Conn::open_at((runtime, shard), endpoint, peer, settings, Role::Client, |_| None)
    }

    /// Makes a connection of a stream socket that is connected already: a [`std::net::TcpStream`], a
    /// [`std::os::unix::net::UnixStream`] or one end of a socket pair. Its reader and writer are there at once.
    ///
    /// ```
    /// use std::{io::Read, os::unix::net::UnixStream};
    /// let (ours, mut theirs) = UnixStream::pair()?;
    /// let conn = netpoll::Dialer::new().adopt(ours)?;
    /// conn.write(b"hello")?;
    /// let mut said = [0; 5];
    /// theirs.read_exact(&mut said)?;
    /// assert_eq!(&said, b"hello");
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Io` if it is not a connected stream socket; `Config` if this dialler has a transport, whose handshake
    /// only a dial carries out; `Closed` if the runtime shuts down.
    pub fn adopt(&self, stream: impl Into<OwnedFd>) -> Result<Connection> {
        self.check()?;
        if self.settings.transport.is_some() {
            let why = "a stream cannot be adopted by a dialler with a transport: dial instead";
            return Err(Error::new(ErrorKind::Config, why));
        }
        let (socket, peer) = Socket::adopt(stream.into(), &self.settings.stream())
            .map_err(|e| Error::io("adopting a stream", e))?;
        let owner = self.owner();
        let conn = self.open(owner.shared(), socket.into(), peer)?;
        conn.dialled();
        Ok(Connection::owned(conn))
    }

    /// Begins to connect; the poller reports the end. Dropping the connection gives the dial up.
    fn begin(&self, peer: &PeerAddress) -> Result<(Connection, Connecting)> {
        let owner = self.owner();
        let runtime = owner.shared();
        let (endpoint, state) =
            Endpoint::connect_start(peer, &self.settings.stream(), &runtime.settings.faults)
                .map_err(plain)?;
        let conn = self.open(runtime, endpoint, peer.clone())?;
        // The dial has a deadline of its own.
        conn.begin_dial();
        Ok((Connection::owned(conn), state))
    }
}

/// Returns the deadline for one of `addresses` that are left.
fn share(until: Moment, addresses: usize) -> Moment {
    until.share(u32::try_from(addresses).unwrap_or(u32::MAX))
}

/// Adds to `error` what was dialled; the peer only if the address does not name it.
fn dialling(address: &Address, peer: Option<&PeerAddress>, error: Error) -> Error {
    let (address, peer) = (address.to_string(), peer.map(ToString::to_string));
    match peer.filter(|peer| *peer != address) {
        Some(peer) => error.context(format_args!("dialling {address} ({peer})")),
        None => error.context(format_args!("dialling {address}")),
    }
}

/// Returns the error of a connect, whose address its caller adds.
fn plain(error: io::Error) -> Error {
    let text = error.to_string();
    Error::io("", error).with_message(text)
}
