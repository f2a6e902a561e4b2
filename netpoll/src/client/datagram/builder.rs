//! [`UdpClientBuilder`]: the settings of a client's socket.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use super::{Attempts, UdpClient, over, resolve};
use crate::{
    addr::{Address, ToAddress},
    error::{Error, ErrorKind, Result},
    sched::Runtime,
    sys::udp::UdpSocket,
    udp::DatagramOptions,
};

/// Builds a [`UdpClient`]; each setting has a default.
#[derive(Clone, Debug)]
#[must_use]
pub struct UdpClientBuilder {
    pub(super) runtime: Option<Runtime>,
    pub(super) options: DatagramOptions,
    pub(super) attempts: Attempts,
    local: Option<SocketAddr>,
}

impl UdpClientBuilder {
    pub(super) fn new() -> Self {
        let (options, attempts) = (DatagramOptions::default(), Attempts::default());
        Self { runtime: None, options, attempts, local: None }
    }

    /// Sets the runtime whose poller receives. Default: [`Runtime::global`].
    pub fn runtime(mut self, runtime: &Runtime) -> Self {
        self.runtime = Some(runtime.clone());
        self
    }

    /// Sets the options of the socket: those of buffers, sizes, groups and broadcasts.
    pub fn options(mut self, options: DatagramOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets when calls send their request again.
    pub fn attempts(mut self, attempts: Attempts) -> Self {
        self.attempts = attempts;
        self
    }

    /// Sets the address that a connected socket sends from. Default: the system's choice.
    pub fn local(mut self, local: SocketAddr) -> Self {
        self.local = Some(local);
        self
    }

    /// Connects to the peer at `address`, "host:port" with or without `udp://`. May block to resolve a
    /// name.
    ///
    /// # Errors
    /// `Address` if it cannot be parsed or resolved; `Config` for options that cannot be; `Io` with the
    /// address if the system refuses.
    pub fn connect(self, address: impl ToAddress) -> Result<UdpClient> {
        self.options.check()?;
        let (address, mut last) = (address.to_address()?, None);
        for peer in resolve(&address)? {
            let any: IpAddr = match peer {
                SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            let local = self.local.unwrap_or(SocketAddr::new(any, 0));
            match self.socket(local).and_then(|mut socket| socket.connect(peer).map(|()| socket)) {
                Ok(socket) => return self.over(socket, Some(peer)),
                Err(error) => {
                    last = Some(Error::io(format!("cannot connect to udp://{peer}"), error));
                }
            }
        }
        Err(last.unwrap_or_else(|| no_address(&address)))
    }

    /// Binds a socket to `address`, "host:port" with or without `udp://`, that sends to any peer.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn bind(self, address: impl ToAddress) -> Result<UdpClient> {
        self.options.check()?;
        let address = address.to_address()?;
        let Some(&local) = resolve(&address)?.first() else { return Err(no_address(&address)) };
        let socket = self
            .socket(local)
            .map_err(|error| Error::io(format!("cannot bind to udp://{local}"), error))?;
        self.over(socket, None)
    }

    fn socket(&self, local: SocketAddr) -> std::io::Result<UdpSocket> {
        let socket = UdpSocket::bind(local, &self.options.of_system())?;
        for &(group, interface) in &self.options.multicast {
            socket.join(group, interface)?;
        }
        Ok(socket)
    }

    /// A client of `endpoint`, connected to `peer` if it is.
    ///
    /// # Errors
    /// `Config` for options that cannot be; `Closed` if the runtime shuts down.
    #[cfg(feature = "testing")]
    pub(crate) fn over_endpoint(
        self,
        endpoint: Arc<dyn crate::udp::Endpoint>,
        peer: Option<SocketAddr>,
    ) -> Result<UdpClient> {
        self.options.check()?;
        let runtime = self.runtime.clone().unwrap_or_else(|| Runtime::global().clone());
        over(runtime, endpoint, peer, self)
    }

    fn over(self, socket: UdpSocket, peer: Option<SocketAddr>) -> Result<UdpClient> {
        let runtime = self.runtime.clone().unwrap_or_else(|| Runtime::global().clone());
        over(runtime, Arc::new(socket), peer, self)
    }
}

fn no_address(address: &Address) -> Error {
    Error::new(ErrorKind::Address, format!("{address} has no address"))
}
