//! A listener without a server: whoever wants a connection accepts it, and reads and writes it as it is.

use std::{
    collections::VecDeque,
    fmt, io,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;

use super::{AcceptHandler, Acceptor, Sessions, bind};
use crate::{
    addr::{Address, PeerAddress, ToAddress},
    conn::{Arrivals, Connection, ConnectionOptions, Settings, connection_setters, core::Conn},
    error::{Error, ErrorKind, Result},
    poller::{Event, Interest, Token},
    sched::{
        Runtime, block_on,
        shard::Shard,
        shared::Shared,
        sleep_on,
        turn::{Ready, Source},
    },
    shm,
    sys::{AcceptFault, Endpoint, ListenOptions, Listener as Socket},
    throttle::Throttle,
    transport::Role,
};

/// Errors of single clients, one after the other, after which `accept` itself is taken to fail.
const ERRORS: usize = 16;
/// Streams in shared memory that wait to be accepted; further ones are refused.
const STREAMS: usize = 4096;
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(320);

/// A listener without a server: it accepts connections that have no handlers, for those who read and write
/// themselves.
///
/// A connection's [`reader`](Connection::reader) and [`writer`](Connection::writer) are there at once. It is
/// closed when the last handle is dropped. Several threads or tasks may accept at the same time. Clients that
/// nobody accepts wait in the system's accept queue. Dropping the listener stops listening.
///
/// ```
/// use netpoll::Listener;
/// use std::io::Write;
///
/// let listener = Listener::bind("127.0.0.1:0")?;
/// let mut client = std::net::TcpStream::connect(listener.addresses()[0].inet().unwrap())?;
/// client.write_all(b"hello")?;
///
/// let conn = listener.accept()?;
/// assert_eq!(conn.reader()?.next(5)?, b"hello");
/// # Ok::<(), netpoll::Error>(())
/// ```
pub struct Listener {
    sockets: Vec<Listening>,
    /// Listeners whose clients begin sessions in shared memory.
    sessions: Vec<Arc<Acceptor>>,
    addresses: Vec<PeerAddress>,
    incoming: Arc<Incoming>,
    /// The socket that is asked first.
    next: AtomicUsize,
    log: Throttle,
}

struct Listening {
    socket: Socket,
    token: Token,
}

impl Listener {
    /// Listens on `address`, with the default options: `host:port`, `[ipv6]:port`, `unix:/path`,
    /// `unix:@name`, `shm:/path`, or a value of another type of [`ToAddress`]. A name with several addresses is
    /// listened on at all of them, with one port.
    ///
    /// # Errors
    /// Those of [`ListenerBuilder::bind`].
    pub fn bind(address: impl ToAddress) -> Result<Self> {
        Self::builder().bind(address)
    }

    /// Takes over a listener that exists: a [`std::net::TcpListener`], a
    /// [`std::os::unix::net::UnixListener`], or another listening stream socket. The file of a Unix socket is
    /// left alone.
    ///
    /// # Errors
    /// Those of [`ListenerBuilder::adopt`].
    pub fn adopt(listener: impl Into<OwnedFd>) -> Result<Self> {
        Self::builder().adopt(listener)
    }

    /// Returns the settings of a listener.
    pub fn builder() -> ListenerBuilder {
        ListenerBuilder {
            runtime: None,
            listen: ListenOptions::default(),
            settings: Settings::default(),
        }
    }

    /// Returns the addresses on which it listens, with the ports that the system chose.
    pub fn addresses(&self) -> &[PeerAddress] {
        &self.addresses
    }

    /// Accepts the next connection, and blocks this thread meanwhile. A worker gives its poller away.
    ///
    /// # Errors
    /// `Closed` if the runtime shuts down; `Io` if the listener cannot be used any more. Errors of single
    /// clients are skipped. While descriptors or memory are short it waits and tries again, and logs that.
    pub fn accept(&self) -> Result<Connection> {
        block_on(self.accept_async())
    }

    /// Accepts the next connection without blocking the thread, under any executor.
    ///
    /// # Errors
    /// Those of [`accept`](Self::accept).
    ///
    /// # Cancel safety
    /// No connection is lost when the future is dropped: a client is accepted in the poll that returns it.
    pub async fn accept_async(&self) -> Result<Connection> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.look()? {
                Found::Connection(conn) => return Ok(conn),
                Found::Nobody => {
                    pause = FIRST_PAUSE;
                    self.incoming.arrivals.wait().await;
                }
                Found::Fault(error) => {
                    if let Some(skipped) = self.log.admit(self.incoming.runtime.settings.clock) {
                        let addresses = &self.addresses;
                        tracing::warn!(%error, ?addresses, ?pause, skipped, "cannot accept: raise the limit of open files");
                    }
                    sleep_on(&self.incoming.runtime, pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Accepts a client, if one waits.
    fn look(&self) -> Result<Found> {
        let Incoming { arrivals, streams, .. } = &*self.incoming;
        if arrivals.has_ended() {
            return Err(Error::new(ErrorKind::Closed, "the runtime shuts down"));
        }
        arrivals.look();
        let stream = streams.lock().pop_front();
        if let Some((endpoint, peer)) = stream {
            arrivals.tell();
            return self.incoming.open(endpoint, peer).map(Found::Connection);
        }
        let first = self.next.fetch_add(1, Relaxed);
        for i in 0..self.sockets.len() {
            let socket = &self.sockets[(first.wrapping_add(i)) % self.sockets.len()].socket;
            let mut errors = 0;
            loop {
                let error = match socket.accept() {
                    Ok((socket, peer)) => {
                        // More may wait, of which the selector has told already.
                        arrivals.tell();
                        return self.incoming.open(socket.into(), peer).map(Found::Connection);
                    }
                    Err(error) => error,
                };
                errors += 1;
                match AcceptFault::of(&error) {
                    AcceptFault::Empty => break,
                    AcceptFault::Transient if errors < ERRORS => {}
                    AcceptFault::Transient | AcceptFault::Exhausted => {
                        arrivals.tell();
                        return Ok(Found::Fault(error));
                    }
                    AcceptFault::Fatal => {
                        arrivals.tell();
                        let address = socket.address();
                        return Err(Error::io(format!("accepting at {address}"), error));
                    }
                }
            }
        }
        Ok(Found::Nobody)
    }
}

/// The outcome of a look at the accept queues.
enum Found {
    Connection(Connection),
    Nobody,
    /// A client may wait, and cannot be accepted at the moment.
    Fault(io::Error),
}

impl Drop for Listener {
    fn drop(&mut self) {
        let Incoming { runtime, shard, .. } = &*self.incoming;
        for Listening { socket, token } in &self.sockets {
            runtime.remove(shard, *token, socket.fd().ok());
        }
        self.sessions.iter().for_each(|acceptor| acceptor.close(false));
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// The settings of a [`Listener`]; each has a default.
#[derive(Clone, Debug)]
#[must_use]
pub struct ListenerBuilder {
    runtime: Option<Runtime>,
    listen: ListenOptions,
    settings: Settings,
}

impl ListenerBuilder {
    connection_setters! { this, this.settings }

    /// Sets the runtime whose pollers serve the connections. Default: [`Runtime::current`].
    pub fn runtime(mut self, runtime: &Runtime) -> Self {
        self.runtime = Some(runtime.clone());
        self
    }

    /// Sets all options of connections, except for those that this builder's own setters set before or after.
    pub fn options(mut self, options: ConnectionOptions) -> Self {
        self.settings.replace(options);
        self
    }

    /// Sets the length of the accept queue; the system bounds it. Default: 4096.
    pub fn backlog(mut self, clients: u32) -> Self {
        self.listen.backlog = clients;
        self
    }

    /// Lets several processes listen on one port; the system spreads clients over them. Default: no.
    pub fn reuse_port(mut self, yes: bool) -> Self {
        self.listen.reuse_port = yes;
        self
    }

    /// Sets whether listeners on IPv6 addresses leave IPv4 clients alone (IPV6_V6ONLY). Default: the system's
    /// rule.
    pub fn ipv6_only(mut self, yes: bool) -> Self {
        self.listen.ipv6_only = Some(yes);
        self
    }

    /// Sets the permissions of the file of a Unix socket, such as `0o660`. Default: those that the process's
    /// umask leaves.
    pub fn socket_mode(mut self, mode: u32) -> Self {
        self.listen.socket_mode = Some(mode);
        self
    }

    /// Listens on `address`.
    ///
    /// # Errors
    /// `Address` if it cannot be parsed or resolved; `Config` for options that cannot be; `Io` if it cannot be
    /// listened on, with the address and what to do.
    pub fn bind(mut self, address: impl ToAddress) -> Result<Listener> {
        let address = address.to_address()?;
        address.check_stream()?;
        self.settings.check()?;
        self.listen.stream = self.settings.stream();
        let in_memory = matches!(address, Address::SharedMemory(_));
        if in_memory {
            shm::check()?;
        }
        let sockets = bind::bind(&[address], &self.listen)?;
        if in_memory {
            self.listener(Vec::new(), sockets)
        } else {
            self.listener(sockets, Vec::new())
        }
    }

    /// Takes over a listener that exists; see [`Listener::adopt`].
    ///
    /// # Errors
    /// `Io` if it is not a listening stream socket; `Config` for options that cannot be.
    pub fn adopt(mut self, listener: impl Into<OwnedFd>) -> Result<Listener> {
        self.settings.check()?;
        self.listen.stream = self.settings.stream();
        let socket = Socket::adopt(listener.into(), &self.listen)
            .map_err(|e| Error::io("adopting a listener", e))?;
        self.listener(vec![socket], Vec::new())
    }

    fn listener(self, sockets: Vec<Socket>, sessions: Vec<Socket>) -> Result<Listener> {
        let runtime = self.runtime.unwrap_or_else(Runtime::current);
        let runtime = runtime.shared();
        runtime.check_open()?;
        let incoming = Arc::new(Incoming {
            runtime: runtime.clone(),
            shard: runtime.place().clone(),
            settings: Arc::new(self.settings),
            arrivals: Arrivals::default(),
            streams: Mutex::default(),
        });
        let addresses = sockets.iter().chain(&sessions).map(|socket| socket.address().clone());
        let mut listener = Listener {
            addresses: addresses.collect(),
            sockets: Vec::new(),
            sessions: Vec::new(),
            incoming: incoming.clone(),
            next: AtomicUsize::new(0),
            log: Throttle::every(Duration::from_secs(1)),
        };
        for mut socket in sockets {
            socket.inject(&runtime.settings.faults);
            let registered = socket.fd().and_then(|fd| {
                incoming.shard.poller.register(fd, Interest::Datagrams, incoming.clone())
            });
            let token = registered.map_err(|e| {
                Error::io(format!("registering the listener of {}", socket.address()), e)
            })?;
            listener.sockets.push(Listening { socket, token });
        }
        for socket in sessions {
            let handler = Sessions::before(runtime, incoming.clone());
            let acceptor = Acceptor::new(runtime, socket, handler)?;
            listener.sessions.push(acceptor.clone());
            acceptor.start()?;
        }
        Ok(listener)
    }
}

/// What a listener's sockets share with the poller.
struct Incoming {
    runtime: Arc<Shared>,
    shard: Arc<Shard>,
    settings: Arc<Settings>,
    arrivals: Arrivals,
    /// Streams in shared memory that were not accepted yet.
    streams: Mutex<VecDeque<(Endpoint, PeerAddress)>>,
}

impl Incoming {
    fn open(&self, endpoint: Endpoint, peer: PeerAddress) -> Result<Connection> {
        let settings = self.settings.clone();
        let conn = Conn::open(&self.runtime, endpoint, peer, settings, Role::Server, |_| None)?;
        self.runtime.gauges.accepted.fetch_add(1, Relaxed);
        Ok(Connection::owned(conn))
    }
}

impl Source for Incoming {
    fn on_event(self: Arc<Self>, _event: Event, _ready: &mut Ready) {
        self.arrivals.tell();
    }

    fn on_timer(self: Arc<Self>, _now: u64, _ready: &mut Ready) {}

    fn on_shutdown(self: Arc<Self>) {
        self.arrivals.end();
    }
}

/// Streams of sessions in shared memory are accepted as they come, and wait here.
impl AcceptHandler for Incoming {
    fn accepted(&self, endpoint: Endpoint, peer: PeerAddress) {
        let mut streams = self.streams.lock();
        if streams.len() >= STREAMS {
            tracing::warn!(%peer, "a stream in shared memory is refused: {STREAMS} wait to be accepted");
            return;
        }
        streams.push_back((endpoint, peer));
        drop(streams);
        self.arrivals.tell();
    }

    fn troubled(&self, address: &PeerAddress, error: &io::Error, shed: usize, fatal: bool) {
        tracing::warn!(%address, %error, shed, fatal, "cannot accept sessions in shared memory");
    }

    fn shed(&self, clients: usize) {
        self.runtime.gauges.refused.fetch_add(clients as u64, Relaxed);
    }

    fn failed(&self, _: Error) {
        // It was logged, and the listener is closed: nothing comes any more.
        self.arrivals.end();
    }
}
