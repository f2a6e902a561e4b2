//! Settings of a client.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use super::{
    budget::Budget,
    call_connection::{Format, Inspect, Marks, Matching, inspect_with},
    connections::{Connections, Limits},
    deadline_timer::DeadlineTimer,
    endpoints::Endpoints,
    handle::{Client, Kind, SetNumber},
    hello::{FirstExchange, Hello},
    hub::{Counters, Hub},
    mux::{self, MuxFrame, OnPush, SequenceNumber},
    received::Received,
    source::{IntoEndpoints, Source},
};
use crate::{
    buf::LinkSlice,
    conn::{ConnectionOptions, connection_setters},
    dial::Dialer,
    error::{Error, ErrorKind, Result},
    frame::{DecodeError, Frame},
    sched::Runtime,
    transport::Transport,
};

/// Time without a call after which a connection is probed before its next one.
const PROBE_AFTER: Duration = Duration::from_secs(1);

/// Shortest `user_timeout` that a client sets: time for several retransmissions.
const SHORTEST_SILENCE: Duration = Duration::from_secs(1);

/// Settings of a client; `M` is [`Pool`], [`Pipeline`] or [`Mux`].
#[must_use]
pub struct ClientBuilder<Q, R, M> {
    source: Source,
    /// The dialler that the user gave.
    dialer: Dialer,
    /// The settings of this builder's own, which win over the dialler's.
    own: Dialer,
    timeout: Duration,
    idle_timeout: Option<Duration>,
    max_waiters: usize,
    first: Option<FirstExchange>,
    mode: M,
    frames: PhantomData<fn(Q) -> R>,
}

/// Settings of a client that has one call at a time on each connection.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    max_connections: usize,
    max_per_host: usize,
}

/// Settings of a client that has many calls on each connection, answered in order.
#[derive(Clone, Copy, Debug)]
pub struct Pipeline {
    connections: usize,
    max_in_flight: usize,
}

/// Settings of a client that has many calls on each connection.
pub struct Mux<Q: Frame> {
    connections: usize,
    max_in_flight: usize,
    max_sequence: u64,
    /// Reads the marks of a reply.
    inspect: Inspect,
    /// Writes the number of a request.
    set_number: SetNumber<Q>,
    on_push: Option<OnPush>,
}

impl<Q, R, M> ClientBuilder<Q, R, M> {
    fn new(endpoints: impl IntoEndpoints, idle_timeout: Option<Duration>, mode: M) -> Self {
        Self {
            source: endpoints.into_endpoints(),
            dialer: Dialer::new(),
            own: Dialer::new(),
            timeout: Duration::from_secs(10),
            idle_timeout,
            max_waiters: 65_536,
            first: None,
            mode,
            frames: PhantomData,
        }
    }

    /// Speaks TLS on each connection. Connections resume the session of those before them, as long as `tls` and its clones are the same.
    ///
    /// ```no_run
    /// use netpoll::{Frame, client::Client, frame::Auto, tls::TlsClient};
    ///
    /// #[derive(Frame)]
    /// struct Message<'a> {
    ///     #[frame(len(of = body))]
    ///     length: Auto<u32>,
    ///     body: &'a [u8],
    /// }
    /// let tls = TlsClient::builder().roots_file("our-ca.pem").build()?;
    /// let client = Client::<Message<'_>, Message<'_>>::pool("rpc.example.org:443").tls(tls).build()?;
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: crate::tls::TlsClient) -> Self {
        self.own = self.own.tls(tls);
        self
    }

    connection_setters! { this, this.own }

    /// Sets the dialer, with its connections' options and transport. The settings of this builder win
    /// over the dialer's.
    pub fn dialer(mut self, dialer: Dialer) -> Self {
        self.dialer = dialer;
        self
    }

    /// Sets the runtime whose pollers serve the connections, and whose workers dial. Default:
    /// [`Runtime::current`].
    pub fn runtime(mut self, runtime: &Runtime) -> Self {
        self.own = self.own.runtime(runtime);
        self
    }

    /// Limits the time of a dial. A call's own deadline may come first: the dial goes on, and its
    /// connection serves later calls. Default: 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.own = self.own.connect_timeout(timeout);
        self
    }

    /// Limits the time of a call, from its beginning to its reply. Default: 10 s.
    ///
    /// That time, but at least 1 s, is the connections'
    /// [`user_timeout`](Self::user_timeout), unless that is set: a
    /// peer that vanished is given up after it, and calls go over a new connection. (Linux only.
    /// Elsewhere keepalive detects a vanished peer.)
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets all options of the connections, except for those that this builder's own setters, or the
    /// dialer's, set.
    ///
    /// The idle timeout is 90 s for a pool and none for a mux, unless
    /// [`idle_timeout`](Self::idle_timeout) sets another.
    pub fn options(mut self, options: ConnectionOptions) -> Self {
        self.dialer = self.dialer.options(options);
        self
    }

    /// Puts a transport between the wire and each connection.
    pub fn transport<T: Transport>(mut self, make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        self.own = self.own.transport(make);
        self
    }

    /// Limits the calls that wait for a connection; one more fails with `Limit`. Default: 65,536.
    pub fn max_waiters(mut self, max: usize) -> Self {
        self.max_waiters = max;
        self
    }

    /// Makes a first exchange on each new connection before it carries calls: a login, a choice of a
    /// version or a database, a preface. It counts as a part of the dial: it has to end within the
    /// `connect_timeout`, and its failure is a failed dial.
    ///
    /// ```no_run
    /// use netpoll::{Error, ErrorKind, Frame, client::Client};
    ///
    /// /// A line of text.
    /// #[derive(Frame)]
    /// struct Line<'a>(#[frame(until = b"\n", max = 512)] &'a str);
    ///
    /// let client = Client::<Line<'static>, Line<'static>>::pipeline("10.0.0.7:7000")
    ///     .on_connect(|mut hello| async move {
    ///         match hello.call(Line("AUTH secret")).await?.get()?.0 {
    ///             "OK" => Ok(()),
    ///             other => Err(Error::new(ErrorKind::Io, format!("login refused: {other}"))),
    ///         }
    ///     })
    ///     .build()?;
    /// client.call(Line("PING"))?;
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    pub fn on_connect<F, Fut>(mut self, first: F) -> Self
    where
        F: Fn(Hello<Q, R>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.first = Some(Arc::new(move |conn| {
            let hello = Hello::new(conn);
            let received = hello.received();
            let exchange = first(hello);
            Box::pin(async move { exchange.await.map(|()| received.load(Relaxed)) })
        }));
        self
    }

    fn hub<K: Matching>(
        self,
        connections: usize,
        per_host: usize,
        capacity: usize,
        keeps_one: bool,
        format: Format<K>,
        spec: K::Spec,
    ) -> Result<Arc<Hub<K>>> {
        if connections == 0 || per_host == 0 || capacity == 0 {
            let why = "a client's limits of connections and calls are one at least";
            return Err(Error::new(ErrorKind::Config, why));
        }
        let limits = Limits { connections, per_host, capacity, waiters: self.max_waiters };
        let silent = self.timeout.max(SHORTEST_SILENCE);
        let dialer = self.dialer.overlaid(&self.own).for_client(self.idle_timeout, silent);
        dialer.check()?;
        let clock = dialer.owner().shared().settings.clock;
        let connections = Connections::new(limits, Endpoints::new(self.source, clock)?);
        Ok(Arc::new_cyclic(|hub| Hub {
            connections,
            deadline_timer: DeadlineTimer::new(hub.clone(), dialer.owner().shared()),
            dialer,
            counters: Counters::default(),
            budget: Budget::new(),
            first: self.first,
            probe_after: PROBE_AFTER,
            keeps_one,
            format,
            spec,
        }))
    }
}

impl<Q, R> ClientBuilder<Q, R, Pool>
where
    Q: Frame + 'static,
    R: Frame + 'static,
{
    pub(super) fn pool(endpoints: impl IntoEndpoints) -> Self {
        let mode = Pool { max_connections: 256, max_per_host: usize::MAX };
        Self::new(endpoints, Some(Duration::from_secs(90)), mode)
    }

    /// Limits the connections, including those being dialled. Default: 256.
    pub fn max_connections(mut self, max: usize) -> Self {
        self.mode.max_connections = max;
        self
    }

    /// Limits the connections to one address. Default: only the limit of all connections.
    pub fn max_per_host(mut self, max: usize) -> Self {
        self.mode.max_per_host = max;
        self
    }

    /// Builds the client, which dials at its first call.
    ///
    /// # Errors
    /// `Address` if an address cannot be parsed, `Config` if there is none, or a limit is zero.
    pub fn build(self) -> Result<Client<Q, R>> {
        let Pool { max_connections, max_per_host } = self.mode;
        let timeout = self.timeout;
        let hub = self.hub(max_connections, max_per_host, 1, false, Format::of::<R>(), ())?;
        Ok(Client::new(Kind::Pool(hub), timeout))
    }
}

impl<Q, R> ClientBuilder<Q, R, Pipeline>
where
    Q: Frame + 'static,
    R: Frame + 'static,
{
    pub(super) fn pipeline(endpoints: impl IntoEndpoints) -> Self {
        Self::new(endpoints, None, Pipeline { connections: 1, max_in_flight: 1_024 })
    }

    /// Sets the number of connections to each address. Another one is dialled while all are busy. Default: 1.
    pub fn connections(mut self, connections: usize) -> Self {
        self.mode.connections = connections;
        self
    }

    /// Limits the calls that one connection carries at once; further ones wait. Default: 1,024.
    pub fn max_in_flight(mut self, max: usize) -> Self {
        self.mode.max_in_flight = max;
        self
    }

    /// Builds the client, which dials at its first call.
    ///
    /// # Errors
    /// `Address` if an address cannot be parsed, `Config` if there is none, or a limit is zero.
    pub fn build(self) -> Result<Client<Q, R>> {
        let Pipeline { connections, max_in_flight } = self.mode;
        let timeout = self.timeout;
        let format = Format::of::<R>();
        let hub = self.hub(usize::MAX, connections, max_in_flight, false, format, ())?;
        Ok(Client::new(Kind::Pipeline(hub), timeout))
    }
}

// Only `mux` has the bounds of `MuxFrame`, so that a frame without a number gives one error.
impl<Q, R> ClientBuilder<Q, R, Mux<Q>>
where
    Q: Frame + 'static,
    R: Frame + 'static,
{
    pub(super) fn mux(endpoints: impl IntoEndpoints) -> Self
    where
        Q: MuxFrame,
        R: MuxFrame<Seq = Q::Seq>,
    {
        let mode = Mux {
            connections: 1,
            max_in_flight: 4_096,
            max_sequence: Q::Seq::MAX,
            inspect: inspect::<R>,
            set_number: set_number::<Q>,
            on_push: None,
        };
        Self::new(endpoints, None, mode)
    }

    /// Sets the number of connections to each address. Another one is dialled while all are busy. Default: 1.
    pub fn connections(mut self, connections: usize) -> Self {
        self.mode.connections = connections;
        self
    }

    /// Limits the calls that one connection carries at once; further ones wait. Default: 4,096, or half of
    /// the sequence numbers if that is less.
    pub fn max_in_flight(mut self, max: usize) -> Self {
        self.mode.max_in_flight = max;
        self
    }

    /// Sets the largest sequence number, for a wire format that holds fewer than the field's type: 2^24 - 1
    /// for a `u24`. Default: the type's largest.
    pub fn max_sequence(mut self, max: u64) -> Self {
        self.mode.max_sequence = max.min(self.mode.max_sequence);
        self
    }

    /// Calls `on_push` with frames that answer no call: those numbered 0, or with a number that was never
    /// assigned. It runs in the connection's turn: no further reply is received until it returns.
    ///
    /// Such a client keeps at least one connection from its first one on, also while nobody calls.
    pub fn on_push(mut self, on_push: impl Fn(Received<R>) + Send + Sync + 'static) -> Self {
        self.mode.on_push = Some(Box::new(move |bytes| on_push(Received::new(bytes))));
        self
    }

    /// Builds the client, which dials at its first call.
    ///
    /// # Errors
    /// `Address` if an address cannot be parsed, `Config` if there is none, or a limit is zero.
    pub fn build(mut self) -> Result<Client<Q, R>> {
        let (timeout, set_number) = (self.timeout, self.mode.set_number);
        let Mux { connections, max_in_flight, max_sequence, inspect, .. } = self.mode;
        let half = usize::try_from(max_sequence / 2).unwrap_or(usize::MAX);
        let format = Format::numbered::<R>(inspect);
        let on_push = self.mode.on_push.take();
        let keeps_one = on_push.is_some();
        let spec = mux::Spec { on_push, max_number: max_sequence };
        let capacity = max_in_flight.min(half);
        let hub = self.hub(usize::MAX, connections, capacity, keeps_one, format, spec)?;
        Ok(Client::new(Kind::Mux(hub, set_number), timeout))
    }
}

/// Reads the marks of a frame, with its number.
fn inspect<R: MuxFrame>(bytes: &LinkSlice) -> Result<Marks, DecodeError> {
    inspect_with::<R>(bytes, |frame| R::seq_of(frame).number())
}

fn set_number<Q: MuxFrame>(frame: &mut Q::At<'_>, number: u64) {
    Q::number(frame, Q::Seq::from_number(number));
}

impl<Q, R, M: fmt::Debug> fmt::Debug for ClientBuilder<Q, R, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("endpoints", &self.source)
            .field("timeout", &self.timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl<Q: Frame> fmt::Debug for Mux<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mux")
            .field("connections", &self.connections)
            .field("max_in_flight", &self.max_in_flight)
            .finish_non_exhaustive()
    }
}
