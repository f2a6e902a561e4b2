//! Settings of a client.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use super::{
    alarms::Alarms,
    endpoints::Endpoints,
    handle::{Client, Kind, SetNumber},
    hub::{Counters, Hub, Lane},
    link::Link,
    mux::{self, Muxed, Number, Numbered, OnPush, Sequence},
    pool,
    received::Received,
    slots::{Limits, Slots},
    source::{IntoEndpoints, Source},
};
use crate::{
    buf::LinkSlice,
    conn::handler::Handler,
    dial::Dialer,
    error::{Error, ErrorKind, Result},
    frame::{self, Arena, DecodeError, Frame},
    sched::Runtime,
};

/// How long a connection may have had nothing to do before it is asked whether it is alive.
const PROBE_AFTER: Duration = Duration::from_secs(1);

/// How long a peer's system may leave bytes unacknowledged at least: several retransmissions.
const SHORTEST_SILENCE: Duration = Duration::from_secs(1);

/// Settings of a client; `M` is [`Pool`] or [`Mux`].
#[must_use]
pub struct Builder<Q, R, M> {
    source: Source,
    dialer: Dialer,
    timeout: Duration,
    idle_timeout: Option<Duration>,
    max_waiters: usize,
    mode: M,
    frames: PhantomData<fn(Q) -> R>,
}

/// Settings of a client that has one call at a time on each connection.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    max_connections: usize,
    max_per_host: usize,
}

/// Settings of a client that has many calls on each connection.
pub struct Mux<Q: Frame> {
    connections: usize,
    max_in_flight: usize,
    max_sequence: u64,
    /// Of a reply.
    number: Number,
    /// Of a request.
    set_number: SetNumber<Q>,
    on_push: Option<OnPush>,
}

impl<Q, R, M> Builder<Q, R, M> {
    fn new(endpoints: impl IntoEndpoints, idle_timeout: Option<Duration>, mode: M) -> Self {
        Self {
            source: endpoints.into_endpoints(),
            dialer: Dialer::new(),
            timeout: Duration::from_secs(10),
            idle_timeout,
            max_waiters: 65_536,
            mode,
            frames: PhantomData,
        }
    }

    /// What makes the connections: their options, their transport. Their idle timeout is the client's.
    /// Set it first: [`runtime`](Self::runtime) and [`connect_timeout`](Self::connect_timeout) change
    /// it.
    pub fn dialer(mut self, dialer: Dialer) -> Self {
        self.dialer = dialer;
        self
    }

    /// The runtime whose pollers serve the connections, and whose workers dial. Default: [`Runtime::global`].
    pub fn runtime(mut self, runtime: &Runtime) -> Self {
        self.dialer = self.dialer.runtime(runtime);
        self
    }

    /// Longest time for a dial. A call's own deadline may come first: the dial goes on, and its
    /// connection serves others. Default: 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.dialer = self.dialer.connect_timeout(timeout);
        self
    }

    /// Longest time for a call, from its beginning to its reply. Default: 10 s.
    ///
    /// It is the connections' [`user_timeout`](crate::ConnectionOptions::user_timeout) too, from 1 s
    /// on, unless the dialler's options have one: where a peer has vanished without a word, calls go
    /// over a new connection after that time. (Linux only. Elsewhere keepalive tells.)
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Connections that have had nothing to do for so long are closed. Default: 90 s for a pool, never
    /// for a mux.
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.idle_timeout = timeout.into();
        self
    }

    /// Most calls that wait for a connection; one more fails with `Limit`. Default: 65,536.
    pub fn max_waiters(mut self, max: usize) -> Self {
        self.max_waiters = max;
        self
    }

    fn hub<L: Lane>(
        self,
        connections: usize,
        per_host: usize,
        capacity: usize,
        spec: L::Spec,
    ) -> Result<Arc<Hub<L>>> {
        if connections == 0 || per_host == 0 || capacity == 0 {
            let why = "a client's limits of connections and calls are one at least";
            return Err(Error::new(ErrorKind::Config, why));
        }
        let limits = Limits { connections, per_host, capacity, waiters: self.max_waiters };
        let silent = self.timeout.max(SHORTEST_SILENCE);
        let dialer = self.dialer.of_client(self.idle_timeout, silent);
        let clock = dialer.owner().shared().settings.clock;
        let slots = Slots::new(limits, Endpoints::new(self.source, clock)?);
        Ok(Arc::new_cyclic(|hub| Hub {
            slots,
            alarms: Alarms::new(hub.clone(), dialer.owner().shared()),
            dialer,
            counters: Counters::default(),
            probe_after: PROBE_AFTER,
            spec,
        }))
    }
}

impl<Q, R> Builder<Q, R, Pool>
where
    Q: Frame + 'static,
    R: Frame + 'static,
{
    pub(super) fn pool(endpoints: impl IntoEndpoints) -> Self {
        let mode = Pool { max_connections: 256, max_per_host: usize::MAX };
        Self::new(endpoints, Some(Duration::from_secs(90)), mode)
    }

    /// Most connections, with those being dialled. Default: 256.
    pub fn max_connections(mut self, max: usize) -> Self {
        self.mode.max_connections = max;
        self
    }

    /// Most connections to one address. Default: as many as in all.
    pub fn max_per_host(mut self, max: usize) -> Self {
        self.mode.max_per_host = max;
        self
    }

    /// The client, which dials when it is first called.
    ///
    /// # Errors
    /// `Address` if an address cannot be parsed, `Config` if there is none, or a limit is zero.
    pub fn build(self) -> Result<Client<Q, R>> {
        let Pool { max_connections, max_per_host } = self.mode;
        let timeout = self.timeout;
        let hub = self.hub(max_connections, max_per_host, 1, pool::Spec::of::<R>())?;
        Ok(Client::new(Kind::Pool(hub), timeout))
    }
}

// What the numbers are is asked in `mux` alone: a frame without one is told of once.
impl<Q, R> Builder<Q, R, Mux<Q>>
where
    Q: Frame + 'static,
    R: Frame + 'static,
{
    pub(super) fn mux(endpoints: impl IntoEndpoints) -> Self
    where
        Q: Numbered,
        R: Numbered<Seq = Q::Seq>,
    {
        let mode = Mux {
            connections: 1,
            max_in_flight: 4_096,
            max_sequence: Q::Seq::MAX,
            number: number::<R>,
            set_number: set_number::<Q>,
            on_push: None,
        };
        Self::new(endpoints, None, mode)
    }

    /// Connections to each address. Another is made while all are busy. Default: 1.
    pub fn connections(mut self, connections: usize) -> Self {
        self.mode.connections = connections;
        self
    }

    /// Most calls that one connection carries at once; further ones wait. Default: 4,096, or half of
    /// the sequence numbers if that is less.
    pub fn max_in_flight(mut self, max: usize) -> Self {
        self.mode.max_in_flight = max;
        self
    }

    /// The largest sequence number, where the wire takes fewer than the field's type: 2^24 - 1 for a
    /// `u24`. Default: the type's largest.
    pub fn max_sequence(mut self, max: u64) -> Self {
        self.mode.max_sequence = max.min(self.mode.max_sequence);
        self
    }

    /// What is called with frames that answer no call: under number 0, or under one that was never
    /// handed out. It runs in the connection's turn, before whose end no further reply is received.
    ///
    /// A client with this keeps one connection at least from its first one on, also while nobody calls.
    pub fn on_push(mut self, on_push: impl Fn(Received<R>) + Send + Sync + 'static) -> Self {
        self.mode.on_push = Some(Box::new(move |bytes| on_push(Received::new(bytes))));
        self
    }

    /// The client, which dials when it is first called.
    ///
    /// # Errors
    /// `Address` if an address cannot be parsed, `Config` if there is none, or a limit is zero.
    pub fn build(mut self) -> Result<Client<Q, R>> {
        let (timeout, set_number) = (self.timeout, self.mode.set_number);
        let Mux { connections, max_in_flight, max_sequence, number, .. } = self.mode;
        let half = usize::try_from(max_sequence / 2).unwrap_or(usize::MAX);
        let handler = |lane| Arc::new(Link::<R, Muxed>::new(lane)) as Arc<dyn Handler>;
        let on_push = self.mode.on_push.take();
        let spec = mux::Spec { handler, number, on_push, max_number: max_sequence };
        let hub = self.hub(usize::MAX, connections, max_in_flight.min(half), spec)?;
        Ok(Client::new(Kind::Mux(hub, set_number), timeout))
    }
}

/// The number of a frame.
fn number<R: Numbered>(bytes: &LinkSlice) -> Result<u64, DecodeError> {
    let arena = Arena::new();
    let frame = frame::decode::<R>(bytes, bytes.len(), &arena)?;
    Ok(R::seq_of(&frame).number())
}

fn set_number<Q: Numbered>(frame: &mut Q::At<'_>, number: u64) {
    Q::number(frame, Q::Seq::from_number(number));
}

impl<Q, R, M: fmt::Debug> fmt::Debug for Builder<Q, R, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
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
