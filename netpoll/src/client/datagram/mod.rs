//! [`UdpClient`]: datagrams sent and received, and calls that find their replies by number.

mod arrived;
mod attempts;
mod builder;
mod pending;

use std::{
    any::TypeId,
    fmt,
    future::poll_fn,
    io::{self, IoSlice},
    net::SocketAddr,
    sync::Arc,
    task::{Poll, Waker},
    time::Duration,
};

pub use arrived::Arrived;
pub use attempts::Attempts;
pub use builder::UdpClientBuilder;

use self::pending::{Exchange, Exchanges};
use super::{MuxFrame, Received, SequenceNumber};
use crate::{
    addr::{Address, PeerAddress, ToAddress},
    buf::LinkBuffer,
    error::{Error, ErrorKind, Result},
    frame::{self, Encode, Frame},
    sched::{Runtime, block_on::wait_for, shared::Shared, timeout_on},
    sys::udp::Outgoing,
    udp::{DatagramStats, Endpoint, Outbox, Serving},
};

/// A socket of datagrams: connected to one peer, or not.
///
/// Clones share the socket; with the last one it is closed. All methods may be called from many threads
/// at once. Sending never waits: where the system has no room, datagrams wait within
/// [`max_waiting`](crate::DatagramOptions::max_waiting), and past it the oldest are dropped.
///
/// ```
/// use netpoll::UdpClient;
/// use std::time::Duration;
///
/// let one = UdpClient::bind("udp://127.0.0.1:0")?;
/// let other = UdpClient::connect(one.local())?;
/// other.send_bytes(b"hello")?;
/// let came = one.recv_timeout(Duration::from_secs(5))?;
/// assert_eq!((&*came, came.peer()), (&b"hello"[..], other.local()));
/// # Ok::<(), netpoll::Error>(())
/// ```
///
/// [`call`](Self::call) sends a request and waits for the reply that carries its number, and sends it
/// again as [`Attempts`] say. Other datagrams are for [`recv`](Self::recv).
///
/// On a connected socket a refusal by the peer's system (ICMP port unreachable) is an error of the calls
/// and receipts that wait, and else of the next: [`Error::io_kind`] is
/// [`ConnectionRefused`](io::ErrorKind::ConnectionRefused).
#[derive(Clone)]
pub struct UdpClient(Arc<Owner>);

/// Closes the socket with the last handle.
struct Owner {
    runtime: Arc<Shared>,
    serving: Arc<Serving>,
    endpoint: Arc<dyn Endpoint>,
    exchanges: Arc<Exchanges>,
    peer: Option<SocketAddr>,
    attempts: Attempts,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl UdpClient {
    /// Returns a builder with default settings.
    pub fn builder() -> UdpClientBuilder {
        UdpClientBuilder::new()
    }

    /// Connects to the peer at `address`, "host:port" with or without `udp://`.
    ///
    /// # Errors
    /// As [`UdpClientBuilder::connect`].
    pub fn connect(address: impl ToAddress) -> Result<Self> {
        Self::builder().connect(address)
    }

    /// Binds a socket to `address`, "host:port" with or without `udp://`, that sends to any peer.
    ///
    /// # Errors
    /// As [`UdpClientBuilder::bind`].
    pub fn bind(address: impl ToAddress) -> Result<Self> {
        Self::builder().bind(address)
    }

    /// The socket's own address.
    pub fn local(&self) -> SocketAddr {
        self.0.endpoint.local()
    }

    /// The peer of a connected socket.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.0.peer
    }

    /// Returns the counters of the socket.
    pub fn stats(&self) -> DatagramStats {
        let mut stats = DatagramStats::default();
        self.0.serving.add_to(&mut stats);
        stats.dropped += self.0.exchanges.dropped();
        stats
    }

    /// Sends `frame` to the connected peer.
    ///
    /// # Errors
    /// `Config` if the socket is not connected; `Limit` if the frame is longer than a datagram can be;
    /// `Io` if the system refuses it, or tells that the peer refused an earlier one.
    pub fn send(&self, frame: impl Encode) -> Result<()> {
        self.send_frame(self.connected()?, &frame)
    }

    /// Sends `bytes` to the connected peer.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_bytes(&self, bytes: &[u8]) -> Result<()> {
        self.transmit(self.connected()?, &[IoSlice::new(bytes)])
    }

    /// Sends `frame` to `peer`.
    ///
    /// # Errors
    /// As [`send`](Self::send); `Address` if `peer` is no IP address.
    pub fn send_to(&self, peer: impl Into<PeerAddress>, frame: impl Encode) -> Result<()> {
        self.send_frame(self.to(peer.into())?, &frame)
    }

    /// Sends `bytes` to `peer`.
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to).
    pub fn send_bytes_to(&self, peer: impl Into<PeerAddress>, bytes: &[u8]) -> Result<()> {
        self.transmit(self.to(peer.into())?, &[IoSlice::new(bytes)])
    }

    /// Sends many frames to the connected peer, those of equal size together.
    ///
    /// # Errors
    /// As [`send`](Self::send), of the first that fails; those before it are sent.
    pub fn send_all<F: Encode>(&self, frames: impl IntoIterator<Item = F>) -> Result<()> {
        self.connected()?;
        self.0.serving.send_all(&*self.0.endpoint, &mut frames.into_iter())
    }

    /// Waits for a datagram on this thread; a worker gives its poller away meanwhile.
    ///
    /// # Errors
    /// `FrameTooLarge`: one was longer than `max_datagram`, and is lost. `Io`: the peer refused what was
    /// sent. `Closed`: the runtime shut down.
    pub fn recv(&self) -> Result<Arrived> {
        wait_for(self.recv_async(), None).expect("there is no deadline")
    }

    /// Waits for a datagram for `limit` at most.
    ///
    /// # Errors
    /// As [`recv`](Self::recv), or `TimedOut`.
    pub fn recv_timeout(&self, limit: Duration) -> Result<Arrived> {
        let until = self.0.runtime.settings.clock.after(limit);
        let late = || {
            let why = format!("no datagram came to {} within {limit:?}", self.local());
            Err(Error::new(ErrorKind::TimedOut, why))
        };
        wait_for(self.recv_async(), Some(until)).unwrap_or_else(late)
    }

    /// Takes a datagram that has come.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn try_recv(&self) -> Result<Option<Arrived>> {
        self.0.exchanges.take(None).transpose()
    }

    /// Waits for a datagram, under any executor.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// A datagram is taken when the future is ready, and not before.
    pub async fn recv_async(&self) -> Result<Arrived> {
        poll_fn(|cx| match self.0.exchanges.take(Some(cx.waker())) {
            Some(came) => Poll::Ready(came),
            None => Poll::Pending,
        })
        .await
    }

    /// Sends `request` under a number of its own and waits for the reply that carries it, on this
    /// thread; a worker gives its poller away meanwhile. What the request's number says is overwritten.
    ///
    /// # Errors
    /// `TimedOut` if no attempt is answered; `Limit` if all numbers are in use; `Closed` if the runtime
    /// shuts down; those of [`send`](Self::send).
    pub fn call<Q, R>(&self, request: Q::At<'_>) -> Result<Received<R>>
    where
        Q: MuxFrame,
        R: MuxFrame<Seq = Q::Seq> + Frame + 'static,
        for<'a> Q::At<'a>: Encode,
    {
        self.connected()?;
        wait_for(self.exchange::<Q, R>(None, request), None).expect("there is no deadline")
    }

    /// As [`call`](Self::call), to `peer`, which alone can answer.
    ///
    /// # Errors
    /// As [`call`](Self::call); `Address` if `peer` is no IP address.
    pub fn call_to<Q, R>(
        &self,
        peer: impl Into<PeerAddress>,
        request: Q::At<'_>,
    ) -> Result<Received<R>>
    where
        Q: MuxFrame,
        R: MuxFrame<Seq = Q::Seq> + Frame + 'static,
        for<'a> Q::At<'a>: Encode,
    {
        let to = self.to(peer.into())?;
        wait_for(self.exchange::<Q, R>(to, request), None).expect("there is no deadline")
    }

    /// As [`call`](Self::call), without blocking the thread, under any executor.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    ///
    /// # Cancel safety
    /// Dropping the future ends the call: nothing more is sent, and a reply finds nobody.
    pub async fn call_async<Q, R>(&self, request: Q::At<'_>) -> Result<Received<R>>
    where
        Q: MuxFrame,
        R: MuxFrame<Seq = Q::Seq> + Frame + 'static,
        for<'a> Q::At<'a>: Encode,
    {
        self.connected()?;
        self.exchange::<Q, R>(None, request).await
    }

    /// As [`call_to`](Self::call_to), without blocking the thread, under any executor.
    ///
    /// # Errors
    /// As [`call_to`](Self::call_to).
    ///
    /// # Cancel safety
    /// As [`call_async`](Self::call_async).
    pub async fn call_async_to<Q, R>(
        &self,
        peer: impl Into<PeerAddress>,
        request: Q::At<'_>,
    ) -> Result<Received<R>>
    where
        Q: MuxFrame,
        R: MuxFrame<Seq = Q::Seq> + Frame + 'static,
        for<'a> Q::At<'a>: Encode,
    {
        let to = self.to(peer.into())?;
        self.exchange::<Q, R>(to, request).await
    }

    async fn exchange<Q, R>(
        &self,
        to: Option<SocketAddr>,
        mut request: Q::At<'_>,
    ) -> Result<Received<R>>
    where
        Q: MuxFrame,
        R: MuxFrame<Seq = Q::Seq> + Frame + 'static,
        for<'a> Q::At<'a>: Encode,
    {
        let peer = to.or(self.0.peer);
        let reply = (TypeId::of::<R>(), pending::number_of::<R> as pending::NumberOf);
        let exchange = Exchange::begin(&self.0.exchanges, peer, Q::Seq::MAX, reply)?;
        Q::number(&mut request, Q::Seq::from_number(exchange.number()));
        let mut bytes = LinkBuffer::new();
        frame::encode(&request, &mut bytes)?;
        let parts: Vec<_> = bytes.chunks().map(IoSlice::new).collect();
        let Attempts { attempts, .. } = self.0.attempts;
        for attempt in 0..attempts {
            self.transmit(to, &parts)?;
            let limit = self.0.attempts.wait(attempt);
            if let Ok(reply) = timeout_on(&self.0.runtime, limit, exchange.reply()).await {
                return Ok(Received::new(reply?));
            }
        }
        let of = peer.map_or_else(String::new, |peer| format!(" by {peer}"));
        let why =
            format!("no reply{of} to {attempts} attempts within {:?}", self.0.attempts.total());
        Err(Error::new(ErrorKind::TimedOut, why))
    }

    fn connected(&self) -> Result<Option<SocketAddr>> {
        if self.0.peer.is_some() {
            return Ok(None);
        }
        let why = format!("the socket at {} is not connected: name the peer", self.local());
        Err(Error::new(ErrorKind::Config, why))
    }

    fn to(&self, peer: PeerAddress) -> Result<Option<SocketAddr>> {
        match peer.inet() {
            Some(to) => Ok(Some(to)),
            None => Err(Error::new(ErrorKind::Address, format!("{peer} takes no datagrams"))),
        }
    }

    fn send_frame(&self, to: Option<SocketAddr>, frame: &impl Encode) -> Result<()> {
        let mut bytes = LinkBuffer::new();
        frame::encode(frame, &mut bytes)?;
        let parts: Vec<_> = bytes.chunks().map(IoSlice::new).collect();
        self.transmit(to, &parts)
    }

    /// Sends one datagram now, or has it wait.
    fn transmit(&self, to: Option<SocketAddr>, parts: &[IoSlice<'_>]) -> Result<()> {
        let message = Outgoing { peer: to, parts, ..Outgoing::default() };
        let sent = match self.0.endpoint.send(&[message]) {
            // The error is of an earlier datagram, and was told now: this one has not been sent.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                self.0.exchanges.refused(&error);
                self.0.endpoint.send(&[message])
            }
            sent => sent,
        };
        match sent {
            Ok(_) => {
                self.0.serving.count_sent(1);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
                let mut outbox = Outbox::default();
                outbox.put_bytes(crate::udp::Destination { to, from: None, ecn: 0 }, &bytes)?;
                self.0.serving.send_later(outbox);
                Ok(())
            }
            Err(error) => {
                self.0.serving.count_unsent(1);
                let of = to.or(self.0.peer).map_or_else(String::new, |to| format!(" to {to}"));
                Err(Error::io(format!("sending a datagram{of}"), error))
            }
        }
    }
}

/// The socket addresses of `address`, whether it names TCP or UDP.
fn resolve(address: &Address) -> Result<Vec<SocketAddr>> {
    if !matches!(address, Address::Udp { .. } | Address::Tcp { .. }) {
        let why = format!("{address} takes no datagrams: write udp://host:port");
        return Err(Error::new(ErrorKind::Address, why));
    }
    Ok(address.resolve()?.iter().filter_map(PeerAddress::inet).collect())
}

/// A client of `endpoint`, whose peer is `peer` if it is connected.
pub(crate) fn over(
    runtime: Runtime,
    endpoint: Arc<dyn Endpoint>,
    peer: Option<SocketAddr>,
    builder: UdpClientBuilder,
) -> Result<UdpClient> {
    let shared = runtime.shared().clone();
    let options = Arc::new(builder.options);
    let exchanges = Arc::new(Exchanges::new(options.max_waiting));
    let home = shared.place().clone();
    let serving = Serving::start(&shared, &home, endpoint.clone(), options, exchanges.clone())?;
    let attempts = builder.attempts;
    let owner = Owner { runtime: shared, serving, endpoint, exchanges, peer, attempts };
    Ok(UdpClient(Arc::new(owner)))
}

impl fmt::Debug for UdpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpClient")
            .field("local", &self.local())
            .field("peer", &self.0.peer)
            .finish_non_exhaustive()
    }
}

/// Adds `waker` to `waiters`, once.
fn wait(waiters: &mut Vec<Waker>, waker: &Waker) {
    if !waiters.iter().any(|known| known.will_wake(waker)) {
        waiters.push(waker.clone());
    }
}
