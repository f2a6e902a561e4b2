//! [`DatagramOptions`]: what is asked of a server's datagram sockets.

use std::net::IpAddr;

use crate::{
    error::{Error, ErrorKind, Result},
    sys::udp::{Calls, LONGEST, UdpOptions},
};

/// Options of a server's datagram sockets.
///
/// ```
/// use netpoll::DatagramOptions;
/// let mut options = DatagramOptions::default();
/// options.max_datagram = 1232;
/// options.recv_buffer = Some(4 << 20);
/// assert_eq!(options.max_waiting, 1 << 20);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatagramOptions {
    /// The most bytes of a datagram. A longer one is counted as truncated and dropped, and `on_error`
    /// is told. Default: 65,527, the longest that there can be.
    pub max_datagram: usize,
    /// The most bytes of replies that wait for room in the system, at each socket; past it the oldest
    /// are dropped and counted. Each counts 64 bytes beside its own. Default: 1 MiB.
    pub max_waiting: usize,
    /// The system's receive buffer of each socket in bytes, which it rounds and bounds. Datagrams that
    /// find it full are lost, and counted. Default: the system's choice.
    pub recv_buffer: Option<usize>,
    /// The system's send buffer of each socket in bytes, which it rounds and bounds. Default: the
    /// system's choice.
    pub send_buffer: Option<usize>,
    /// Datagrams may be sent to broadcast addresses, and are received from them. One socket then
    /// serves the address, whatever the number of pollers: the system gives each socket a copy.
    /// Default: no.
    pub broadcast: bool,
    /// An address of IPv6 takes no IPv4. `None` leaves it to the system, which takes both as a rule.
    pub only_v6: Option<bool>,
    /// Groups that are joined from the start, each with the index of an interface or 0 for the
    /// system's choice. One socket then serves the address, whatever the number of pollers.
    pub multicast: Vec<(IpAddr, u32)>,
    /// Routers that a datagram to a group may pass. Default: the system's choice, one network.
    pub multicast_hops: Option<u32>,
    /// One socket for each poller, over which the system spreads peers. Default: yes, unless
    /// broadcasts or groups are received.
    pub socket_per_poller: bool,
    /// Other processes may listen on the same port, and the system spreads peers over them.
    /// Default: no.
    pub reuse_port: bool,
    /// The system may gather datagrams of one peer on their way in, and split them on their way out
    /// (GRO and GSO, Linux). Default: yes.
    pub offload: bool,
    /// One system call sends many datagrams where the system has such a call; otherwise each takes one.
    /// Default: yes.
    pub batched: bool,
}

impl Default for DatagramOptions {
    fn default() -> Self {
        Self {
            max_datagram: LONGEST,
            max_waiting: 1 << 20,
            recv_buffer: None,
            send_buffer: None,
            broadcast: false,
            only_v6: None,
            multicast: Vec::new(),
            multicast_hops: None,
            socket_per_poller: true,
            reuse_port: false,
            offload: true,
            batched: true,
        }
    }
}

impl DatagramOptions {
    /// # Errors
    /// `Config`, naming the option that cannot be.
    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |why: String| Err(Error::new(ErrorKind::Config, why));
        if self.max_datagram == 0 || self.max_datagram > LONGEST {
            let n = self.max_datagram;
            return refuse(format!("max_datagram is {n}: it must be from 1 to {LONGEST}"));
        }
        if self.max_waiting == 0 {
            return refuse("max_waiting is 0: no reply could ever wait".into());
        }
        match self.multicast.iter().find(|(group, _)| !group.is_multicast()) {
            Some((group, _)) => refuse(format!("{group} is no multicast group")),
            None => Ok(()),
        }
    }

    /// The system gives each socket of the port a copy of a datagram.
    pub(crate) fn copies(&self) -> bool {
        self.broadcast || !self.multicast.is_empty()
    }

    pub(crate) fn of_system(&self) -> UdpOptions {
        UdpOptions {
            reuse_port: self.reuse_port,
            reuse_address: !self.multicast.is_empty(),
            broadcast: self.broadcast,
            only_v6: self.only_v6,
            recv_buffer: self.recv_buffer,
            send_buffer: self.send_buffer,
            gather: self.offload,
            split: self.offload,
            multicast_hops: self.multicast_hops,
            calls: if self.batched { Calls::Batched } else { Calls::Single },
        }
    }
}
