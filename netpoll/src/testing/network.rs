//! Datagrams in memory: a network that loses, repeats and reorders by a seed.

use std::{
    collections::{HashMap, VecDeque},
    fmt, io,
    net::{IpAddr, SocketAddr},
    os::fd::BorrowedFd,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;

use crate::{
    client::{UdpClient, UdpClientBuilder},
    error::{Error, ErrorKind, Result},
    random::Random,
    server::{EventLoop, EventLoopBuilder, testing::over_endpoint},
    service::Service,
    sys::udp::{Incoming, Outgoing},
    udp::Endpoint,
};

/// Datagrams that wait at an address at most; others are lost.
const ROOM: usize = 4_096;

/// Later datagrams that may overtake one that is held back.
const OVERTAKEN: usize = 4;

/// A network of datagrams in memory, whose faults follow from a seed. Clones are the same network.
///
/// Its servers and clients are those of the system's sockets but for what is below the calls. As long as
/// one thread sends at a time, the same seed does the same to the same datagrams.
///
/// ```
/// use netpoll::{EventLoop, UdpClient, client::Attempts, service::Free, testing::Network};
/// use std::time::Duration;
///
/// #[derive(netpoll::Frame)]
/// #[frame(datagram)]
/// struct Ping {
///     #[frame(seq)]
///     number: u32,
/// }
///
/// #[netpoll::on_datagram]
/// fn pong(ping: Ping) -> Ping {
///     ping
/// }
///
/// // Of ten datagrams three are lost, one comes twice, two come late.
/// let network = Network::new(7).loss(30).duplication(10).reordering(20);
/// let server = network.serve(EventLoop::builder(Free::<pong>::new()), "10.0.0.1:53")?;
/// let attempts = Attempts::new(20).wait_first(Duration::from_millis(20)).backoff(1);
/// let client = network.connect(UdpClient::builder().attempts(attempts), "10.0.0.2:1", "10.0.0.1:53")?;
/// for _ in 0..20 {
///     client.call::<Ping, Ping>(Ping { number: 0 })?;
/// }
/// assert!(network.stats().lost > 0);
/// # drop(server);
/// # Ok::<(), netpoll::Error>(())
/// ```
#[derive(Clone)]
pub struct Network(Arc<Mutex<Inner>>);

struct Inner {
    random: Random,
    loss: usize,
    duplication: usize,
    reordering: usize,
    ends: HashMap<SocketAddr, Weak<End>>,
    /// Held back until so many others have gone.
    held: Vec<(usize, Packet)>,
    stats: NetworkStats,
}

/// The counts of a [`Network`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkStats {
    /// Datagrams that were sent.
    pub sent: u64,
    /// Datagrams that were lost: by the seed, or since nobody or no room was there.
    pub lost: u64,
    /// Datagrams that came twice.
    pub duplicated: u64,
    /// Datagrams that were held back while others went.
    pub reordered: u64,
}

#[derive(Clone)]
struct Packet {
    from: SocketAddr,
    to: SocketAddr,
    ecn: u8,
    bytes: Vec<u8>,
}

type Ready = Arc<dyn Fn() + Send + Sync>;

/// A socket of the network.
struct End {
    network: Network,
    local: SocketAddr,
    peer: Option<SocketAddr>,
    inbox: Mutex<Inbox>,
}

#[derive(Default)]
struct Inbox {
    packets: VecDeque<Packet>,
    ready: Option<Ready>,
    dropped: u64,
}

impl Network {
    /// Creates a network without faults; what [`loss`](Self::loss) and others ask for follows from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            random: Random::seeded(seed),
            loss: 0,
            duplication: 0,
            reordering: 0,
            ends: HashMap::new(),
            held: Vec::new(),
            stats: NetworkStats::default(),
        })))
    }

    /// Loses so many of a hundred datagrams.
    #[must_use]
    pub fn loss(self, percent: usize) -> Self {
        self.0.lock().loss = percent;
        self
    }

    /// Delivers so many of a hundred datagrams twice.
    #[must_use]
    pub fn duplication(self, percent: usize) -> Self {
        self.0.lock().duplication = percent;
        self
    }

    /// Holds so many of a hundred datagrams back, until up to four others have gone or
    /// [`deliver`](Self::deliver) is called.
    #[must_use]
    pub fn reordering(self, percent: usize) -> Self {
        self.0.lock().reordering = percent;
        self
    }

    /// Serves the datagrams that come to `address` by what `builder` describes; its own addresses are
    /// left out.
    ///
    /// # Errors
    /// `Address` if it cannot be parsed or is taken; `Config` for options that cannot be, or if the
    /// server handles no datagrams.
    pub fn serve<S: Service>(
        &self,
        builder: EventLoopBuilder<S>,
        address: &str,
    ) -> Result<EventLoop> {
        over_endpoint(builder, self.bind(address, None)?)
    }

    /// A client bound to `address`.
    ///
    /// # Errors
    /// As [`serve`](Self::serve).
    pub fn client(&self, builder: UdpClientBuilder, address: &str) -> Result<UdpClient> {
        builder.over_endpoint(self.bind(address, None)?, None)
    }

    /// A client bound to `address` and connected to `peer`.
    ///
    /// # Errors
    /// As [`serve`](Self::serve).
    pub fn connect(
        &self,
        builder: UdpClientBuilder,
        address: &str,
        peer: &str,
    ) -> Result<UdpClient> {
        let peer = parse(peer)?;
        builder.over_endpoint(self.bind(address, Some(peer))?, Some(peer))
    }

    /// Delivers the datagrams that are held back.
    pub fn deliver(&self) {
        let held: Vec<_> = std::mem::take(&mut self.0.lock().held);
        held.into_iter().for_each(|(_, packet)| self.arrive(packet));
    }

    /// Returns the counts of the network.
    pub fn stats(&self) -> NetworkStats {
        self.0.lock().stats
    }

    fn bind(&self, address: &str, peer: Option<SocketAddr>) -> Result<Arc<dyn Endpoint>> {
        let local = parse(address)?;
        let mut inner = self.0.lock();
        if inner.ends.get(&local).is_some_and(|end| end.strong_count() > 0) {
            return Err(Error::new(ErrorKind::Address, format!("{local} is taken")));
        }
        let end = Arc::new(End { network: self.clone(), local, peer, inbox: Mutex::default() });
        inner.ends.insert(local, Arc::downgrade(&end));
        Ok(end)
    }

    /// Sends `packet` on its way.
    fn send(&self, packet: Packet) {
        let mut going = Vec::new();
        {
            let inner = &mut *self.0.lock();
            inner.stats.sent += 1;
            inner.held.retain_mut(|(left, held)| {
                *left -= 1;
                if *left == 0 {
                    going.push(held.clone());
                }
                *left > 0
            });
            let [loss, twice, late] = [inner.loss, inner.duplication, inner.reordering]
                .map(|percent| inner.random.below(100) < percent);
            if loss {
                inner.stats.lost += 1;
            } else if late {
                inner.stats.reordered += 1;
                let left = 1 + inner.random.below(OVERTAKEN);
                inner.held.push((left, packet));
            } else {
                if twice {
                    inner.stats.duplicated += 1;
                    going.insert(0, packet.clone());
                }
                // Before those that it overtakes.
                going.insert(0, packet);
            }
        }
        going.into_iter().for_each(|packet| self.arrive(packet));
    }

    fn arrive(&self, packet: Packet) {
        let end = self.0.lock().ends.get(&packet.to).and_then(Weak::upgrade);
        let taken = end.is_some_and(|end| end.arrive(packet));
        if !taken {
            self.0.lock().stats.lost += 1;
        }
    }
}

fn parse(address: &str) -> Result<SocketAddr> {
    let wrong = |e| Error::new(ErrorKind::Address, format!("address {address:?}: {e}"));
    address.parse().map_err(wrong)
}

impl End {
    /// Whether `packet` found room.
    fn arrive(&self, packet: Packet) -> bool {
        if self.peer.is_some_and(|peer| peer != packet.from) {
            return false;
        }
        let ready = {
            let mut inbox = self.inbox.lock();
            if inbox.packets.len() >= ROOM {
                inbox.dropped += 1;
                return false;
            }
            inbox.packets.push_back(packet);
            inbox.ready.clone()
        };
        if let Some(ready) = ready {
            ready();
        }
        true
    }
}

impl Endpoint for End {
    fn receive(
        &self,
        buffers: &mut [io::IoSliceMut<'_>],
        take: &mut dyn FnMut(Incoming),
    ) -> io::Result<usize> {
        let mut inbox = self.inbox.lock();
        let mut n = 0;
        for buffer in buffers {
            let Some(packet) = inbox.packets.pop_front() else { break };
            let len = packet.bytes.len().min(buffer.len());
            buffer[..len].copy_from_slice(&packet.bytes[..len]);
            let to = Some(packet.to.ip());
            take(Incoming { peer: packet.from, to, ecn: packet.ecn, len, stride: len });
            n += 1;
        }
        if n == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(n) }
    }

    fn send(&self, messages: &[Outgoing<'_>]) -> io::Result<usize> {
        for message in messages {
            let to = message.peer.or(self.peer).ok_or(io::ErrorKind::NotConnected)?;
            let bytes = message.parts.iter().flat_map(|part| part.iter().copied()).collect();
            let from = SocketAddr::new(message.from.unwrap_or(self.local.ip()), self.local.port());
            self.network.send(Packet { from, to, ecn: message.ecn, bytes });
        }
        Ok(messages.len())
    }

    fn local(&self) -> SocketAddr {
        self.local
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn notified(&self, ready: Box<dyn Fn() + Send + Sync>) {
        let ready: Ready = ready.into();
        let waiting = {
            let mut inbox = self.inbox.lock();
            inbox.ready = Some(ready.clone());
            !inbox.packets.is_empty()
        };
        if waiting {
            ready();
        }
    }

    fn dropped(&self) -> u64 {
        self.inbox.lock().dropped
    }

    fn join(&self, _: IpAddr, _: u32) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
