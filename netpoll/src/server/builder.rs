//! The settings of a server.

use std::{os::fd::OwnedFd, sync::Arc, time::Duration};

use super::{
    acceptance::Acceptance,
    event_loop::{Drain, EventLoop},
    lifecycle::Lifecycle,
    open::OpenConnections,
};
#[cfg(feature = "tls")]
use crate::tls::{self, TlsServer};
use crate::{
    addr::{Address, ToAddress},
    conn::{ConnectionOptions, Handshakes, Settings, connection_setters},
    error::{Error, ErrorKind, Result},
    listen::{self, Acceptor, Sessions},
    observe::{Observer, Observers, Scope},
    sched::Runtime,
    service::{
        self, Service,
        layers::{Layer, Layered},
    },
    shm,
    sys::{ListenOptions, Listener},
    transport::{self, Transport},
};

/// Handshakes at the same time, by default: 200 us and some 30 KB each, about.
const MAX_HANDSHAKES: usize = 1024;

/// The settings of an [`EventLoop`]; each has a default.
///
/// The order of the calls does not matter.
#[derive(Clone, Debug)]
#[must_use]
pub struct EventLoopBuilder<S> {
    service: S,
    runtime: Option<Runtime>,
    pollers: Option<usize>,
    max_workers: Option<usize>,
    listen: Vec<Result<Address>>,
    listen_plain: Vec<Result<Address>>,
    listen_default: Option<Result<Address>>,
    adopted: Vec<Arc<OwnedFd>>,
    inherit: bool,
    backlog: u32,
    reuse_port: bool,
    socket_mode: Option<u32>,
    ipv6_only: Option<bool>,
    max_connections: usize,
    max_handshakes: usize,
    request_timeout: Option<Duration>,
    name: Option<String>,
    observers: Observers,
    drain: Drain,
    settings: Settings,
    #[cfg(feature = "udp")]
    pub(super) datagrams: crate::udp::DatagramOptions,
}

impl<S: Service> EventLoopBuilder<S> {
    pub(super) fn new(service: S) -> Self {
        Self {
            service,
            runtime: None,
            pollers: None,
            max_workers: None,
            listen: Vec::new(),
            listen_plain: Vec::new(),
            listen_default: None,
            adopted: Vec::new(),
            inherit: false,
            backlog: 4096,
            reuse_port: false,
            socket_mode: None,
            ipv6_only: None,
            max_connections: usize::MAX,
            max_handshakes: MAX_HANDSHAKES,
            request_timeout: S::TIMEOUT,
            name: None,
            observers: Observers::default(),
            drain: Drain::default(),
            settings: Settings::default(),
            #[cfg(feature = "udp")]
            datagrams: <_>::default(),
        }
    }

    connection_setters! { this, this.settings }

    /// Sets the server's name: in the log, in events for observers, and as a label of metrics. Default: the name of
    /// the service's type or function, without its path.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Adds an observer of the server's connections and requests; see [`observe`](crate::observe). Those of the
    /// runtime are told of them too.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observers.add(observer);
        self
    }

    /// Lets [`layers`](crate::layers) see each request before its handler and its outcome after, in the order
    /// in which they are written: a layer, or up to eight in a tuple. Of layers set by two calls, those of the
    /// second see requests first.
    ///
    /// ```
    /// use std::time::Duration;
    /// use netpoll::{EventLoop, layers::{AccessLog, RateLimit}};
    /// # #[derive(netpoll::Frame)] struct Byte { byte: u8 }
    /// # #[netpoll::on_request] fn echo(byte: Byte) -> Byte { byte }
    /// # let service = netpoll::service::Free::<echo>::new();
    ///
    /// let limit = RateLimit::per_peer(1_000, Duration::from_secs(1));
    /// let server = EventLoop::builder(service).layers((AccessLog, limit)).listen("127.0.0.1:0").bind()?;
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    pub fn layers<L: Layer + 'static>(self, layers: L) -> EventLoopBuilder<Layered<S, L>> {
        EventLoopBuilder {
            service: Layered::new(self.service, layers),
            name: self.name,
            observers: self.observers,
            runtime: self.runtime,
            pollers: self.pollers,
            max_workers: self.max_workers,
            listen: self.listen,
            listen_plain: self.listen_plain,
            listen_default: self.listen_default,
            adopted: self.adopted,
            inherit: self.inherit,
            backlog: self.backlog,
            reuse_port: self.reuse_port,
            socket_mode: self.socket_mode,
            ipv6_only: self.ipv6_only,
            max_connections: self.max_connections,
            max_handshakes: self.max_handshakes,
            request_timeout: self.request_timeout,
            drain: self.drain,
            settings: self.settings,
            #[cfg(feature = "udp")]
            datagrams: self.datagrams,
        }
    }

    /// Sets the runtime whose pollers and workers serve. Default: [`Runtime::current`].
    pub fn runtime(mut self, runtime: &Runtime) -> Self {
        self.runtime = Some(runtime.clone());
        self
    }

    /// Serves on a runtime of its own with `n` pollers, unless [`runtime`](Self::runtime) names one.
    pub fn pollers(mut self, n: usize) -> Self {
        self.pollers = Some(n);
        self
    }

    /// Serves on a runtime of its own with at most `n` workers, unless [`runtime`](Self::runtime)
    /// names one. See [`RuntimeBuilder::max_workers`](crate::RuntimeBuilder::max_workers).
    pub fn max_workers(mut self, n: usize) -> Self {
        self.max_workers = Some(n);
        self
    }

    /// Sets the address to listen on if none of [`listen`](Self::listen),
    /// [`listen_plain`](Self::listen_plain), [`adopt`](Self::adopt) and [`inherit`](Self::inherit) is called.
    pub fn listen_default(mut self, address: impl ToAddress) -> Self {
        self.listen_default = Some(address.to_address());
        self
    }

    /// Listens on `address`, besides those that earlier calls named.
    ///
    /// It is `host:port` (port 0: the system chooses), `[ipv6]:port`, `unix:/path`, `unix:@name`,
    /// `udp://host:port` for datagrams (feature `udp`), or a value of another type of [`ToAddress`]. If a name has several addresses, the server listens on all
    /// of them that this machine has, with one port. [`bind`](Self::bind) fails if the text cannot be
    /// parsed.
    pub fn listen(mut self, address: impl ToAddress) -> Self {
        self.listen.push(address.to_address());
        self
    }

    /// Listens on `address` without the transport of the others: for a plain port beside one that speaks TLS. Its
    /// connections have the same service, options and limits, and end with the others. In
    /// [`EventLoop::addresses`] it stands behind those that [`listen`](Self::listen) names.
    ///
    /// ```
    /// # use netpoll::{Result, Transport, buf::LinkBuffer};
    /// # struct Secret;
    /// # impl Transport for Secret {
    /// #     fn open(&mut self, from: &mut LinkBuffer, to: &mut LinkBuffer, _: &mut LinkBuffer) -> Result<()> {
    /// #         Ok(to.append(from.take_all()))
    /// #     }
    /// #     fn seal(&mut self, from: &mut LinkBuffer, to: &mut LinkBuffer) -> Result<()> {
    /// #         Ok(to.append(from.take_all()))
    /// #     }
    /// # }
    /// # #[derive(netpoll::Frame)] struct Byte { byte: u8 }
    /// # #[netpoll::on_request] fn echo(byte: Byte) -> Byte { byte }
    /// # let service = netpoll::service::Free::<echo>::new();
    /// use netpoll::EventLoop;
    /// // `transport`, or `tls`, which is one.
    /// let server = EventLoop::builder(service).transport(|| Secret).listen("127.0.0.1:0");
    /// let server = server.listen_plain("127.0.0.1:0").bind()?;
    /// assert_eq!(server.addresses().len(), 2);
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    ///
    /// [`bind`](Self::bind) fails for an address of datagrams or of shared memory, which have no transport
    /// anyway.
    pub fn listen_plain(mut self, address: impl ToAddress) -> Self {
        self.listen_plain.push(address.to_address());
        self
    }

    /// Serves on a listener that exists: a [`std::net::TcpListener`], a
    /// [`std::os::unix::net::UnixListener`], or another listening stream socket. The file of a Unix socket
    /// is left alone.
    ///
    /// ```
    /// # use netpoll::{EventLoop, Frame};
    /// # #[derive(Frame)] struct Byte { byte: u8 }
    /// #[netpoll::on_request]
    /// fn echo(byte: Byte) -> Byte { byte }
    ///
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let server = EventLoop::builder(netpoll::service::Free::<echo>::new()).adopt(listener).bind()?;
    /// assert_eq!(server.addresses()[0].inet(), Some(address));
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    pub fn adopt(mut self, listener: impl Into<OwnedFd>) -> Self {
        self.adopted.push(Arc::new(listener.into()));
        self
    }

    /// Takes over the listeners that systemd hands to this process (LISTEN_FDS), besides those that
    /// [`listen`](Self::listen) names.
    pub fn inherit(mut self) -> Self {
        self.inherit = true;
        self
    }

    /// Sets the length of each listener's accept queue; the system bounds it. Default: 4096.
    pub fn backlog(mut self, clients: u32) -> Self {
        self.backlog = clients;
        self
    }

    /// Lets several processes listen on one port; the system spreads clients over them. Default: no.
    pub fn reuse_port(mut self, yes: bool) -> Self {
        self.reuse_port = yes;
        self
    }

    /// Sets whether listeners on IPv6 addresses leave IPv4 clients alone (IPV6_V6ONLY), which concerns
    /// `[::]` only. Default: the system's rule, which on Linux takes both, unless the server listens on
    /// `0.0.0.0` with the same port too.
    pub fn ipv6_only(mut self, yes: bool) -> Self {
        self.ipv6_only = Some(yes);
        self
    }

    /// Sets the permissions of the files of Unix sockets, such as `0o660`: only processes that may write to
    /// the file can connect. Default: those that the process's umask leaves.
    ///
    /// Abstract names have no permissions: every process in the network namespace can connect, and
    /// [`peer_credentials`](crate::Connection::peer_credentials) identifies it.
    pub fn socket_mode(mut self, mode: u32) -> Self {
        self.socket_mode = Some(mode);
        self
    }

    /// Sets the largest number of open connections; further clients are accepted and closed. Default: no
    /// limit.
    pub fn max_connections(mut self, n: usize) -> Self {
        self.max_connections = n;
        self
    }

    /// Sets the largest number of handshakes, of TLS or another transport, that are under way at the same
    /// time. Default: 1,024.
    ///
    /// Further connections wait in FIFO order: they count towards
    /// [`max_connections`](Self::max_connections), nothing is read from them, and they hold no memory of the
    /// transport's. The time for which they wait is part of their `handshake_timeout`. With TLS a connection takes part
    /// once its first byte has come: clients that say nothing keep nobody waiting.
    ///
    /// ```
    /// use netpoll::EventLoop;
    /// # use netpoll::service::Service;
    /// # fn serve(service: impl Service) -> netpoll::Result<()> {
    /// let server = EventLoop::builder(service).listen("127.0.0.1:0").max_handshakes(200).bind()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_handshakes(mut self, n: usize) -> Self {
        self.max_handshakes = n;
        self
    }

    /// Sets the deadline of each request, counted from when its frame is whole. At the deadline an async
    /// handler is dropped and its connection closed; a sync one sees it in `call.deadline` and
    /// `call.cancel()`. `None`: no deadline. Default: [`Service::TIMEOUT`].
    pub fn request_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.request_timeout = timeout.into();
        self
    }

    /// Sets the longest time for a drain that [`serve_until`](EventLoop::serve_until) begins: connections
    /// that are open after it are aborted. Default: 30 s.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain.timeout = timeout;
        self
    }

    /// Sets the time between the moment at which [`serve_until`](EventLoop::serve_until) is told to stop,
    /// when the server is [not ready](crate::ServerHandle::is_ready) any more, and the drain. Until then it
    /// still accepts, so that a balancer has time to notice. Default: none.
    pub fn drain_delay(mut self, delay: Duration) -> Self {
        self.drain.delay = delay;
        self
    }

    /// Sets all options of connections, except for those that this builder's own setters set before or
    /// after.
    pub fn options(mut self, options: ConnectionOptions) -> Self {
        self.settings.replace(options);
        self
    }

    /// Puts a transport between the wire and each connection's handlers.
    pub fn transport<T: Transport>(self, make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        self.try_transport(move || Ok(make()))
    }

    /// Puts a transport between the wire and each connection's handlers, where making one may fail: then
    /// the connection ends with that error, which `on_error` gets.
    pub fn try_transport<T, F>(mut self, make: F) -> Self
    where
        T: Transport,
        F: Fn() -> Result<T> + Send + Sync + 'static,
    {
        self.settings.transport = Some(transport::maker(make));
        self.settings.peer_speaks_first = false;
        self
    }

    /// Speaks TLS on each connection. `on_prepare` runs before the handshake, `on_connect` after it, and
    /// [`Connection::transport_facts`](crate::Connection::transport_facts) tells its results.
    ///
    /// ```no_run
    /// use netpoll::{EventLoop, tls::TlsServer};
    /// # use netpoll::service::Service;
    /// # fn serve(service: impl Service) -> netpoll::Result<()> {
    /// let tls = TlsServer::from_pem_files("server.pem", "server.key")?;
    /// EventLoop::builder(service).listen("0.0.0.0:443").tls(tls.clone()).bind()?.serve()?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(self, tls: TlsServer) -> Self {
        let mut this = self.try_transport(move || tls::Session::server(&tls));
        this.settings.peer_speaks_first = true;
        this
    }

    /// Speaks TLS as `make` says, whose error is that of [`bind`](Self::bind): for `#[server(tls = make)]`.
    #[cfg(feature = "tls")]
    #[doc(hidden)]
    pub fn tls_by(mut self, make: impl FnOnce() -> Result<TlsServer>) -> Self {
        match make() {
            Ok(tls) => self.tls(tls),
            Err(error) => {
                self.listen.push(Err(error.context("TLS")));
                self
            }
        }
    }

    /// Refuses `#[server(tls = make)]` where the library was built without TLS.
    #[cfg(not(feature = "tls"))]
    #[doc(hidden)]
    pub fn tls_by(self, _: impl super::NeedsFeatureTls) -> Self {
        self
    }

    /// Listens and starts to serve.
    ///
    /// # Errors
    /// `Address` for an address that cannot be parsed or resolved; `Config` for options that cannot
    /// be, or if there is nothing to listen on; `Io` if it cannot be listened on, with the address and
    /// what to do.
    pub fn bind(mut self) -> Result<EventLoop> {
        let named = self.listen.len() + self.listen_plain.len() + self.adopted.len();
        if named == 0 && !self.inherit {
            self.listen.extend(self.listen_default.take());
        }
        self.check()?;
        let options = ListenOptions {
            backlog: self.backlog,
            reuse_port: self.reuse_port,
            socket_mode: self.socket_mode,
            ipv6_only: self.ipv6_only,
            stream: self.settings.stream(),
        };
        let (mut streams, mut shared, mut datagrams) = (Vec::new(), Vec::new(), Vec::new());
        for address in &self.listen {
            let address = address.clone()?;
            if address.is_datagram() {
                datagrams.push(address);
            } else if matches!(address, Address::SharedMemory(_)) && S::STREAMS {
                shm::check()?;
                shared.push(address);
            } else if S::STREAMS {
                streams.push(address);
            } else {
                let why =
                    format!("the server handles datagrams alone: listen on udp://, not {address}");
                return Err(Error::new(ErrorKind::Config, why));
            }
        }
        let plain = self.plain_addresses()?;
        let mut listeners = listen::bind(&streams, &options)?;
        let plain = listen::bind(&plain, &options)?;
        let sessions = listen::bind(&shared, &options)?;
        for adopted in self.adopted.drain(..) {
            let listener = adopted.try_clone().and_then(|fd| Listener::adopt(fd, &options));
            listeners.push(listener.map_err(|e| Error::io("adopting a listener", e))?);
        }
        if self.inherit {
            listeners.extend(listen::inherit(&options)?);
        }
        let streams = listeners.len() + plain.len() + sessions.len();
        if streams == 0 && datagrams.is_empty() {
            let why = match self.inherit {
                true => {
                    "nothing to listen on: LISTEN_FDS is not set for this process (or its listeners were \
                         taken before), so there is nothing to inherit; start it by a systemd socket unit, or call listen(\"host:port\")"
                }
                false => {
                    "nothing to listen on: call listen(\"host:port\") or listen(\"unix:/path\")"
                }
            };
            return Err(Error::new(ErrorKind::Config, why));
        }
        #[cfg(not(feature = "udp"))]
        if let Some(address) = datagrams.first() {
            let why = format!("{address}: this build of the library lacks its feature `udp`");
            return Err(Error::new(ErrorKind::Config, why));
        }
        #[cfg(feature = "udp")]
        let datagram_options = self.datagrams.clone();
        let drain = self.drain;
        let (runtime, acceptance) = self.acceptance(streams)?;
        #[cfg(feature = "udp")]
        let service = acceptance.service.clone();
        let (open, lifecycle) = (acceptance.open.clone(), acceptance.lifecycle.clone());
        let mut acceptors = Vec::new();
        let mut failed = None;
        let without_transport = acceptance.without_transport();
        let listeners = listeners.into_iter().map(|listener| (listener, &acceptance));
        let plain = plain.into_iter().map(|listener| (listener, &without_transport));
        for (listener, acceptance) in listeners.chain(plain) {
            match Acceptor::new(runtime.shared(), listener, acceptance.clone()) {
                Ok(acceptor) => acceptors.push(acceptor),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        for listener in sessions {
            let handler = Sessions::before(runtime.shared(), acceptance.clone());
            match Acceptor::new(runtime.shared(), listener, handler) {
                Ok(acceptor) => acceptors.push(acceptor),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        // From here on a server that is dropped closes its listeners and connections.
        let event_loop = EventLoop::new(runtime, acceptors, open, lifecycle).with_drain(drain);
        if let Some(error) = failed {
            return Err(error);
        }
        event_loop.start()?;
        #[cfg(feature = "udp")]
        let event_loop = event_loop.listen_datagrams(&service, &datagrams, datagram_options)?;
        Ok(event_loop)
    }

    /// The addresses to listen on without the transport.
    fn plain_addresses(&self) -> Result<Vec<Address>> {
        let mut addresses = Vec::new();
        for address in &self.listen_plain {
            let address = address.clone()?;
            if address.is_datagram() || matches!(address, Address::SharedMemory(_)) || !S::STREAMS {
                let why = format!("listen_plain is for streams: call listen(\"{address}\")");
                return Err(Error::new(ErrorKind::Config, why));
            }
            addresses.push(address);
        }
        Ok(addresses)
    }

    /// Makes all of the server but its listeners, of which there are so many.
    pub(super) fn acceptance(mut self, listeners: usize) -> Result<(Runtime, Arc<Acceptance<S>>)> {
        self.check()?;
        let runtime = match (self.runtime, self.pollers, self.max_workers) {
            (Some(runtime), ..) => runtime,
            (None, None, None) => Runtime::current(),
            (None, pollers, max_workers) => own_runtime(pollers, max_workers)?,
        };
        if self.settings.transport.is_some() {
            self.settings.handshakes = Some(Arc::new(Handshakes::new(self.max_handshakes)));
        }
        let name = self.name.unwrap_or_else(|| short_name(std::any::type_name::<S>()));
        let observers = self.observers.with(&runtime.shared().settings.observers);
        let scope = Scope::new(&name, observers);
        let open = OpenConnections::new(
            runtime.shared(),
            scope,
            self.max_connections,
            service::reads_itself::<S>(),
        );
        let acceptance = Arc::new(Acceptance {
            service: Arc::new(self.service),
            runtime: runtime.shared().clone(),
            settings: Arc::new(self.settings),
            request_timeout: self.request_timeout,
            lifecycle: Lifecycle::start(runtime.shared(), &open, listeners),
            open,
        });
        Ok((runtime, acceptance))
    }

    fn check(&self) -> Result<()> {
        let fault = if self.max_connections == 0 {
            "max_connections is 0: every client would be sent away"
        } else if self.max_handshakes == 0 {
            "max_handshakes is 0: no handshake could begin"
        } else if self.request_timeout == Some(Duration::ZERO) {
            "request_timeout is 0: use None for no limit"
        } else if self.backlog == 0 {
            "backlog is 0: no client could wait to be accepted"
        } else {
            return self.settings.public.check();
        };
        Err(Error::new(ErrorKind::Config, fault))
    }
}

/// The name of a type without its path and the types that wrap it: `echo` of `netpoll::service::Free<app::echo>`.
fn short_name(path: &str) -> String {
    // The first argument of each wrapper is the service within it.
    let end = path.find([',', '>']).unwrap_or(path.len());
    let inner = path[..end].rsplit('<').next().unwrap_or(path);
    inner.rsplit("::").next().unwrap_or(inner).to_owned()
}

/// A runtime for one server.
fn own_runtime(pollers: Option<usize>, max_workers: Option<usize>) -> Result<Runtime> {
    let mut builder = Runtime::builder();
    if let Some(n) = pollers {
        builder = builder.pollers(n);
    }
    if let Some(n) = max_workers {
        builder = builder.max_workers(n);
    }
    builder.build()
}
