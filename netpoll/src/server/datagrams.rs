//! A server's datagram sockets: their options, and what its handle says of them.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use super::{
    builder::EventLoopBuilder,
    event_loop::{EventLoop, ServerHandle},
    observed_datagrams::observe,
};
use crate::{
    addr::Address,
    error::{Error, ErrorKind, Result},
    service::Service,
    timer::{Clock, Moment},
    udp::{DatagramOptions, DatagramStats, Serving, bind_all},
};

impl<S: Service> EventLoopBuilder<S> {
    /// Sets the options of the sockets of `udp://` addresses.
    ///
    /// ```
    /// use netpoll::{DatagramOptions, EventLoop, service::Free};
    ///
    /// #[netpoll::on_datagram]
    /// fn sink(_bytes: &[u8]) {}
    ///
    /// let mut options = DatagramOptions::default();
    /// options.recv_buffer = Some(1 << 20);
    /// let builder = EventLoop::builder(Free::<sink>::new()).datagrams(options).max_datagram(1432);
    /// let server = builder.listen("udp://[::1]:0").bind()?;
    /// assert_eq!(server.handle().datagrams().received, 0);
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    pub fn datagrams(mut self, options: DatagramOptions) -> Self {
        self.datagrams = options;
        self
    }

    /// Sets [`DatagramOptions::max_datagram`].
    pub fn max_datagram(mut self, bytes: usize) -> Self {
        self.datagrams.max_datagram = bytes;
        self
    }
}

impl EventLoop {
    /// Serves datagrams at `addresses` too.
    pub(super) fn listen_datagrams<S: Service>(
        mut self,
        server: &Arc<S>,
        addresses: &[Address],
        options: DatagramOptions,
    ) -> Result<Self> {
        options.check()?;
        if addresses.is_empty() {
            return Ok(self);
        }
        let Some(service) = S::datagrams(server) else {
            let why =
                format!("the server has no `on_datagram`: it cannot listen on {}", addresses[0]);
            return Err(Error::new(ErrorKind::Config, why));
        };
        let options = Arc::new(options);
        let handler = observe(service.0, self.scope());
        let mut sockets = Vec::new();
        for address in addresses {
            for peer in address.resolve()? {
                let Some(at) = peer.inet() else { continue };
                let runtime = self.runtime().clone();
                sockets.extend(bind_all(runtime.shared(), at, &options, &handler)?);
                self.add_sockets(std::mem::take(&mut sockets));
            }
        }
        Ok(self)
    }
}

#[cfg(feature = "testing")]
impl EventLoop {
    /// Serves the datagrams of `endpoint` too.
    pub(super) fn serve_endpoint<S: Service>(
        mut self,
        server: &Arc<S>,
        endpoint: Arc<dyn crate::udp::Endpoint>,
        options: DatagramOptions,
    ) -> Result<Self> {
        options.check()?;
        let Some(service) = S::datagrams(server) else {
            return Err(Error::new(ErrorKind::Config, "the server has no `on_datagram`"));
        };
        let runtime = self.runtime().shared().clone();
        let shard = runtime.place().clone();
        let handler = observe(service.0, self.scope());
        let socket = Serving::start(&runtime, &shard, endpoint, Arc::new(options), handler)?;
        self.add_sockets(vec![socket]);
        Ok(self)
    }
}

impl ServerHandle {
    /// Returns the counters of the server's datagram sockets.
    pub fn datagrams(&self) -> DatagramStats {
        let mut stats = DatagramStats::default();
        self.sockets().iter().for_each(|socket| socket.add_to(&mut stats));
        stats
    }

    /// Receives what is sent to the multicast `group` from now on, at the first socket of each address
    /// of its family, on the interface of that index or the system's choice (0). Where several sockets
    /// serve an address, only the first receives it.
    ///
    /// # Errors
    /// `Config` if there is no socket of the family; `Io` if the system refuses.
    pub fn join_multicast(&self, group: IpAddr, interface: u32) -> Result<()> {
        self.membership(group, |socket| {
            let what = format!("joining {group}");
            socket.membership(|endpoint| endpoint.join(group, interface), what)
        })
    }

    /// Ends a [`join_multicast`](Self::join_multicast), or the membership that
    /// [`DatagramOptions::multicast`] began.
    ///
    /// # Errors
    /// As [`join_multicast`](Self::join_multicast).
    pub fn leave_multicast(&self, group: IpAddr, interface: u32) -> Result<()> {
        self.membership(group, |socket| {
            let what = format!("leaving {group}");
            socket.membership(|endpoint| endpoint.leave(group, interface), what)
        })
    }

    fn membership(
        &self,
        group: IpAddr,
        change: impl Fn(&Arc<Serving>) -> Result<()>,
    ) -> Result<()> {
        let mut seen: Vec<SocketAddr> = Vec::new();
        for socket in self.sockets() {
            let local = socket.local();
            if local.is_ipv4() == group.is_ipv4() && !seen.contains(&local) {
                change(socket)?;
                seen.push(local);
            }
        }
        if seen.is_empty() {
            let why = format!("no udp:// address of the server has the family of {group}");
            return Err(Error::new(ErrorKind::Config, why));
        }
        Ok(())
    }
}

/// Begins to close all of `sockets`: what has come to them is answered first.
pub(super) fn begin_close(sockets: &[Arc<Serving>]) {
    sockets.iter().for_each(|socket| socket.begin_close());
}

/// Waits until `sockets` are closed, and closes those that are not at `until`.
pub(super) fn finish_close(sockets: &[Arc<Serving>], until: Moment) {
    for socket in sockets {
        if !socket.wait_closed(until) {
            socket.abort();
            // A handler that does not return is not waited for.
            socket.wait_closed(Clock::default().after(super::event_loop::TURN));
        }
    }
}
