//! The settings of a server.

use std::{sync::Arc, time::Duration};

use super::{acceptance::Acceptance, event_loop::EventLoop, open::OpenConnections};
#[cfg(feature = "tls")]
use crate::tls::{self, TlsServer};
use crate::{
    addr::Address,
    conn::{ConnectionOptions, Keepalive, Settings},
    error::{Error, ErrorKind, Result},
    listen::Acceptor,
    sched::Runtime,
    service::Service,
    sys::{ListenOptions, Listener, take_inherited},
    transport::{self, Transport},
};

/// Builds an [`EventLoop`]; each setting has a default.
#[derive(Clone, Debug)]
pub struct EventLoopBuilder<S> {
    service: S,
    runtime: Option<Runtime>,
    pollers: Option<usize>,
    workers: Option<usize>,
    listen: Vec<String>,
    listen_default: Option<String>,
    inherit: bool,
    backlog: u32,
    reuse_port: bool,
    socket_mode: Option<u32>,
    max_connections: usize,
    request_timeout: Option<Duration>,
    settings: Settings,
}

macro_rules! connection_options {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)*) => {
        impl<S: Service> EventLoopBuilder<S> {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(mut self, value: $type) -> Self {
                    self.settings.public.$name = value;
                    self
                }
            )*
        }
    };
}

connection_options! {
    /// See [`ConnectionOptions::read_timeout`].
    read_timeout: Option<Duration>,
    /// See [`ConnectionOptions::frame_timeout`].
    frame_timeout: Option<Duration>,
    /// See [`ConnectionOptions::write_timeout`].
    write_timeout: Option<Duration>,
    /// See [`ConnectionOptions::idle_timeout`].
    idle_timeout: Option<Duration>,
    /// See [`ConnectionOptions::write_high`].
    write_high: usize,
    /// See [`ConnectionOptions::write_low`].
    write_low: usize,
    /// See [`ConnectionOptions::max_frame`].
    max_frame: usize,
    /// See [`ConnectionOptions::nodelay`].
    nodelay: bool,
    /// See [`ConnectionOptions::keepalive`].
    keepalive: Option<Keepalive>,
    /// See [`ConnectionOptions::user_timeout`].
    user_timeout: Option<Duration>,
}

impl<S: Service> EventLoopBuilder<S> {
    pub(super) fn new(service: S) -> Self {
        Self {
            service,
            runtime: None,
            pollers: None,
            workers: None,
            listen: Vec::new(),
            listen_default: None,
            inherit: false,
            backlog: 4096,
            reuse_port: false,
            socket_mode: None,
            max_connections: usize::MAX,
            request_timeout: S::TIMEOUT,
            settings: Settings::default(),
        }
    }

    /// The runtime whose pollers and workers serve. Default: [`Runtime::global`].
    #[must_use]
    pub fn runtime(mut self, runtime: &Runtime) -> Self {
        self.runtime = Some(runtime.clone());
        self
    }

    /// Serves on a runtime of its own with so many pollers, unless [`runtime`](Self::runtime) names one.
    #[must_use]
    pub fn pollers(mut self, n: usize) -> Self {
        self.pollers = Some(n);
        self
    }

    /// Serves on a runtime of its own with so many workers at most, unless [`runtime`](Self::runtime)
    /// names one.
    #[must_use]
    pub fn workers(mut self, n: usize) -> Self {
        self.workers = Some(n);
        self
    }

    /// Where to listen if neither [`listen`](Self::listen) nor [`inherit`](Self::inherit) says it.
    #[must_use]
    pub fn listen_default(mut self, address: impl Into<String>) -> Self {
        self.listen_default = Some(address.into());
        self
    }

    /// Listens on `address` too: `host:port` (port 0: the system chooses), `[ipv6]:port`, `unix:/path`
    /// or `unix:@name`. A name with several addresses is listened on at all of them.
    #[must_use]
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen.push(address.into());
        self
    }

    /// Takes over the listeners that systemd hands to this process (LISTEN_FDS), besides those that
    /// [`listen`](Self::listen) names.
    #[must_use]
    pub fn inherit(mut self) -> Self {
        self.inherit = true;
        self
    }

    /// Clients that may wait to be accepted, at each listener; the system bounds it. Default: 4096.
    #[must_use]
    pub fn backlog(mut self, clients: u32) -> Self {
        self.backlog = clients;
        self
    }

    /// Several processes may listen on one port, and the system spreads clients over them. Default: no.
    #[must_use]
    pub fn reuse_port(mut self, yes: bool) -> Self {
        self.reuse_port = yes;
        self
    }

    /// The permissions of the files of Unix sockets that it listens on, such as `0o660`: who may not write
    /// to the file cannot connect. Default: what the process's umask leaves.
    ///
    /// Abstract names have no permissions: whoever shares the network namespace can connect, and
    /// [`peer_credentials`](crate::Connection::peer_credentials) says who did.
    #[must_use]
    pub fn socket_mode(mut self, mode: u32) -> Self {
        self.socket_mode = Some(mode);
        self
    }

    /// Connections at once; clients past them are accepted and closed. Default: no limit.
    #[must_use]
    pub fn max_connections(mut self, n: usize) -> Self {
        self.max_connections = n;
        self
    }

    /// The deadline of each request, from when its frame is whole. An async handler is dropped at it
    /// and its connection closed; a sync one sees it in `call.deadline` and `call.cancel()`. Default:
    /// [`Service::TIMEOUT`].
    #[must_use]
    pub fn request_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// All options of connections at once.
    #[must_use]
    pub fn options(mut self, options: ConnectionOptions) -> Self {
        self.settings.public = options;
        self
    }

    /// Puts a transport between the wire and each connection's handlers.
    #[must_use]
    pub fn transport<T: Transport>(self, make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        self.try_transport(move || Ok(make()))
    }

    /// Puts a transport between the wire and each connection's handlers, where making one may fail: then
    /// the connection ends with that error, which `on_error` gets.
    #[must_use]
    pub fn try_transport<T, F>(mut self, make: F) -> Self
    where
        T: Transport,
        F: Fn() -> Result<T> + Send + Sync + 'static,
    {
        self.settings.transport = Some(transport::maker(make));
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
    #[must_use]
    pub fn tls(self, tls: TlsServer) -> Self {
        self.try_transport(move || tls::Session::server(&tls))
    }

    /// Listens and starts to serve.
    ///
    /// # Errors
    /// `Address` for an address that cannot be parsed or resolved; `Config` for options that cannot
    /// be, or if there is nothing to listen on; `Io` if it cannot be listened on, with the address and
    /// what to do.
    pub fn bind(mut self) -> Result<EventLoop> {
        if self.listen.is_empty() && !self.inherit {
            self.listen.extend(self.listen_default.take());
        }
        self.check()?;
        let options = ListenOptions {
            backlog: self.backlog,
            reuse_port: self.reuse_port,
            socket_mode: self.socket_mode,
            stream: self.settings.stream(),
        };
        let mut listeners = Vec::new();
        for text in &self.listen {
            let address: Address = text.parse()?;
            for peer in address.resolve()? {
                listeners.push(Listener::bind(&peer, &options)?);
            }
        }
        if self.inherit {
            for inherited in take_inherited(&options)? {
                let (name, address) = (inherited.name, inherited.listener.address());
                tracing::info!(?name, %address, "inherited a listener");
                listeners.push(inherited.listener);
            }
        }
        if listeners.is_empty() {
            let why = "nothing to listen on: call listen(\"host:port\") or listen(\"unix:/path\")";
            return Err(Error::new(ErrorKind::Config, why));
        }
        let (runtime, open, acceptance) = self.acceptance()?;
        let mut acceptors = Vec::new();
        for listener in listeners {
            acceptors.push(Acceptor::start(runtime.shared(), listener, acceptance.clone())?);
        }
        Ok(EventLoop::new(runtime, acceptors, open))
    }

    /// Makes all of the server but its listeners.
    pub(super) fn acceptance(self) -> Result<(Runtime, Arc<OpenConnections>, Arc<Acceptance<S>>)> {
        self.check()?;
        let runtime = match (self.runtime, self.pollers, self.workers) {
            (Some(runtime), ..) => runtime,
            (None, None, None) => Runtime::global().clone(),
            (None, pollers, workers) => own_runtime(pollers, workers)?,
        };
        let open = Arc::new(OpenConnections::new(runtime.shared(), self.max_connections));
        let acceptance = Arc::new(Acceptance {
            service: Arc::new(self.service),
            runtime: runtime.shared().clone(),
            settings: Arc::new(self.settings),
            request_timeout: self.request_timeout,
            open: open.clone(),
        });
        Ok((runtime, open, acceptance))
    }

    fn check(&self) -> Result<()> {
        let ConnectionOptions { write_high, write_low, .. } = self.settings.public;
        if write_low <= write_high {
            return Ok(());
        }
        let why =
            format!("write_low is {write_low} and write_high {write_high}: it must not be more");
        Err(Error::new(ErrorKind::Config, why))
    }
}

/// A runtime for one server.
fn own_runtime(pollers: Option<usize>, workers: Option<usize>) -> Result<Runtime> {
    let mut builder = Runtime::builder();
    if let Some(n) = pollers {
        builder = builder.pollers(n);
    }
    if let Some(n) = workers {
        builder = builder.max_workers(n);
    }
    builder.build()
}
